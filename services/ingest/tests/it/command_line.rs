//! What a person tries before a source is put into a configuration.

use std::path::Path;
use std::process::Output;

use crate::camera::{Camera, PASSWORD, USER, basic, snapshot};
use crate::configuration::{complaint, run};
use crate::world::picture;

fn take(arguments: &[&str], out: &Path) -> Output {
    run(&[&["snapshot"], arguments, &[out.to_str().unwrap()]].concat(), &[])
}

#[test]
fn a_snapshot_proves_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("1.jpg"), picture(1)).unwrap();
    let out = dir.path().join("out.jpg");
    let output = take(&["--source", dir.path().to_str().unwrap()], &out);
    assert!(output.status.success(), "{}", complaint(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("64 x 48"));
    assert_eq!(std::fs::read(&out).unwrap(), picture(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_proves_a_network_camera_with_its_login() {
    let camera = Camera::start(|request| match basic(request) {
        Ok(()) => snapshot(&picture(1)),
        Err(question) => question,
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let (out, password) = (dir.path().join("out.jpg"), dir.path().join("password"));
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let url = camera.url("/snap.jpg");
    let login = ["--source", &url, "--username", USER, "--password-file", password.to_str().unwrap()];
    let output = tokio::task::block_in_place(|| take(&login, &out));
    assert!(output.status.success(), "{}", complaint(&output));
    assert_eq!(std::fs::read(&out).unwrap(), picture(1));

    std::fs::write(&password, "guess").unwrap();
    let output = tokio::task::block_in_place(|| take(&login, &out));
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("refuses the user name or the password"), "{}", complaint(&output));
}

#[test]
fn a_snapshot_of_a_configured_camera() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("1.jpg"), picture(1)).unwrap();
    let config = dir.path().join("ingest.toml");
    let text = format!(
        "[store]\nbucket = 'frames'\n[[cameras]]\ndevice = 'cam-1'\nsource = {{ kind = 'folder', path = '{}' }}\n",
        dir.path().display()
    );
    std::fs::write(&config, text).unwrap();
    let out = dir.path().join("out.jpg");
    let output = take(&["--config", config.to_str().unwrap(), "--device", "cam-1"], &out);
    assert!(output.status.success(), "{}", complaint(&output));
    let output = take(&["--config", config.to_str().unwrap(), "--device", "cam-2"], &out);
    assert!(complaint(&output).contains("no camera cam-2"), "{}", complaint(&output));
}

#[test]
fn what_gives_no_picture_is_said_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let (out, folder) = (dir.path().join("out.jpg"), dir.path().to_str().unwrap());
    for (source, words) in [
        ("/nowhere/at/all", "there is no folder or video file"),
        (folder, "no picture in the folder"),
        ("http://127.0.0.1:9/", "refuses the connection"),
    ] {
        let output = take(&["--source", source], &out);
        assert_eq!(output.status.code(), Some(1), "{source}");
        assert!(complaint(&output).contains(words), "{source}: {}", complaint(&output));
        assert_eq!(complaint(&output).lines().count(), 1, "{}", complaint(&output));
    }
    assert!(!out.exists());
}

#[cfg(not(feature = "camera"))]
#[test]
fn what_lacks_for_the_list_of_cameras_is_said() {
    let output = run(&["devices"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("--features camera"), "{}", complaint(&output));
}

#[cfg(feature = "camera")]
#[test]
fn the_cameras_of_this_machine_are_listed() {
    let output = run(&["devices"], &[]);
    assert!(output.status.success(), "{}", complaint(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("/dev/video") || text.contains("There is no camera"), "{text}");
}
