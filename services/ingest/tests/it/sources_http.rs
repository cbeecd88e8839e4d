//! Network cameras that speak HTTP: ffmpeg's server, and one that does what the test wants.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use iot_sandbox::free_port;
use people_counter_events::{Delivery, FrameStored};
use people_counter_ingest::config::{Config, HttpCamera, Source};

use crate::camera::{Camera, Digest, PASSWORD, Step, basic, part, snapshot, status, stream, with_login};
use crate::node::Node;
use crate::world::{Ingest, World, eventually, eventually_some, object, picture};

/// A camera whose pictures are all wanted.
fn config(world: &World, source: Source) -> Config {
    world.config(|_, camera| {
        camera.source = source;
        camera.interval = Duration::from_millis(10);
        camera.delivery = Delivery::Every;
    })
}

async fn problem(world: &World, words: &str) {
    eventually_some(words, async || world.status().await?.problem?.contains(words).then_some(())).await;
}

async fn frames(node: &mut Node, count: usize) -> Vec<FrameStored> {
    let mut frames = Vec::new();
    while frames.len() < count {
        frames.push(node.next().await);
    }
    frames
}

/// ffmpeg as a camera: serves one viewer, then ends.
struct FfmpegServer(Child);

impl FfmpegServer {
    fn start(port: u16) -> Self {
        let child = Command::new("ffmpeg")
            .args(["-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=20"])
            .args(["-c:v", "mjpeg", "-f", "mpjpeg", "-listen", "1"])
            .arg(format!("http://127.0.0.1:{port}/video"))
            .stdin(Stdio::null())
            .spawn()
            .expect("ffmpeg is missing, install it: apt-get install ffmpeg");
        Self(child)
    }
}

