//! `cargo run --release`: the demonstration as a user starts it.

use std::path::Path;
use std::time::Duration;

use people_counter_tests::process::Process;
use people_counter_tests::rest::Rest;
use people_counter_tests::wait::{eventually, free_port};

/// Starts the demonstration with its temporary files below `folder`, and waits for its address.
pub async fn start(arguments: &[&str], folder: &Path) -> (Process, Rest) {
    let temporary = folder.join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let variables = [("TMPDIR", temporary.to_str().unwrap())];
    let demo = Process::start_with("people-counter", arguments, &variables, folder);
    let address = eventually("the page's address is printed", || async {
        let printed = demo.printed();
        let line = printed.lines().find(|line| line.starts_with("Page"))?;
        Some(line.split_whitespace().nth(1)?.to_owned())
    })
    .await;
    (demo, Rest::new(address))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_counts_prints_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let (mut demo, rest) = start(&["--port", &port], folder.path()).await;
    assert!(rest.base().ends_with(&port));
    eventually("six cameras are live", || async {
        let all = rest.devices().await?;
        (all.summary.live == 6 && all.summary.people > 0).then_some(())
    })
    .await;
    eventually("each camera has its line", || async {
        let printed = demo.printed();
        (1..=6).all(|number| printed.contains(&format!("camera-{number} "))).then_some(())
    })
    .await;
    let printed = demo.printed();
    assert!(printed.contains("mqtt://127.0.0.1:") && printed.contains("http://127.0.0.1:"), "{printed}");
    demo.signal("INT");
    let (status, _) = demo.wait(Duration::from_secs(10));
    assert!(status.success(), "{status}\n{}", demo.printed());
    let left: Vec<_> = std::fs::read_dir(folder.path().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_said_and_another_one_used() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (demo, rest) = start(&["--port", &port, "--cameras", "1"], folder.path()).await;
    assert!(!rest.base().ends_with(&port));
    assert!(demo.printed().contains(&format!("Port {port} is taken")), "{}", demo.printed());
    assert_eq!(rest.get("/healthz").await.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_ones_own_is_a_camera() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = people_counter_tests::system::sample_frames().display().to_string();
    let port = free_port().to_string();
    let arguments = ["--port", &port, "--cameras", "0", "--source", &pictures];
    let (_demo, rest) = start(&arguments, folder.path()).await;
    eventually("it is counted", || async { rest.device("own-1").await?.count }).await;
}

#[test]
fn a_source_that_cannot_be_read_is_one_sentence() {
    for (source, expected) in [("http://:80/stream", "url"), ("/nowhere", "/nowhere"), ("ftp://x/", "ftp")] {
        let output = people_counter_tests::process::run("people-counter", &["--source", source], &[]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        assert!(error.contains(expected) && error.trim_end().lines().count() == 1, "{source}: {error}");
    }
}