impl Drop for FfmpegServer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_ffmpegs_is_taken_and_taken_up_again() {
    let world = World::start().await;
    let mut node = Node::online(&world).await;
    let port = free_port();
    let server = FfmpegServer::start(port);
    let url = format!("http://127.0.0.1:{port}/video").parse().unwrap();
    let ingest = Ingest::start(world.config(|_, camera| {
        camera.source = Source::Http(HttpCamera::new(url));
        camera.interval = Duration::from_millis(100);
    }))
    .await;
    for frame in frames(&mut node, 4).await {
        assert_eq!((frame.width, frame.height), (320, 240));
        image::load_from_memory(&object(&world, &frame).await).unwrap();
    }
    drop(server);
    problem(&world, "refuses the connection").await;
    let before = ingest.captured();
    let _server = FfmpegServer::start(port);
    eventually("pictures come again", || ingest.captured() > before + 3).await;
    eventually_some("the problem is gone", async || {
        world.status().await.filter(|status| status.problem.is_none())
    })
    .await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_a_stream_pass_through_and_bad_ones_cost_no_other() {
    let world = World::start().await;
    let mut node = Node::online(&world).await;
    let good: Vec<_> = (1..=4).map(picture).collect();
    let oversize: Vec<u8> = [&[0xff, 0xd8, 0xff, 0xe0, 0x7f, 0xff][..], &[7; 80_000]].concat();
    let parts = good.clone();
    let camera = Camera::start(move |_| {
        let cut = &parts[1][..parts[1].len() / 2];
        let mut steps = stream(&[&parts[0], cut, &parts[1], &oversize, &parts[2]]);
        steps.push(part(&parts[3]));
        steps.push(Step::Freeze);
        steps
    })
    .await;
    let mut config = config(&world, Source::Http(camera.source("/video.mjpg")));
    // every picture is wanted, however fast they come
    config.cameras[0].interval = Duration::from_millis(10);
    config.limits.bytes = 20_000;
    let ingest = Ingest::start(config).await;
    let first = node.next().await;
    assert_eq!(object(&world, &first).await, good[0], "not a byte is changed");
    let refused =
        |reason: &str| ingest.metric("ingest_refused_pictures_total", &format!("reason=\"{reason}\""));
    eventually("the bad ones are counted", || refused("damaged") >= 1 && refused("too-large") >= 1).await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_huffman_tables_are_put_in() {
    let world = World::start().await;
    let mut node = Node::online(&world).await;
    let whole = picture(5);
    let bare = without_tables(&whole);
    assert!(image::load_from_memory(&bare).is_err(), "a decoder needs the tables");
    let camera = Camera::start(move |_| snapshot(&bare)).await;
    let ingest = Ingest::start(config(&world, Source::Http(camera.source("/")))).await;
    let stored = object(&world, &node.next().await).await;
    let pixels = |file: &[u8]| image::load_from_memory(file).unwrap().to_rgb8();
    assert_eq!(pixels(&stored), pixels(&whole));
    ingest.stop().await;
}

/// As some cameras send them.
fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let mut bare = jpeg[..2].to_vec();
    let mut at = 2;
    loop {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        match jpeg[at + 1] {
            0xc4 => {}
            0xda => return [&bare, &jpeg[at..]].concat(),
            _ => bare.extend(&jpeg[at..end]),
        }
        at = end;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_with_a_digest_login_survive_new_nonces() {
    let world = World::start().await;
    let node = Node::online(&world).await.at_work();
    let (digest, jpeg) = (Digest::default(), picture(1));
    let camera = Camera::start(move |request| match digest.check(request) {
        Ok(()) => snapshot(&jpeg),
        Err(question) => question,
    })
    .await;
    let source = with_login(camera.source("/snap.cgi?channel=1"), PASSWORD);
    let ingest = Ingest::start(config(&world, source)).await;
    // three pictures for each nonce
    eventually("pictures come", || ingest.settled("analysed") > 10).await;
    assert!(node.seen().len() > 10);
    assert!(camera.requests().iter().all(|request| request.target == "/snap.cgi?channel=1"));
    assert_eq!(world.status().await.unwrap().problem, None);
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_basic_login_opens_a_stream() {
    let world = World::start().await;
    let jpeg = picture(1);
    let camera = Camera::start(move |request| match basic(request) {
        Ok(()) => {
            let mut steps = stream(&[&jpeg]);
            steps.push(Step::Freeze);
            steps
        }
        Err(question) => question,
    })
    .await;
    let ingest = Ingest::start(config(&world, with_login(camera.source("/"), PASSWORD))).await;
    eventually("a picture comes", || ingest.captured() > 0).await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_not_tried_until_the_account_is_locked() {
    let world = World::start().await;
    let camera = Camera::start(move |request| match basic(request) {
        Ok(()) => panic!("that was the wrong password"),
        Err(question) => question,
    })
    .await;
    let ingest = Ingest::start(config(&world, with_login(camera.source("/"), "guess"))).await;
    problem(&world, "refuses the user name or the password").await;
    let requests = camera.requests();
    assert_eq!(requests.len(), 2, "asked once, answered once");
    assert!(requests[0].authorization.is_none() && requests[1].authorization.is_some());
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_stalls_is_noticed_and_opened_again() {
    let world = World::start().await;
    let node = Node::online(&world).await.at_work();
    let jpeg = picture(1);
    let camera = Camera::start(move |_| {
        let mut steps = stream(&[&jpeg]);
        steps.push(Step::Freeze);
        steps
    })
    .await;
    let source = HttpCamera { timeout: Duration::from_millis(300), ..camera.source("/") };
    let ingest = Ingest::start(config(&world, Source::Http(source))).await;
    problem(&world, "has sent nothing for 300ms").await;
    eventually("it is opened again", || camera.requests().len() >= 3).await;
    eventually("each time brings a picture", || node.seen().len() >= 3).await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_in_the_status() {
    let html = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n";
        vec![Step::Send(format!("{head}{body}").into())]
    };
    let flood = || {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n".to_vec();
        vec![Step::Send(head), Step::Flood(vec![0; 65_536])]
    };
    let camera = Camera::start(move |request| match request.target.as_str() {
        "/missing" => status("404 Not Found", &[]),
        "/moved" => status("302 Found", &[("Location", "https://elsewhere.example/")]),
        "/forbidden" => status("403 Forbidden", &[]),
        "/busy" => status("503 Service Unavailable", &[]),
        "/login" => basic(request).unwrap_err(),
        "/page" => html("<html>welcome</html>"),
        "/movie" => flood(),
        "/ended" => stream(&[]),
        "/silent" => vec![Step::Freeze],
        "/half" => vec![Step::Send(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Type: image/jpeg\r\n\r\n".into(),
        )],
        other => panic!("nobody asks for {other}"),
    })
    .await;
    for (target, words) in [
        ("/missing", "nothing at this address (404)"),
        ("/moved", "points to another address (302)"),
        ("/forbidden", "forbids"),
        ("/busy", "503"),
        ("/login", "asks for a user name"),
        ("/page", "a text instead of pictures"),
        ("/movie", "no whole JPEG picture"),
        ("/ended", "ended the stream"),
        ("/silent", "does not answer"),
        ("/half", "closed the connection"),
    ] {
        let world = World::start().await;
        let source = HttpCamera { timeout: Duration::from_millis(500), ..camera.source(target) };
        let ingest = Ingest::start(config(&world, Source::Http(source))).await;
        problem(&world, words).await;
        let text = world.status().await.unwrap().problem.unwrap();
        assert!(!text.contains("127.0.0.1") && !text.contains("elsewhere"), "{text}");
        ingest.stop().await;
    }
}
