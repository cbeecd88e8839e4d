//! Network cameras that speak RTSP: GStreamer's server.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use iot_sandbox::Certificates;
use people_counter_ingest::config::{RtspCamera, Source};

use crate::node::Node;
use crate::world::{Ingest, World, eventually, eventually_some, object};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/rtsp_camera.py");
const INSTALL: &str = "apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base \
                       gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly gstreamer1.0-plugins-bad";

/// GStreamer speaks TLS by a module of GLib's.
const INSTALL_TLS: &str = "apt-get install glib-networking";

/// GStreamer's server with three cameras, which all look the same.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(login: &[&str]) -> Self {
        let port = iot_sandbox::free_port();
        Self::start_at(port, login)
    }

    fn start_at(port: u16, login: &[&str]) -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .arg(SERVER)
            .arg(port.to_string())
            .args(login)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}; {INSTALL}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the server does not start; {INSTALL}; {INSTALL_TLS}");
        Self { child, port }
    }

    fn camera(&self, path: &str) -> RtspCamera {
        RtspCamera::new(format!("rtsp://127.0.0.1:{}{path}", self.port).parse().unwrap())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

async fn start(world: &World, camera: RtspCamera) -> Ingest {
    Ingest::start(world.config(|_, config| {
        config.source = Source::Rtsp(camera);
        config.interval = Duration::from_millis(500);
    }))
    .await
}

async fn problem(world: &World, words: &str) {
    eventually_some(words, async || world.status().await?.problem?.contains(words).then_some(())).await;
}

/// The server's picture: a white ball on black.
fn assert_is_the_ball(jpeg: &[u8]) {
    let pixels = image::load_from_memory(jpeg).unwrap().to_luma8();
    assert_eq!(pixels.dimensions(), (320, 240));
    let bright = pixels.pixels().filter(|pixel| pixel.0[0] > 200).count();
    let dark = pixels.pixels().filter(|pixel| pixel.0[0] < 50).count();
    assert!((300..5000).contains(&bright) && dark > 70_000, "{bright} bright and {dark} dark pixels");
}

#[tokio::test(flavor = "multi_thread")]
async fn jpeg_h264_and_h265_become_pictures() {
    let server = Server::start(&[]);
    for path in ["/jpeg", "/h264", "/h265"] {
        let world = World::start().await;
        let mut node = Node::online(&world).await;
        let ingest = start(&world, server.camera(path)).await;
        for _ in 0..3 {
            let frame = node.next().await;
            assert_is_the_ball(&object(&world, &frame).await);
        }
        assert_eq!(ingest.metric("ingest_refused_pictures_total", ""), 0, "{path}");
        ingest.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_to_log_in_and_what_is_said_without() {
    for method in ["basic", "digest"] {
        let server = Server::start(&[method, "viewer", "p4ss:w/rd"]);
        let with = |password: &str| RtspCamera {
            username: Some("viewer".into()),
            password: Some(password.into()),
            ..server.camera("/jpeg")
        };
        for (camera, words) in [
            (server.camera("/jpeg"), "asks for a user name and a password"),
            (with("guess"), "refuses the user name or the password"),
        ] {
            let world = World::start().await;
            let ingest = start(&world, camera).await;
            problem(&world, words).await;
            ingest.stop().await;
        }
        let world = World::start().await;
        let ingest = start(&world, with("p4ss:w/rd")).await;
        eventually("pictures come", || ingest.captured() > 1).await;
        ingest.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_leads_to_pictures_and_a_certificate_that_is_not_trusted_does_not() {
    let made = Certificates::create().unwrap();
    let (certificate, key) = (made.server_cert(), made.server_key());
    let tls = ["tls", certificate.to_str().unwrap(), key.to_str().unwrap(), "viewer", "p4ss"];
    let server = Server::start(&tls);
    let at = |url: String| RtspCamera {
        username: Some("viewer".into()),
        password: Some("p4ss".into()),
        ..RtspCamera::new(url.parse().unwrap())
    };
    let camera = at(format!("rtsps://localhost:{}/jpeg", server.port));
    let unchecked = RtspCamera { verify_certificate: false, ..camera.clone() };
    let trusted = RtspCamera { ca_file: Some(made.ca()), ..camera.clone() };
    for camera in [unchecked, trusted] {
        let world = World::start().await;
        let mut node = Node::online(&world).await;
        let ingest = start(&world, camera).await;
        for _ in 0..3 {
            let frame = node.next().await;
            assert_is_the_ball(&object(&world, &frame).await);
        }
        ingest.stop().await;
    }
    let plain = Server::start(&[]);
    for (camera, words) in [
        (camera, "certificate is not trusted"),
        (at(format!("rtsps://localhost:{}/jpeg", plain.port)), "does not speak TLS"),
    ] {
        let world = World::start().await;
        let ingest = start(&world, camera).await;
        problem(&world, words).await;
        assert_eq!(ingest.captured(), 0);
        ingest.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_stops_sending_or_goes_away_is_noticed_and_opened_again() {
    let world = World::start().await;
    let server = Server::start(&[]);
    let camera = RtspCamera { timeout: Duration::from_secs(2), ..server.camera("/jpeg") };
    let ingest = start(&world, camera).await;
    eventually("pictures come", || ingest.captured() > 1).await;

    server.signal("STOP");
    problem(&world, "has sent nothing for 2s").await;
    server.signal("CONT");
    let captured = ingest.captured();
    eventually("pictures come again", || ingest.captured() > captured + 1).await;

    let port = server.port;
    drop(server);
    problem(&world, "refuses the connection").await;
    let _server = Server::start_at(port, &[]);
    let captured = ingest.captured();
    eventually("pictures come once more", || ingest.captured() > captured + 1).await;
    eventually_some("the problem is gone", async || {
        world.status().await.filter(|status| status.problem.is_none())
    })
    .await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_in_the_status() {
    let server = Server::start(&[]);
    let without_ffmpeg = RtspCamera { ffmpeg: "no-such-ffmpeg".into(), ..server.camera("/h265") };
    for (camera, words) in [
        (server.camera("/elsewhere"), "nothing at this address (404)"),
        (without_ffmpeg, "sends H.265, but no-such-ffmpeg is not installed"),
    ] {
        let world = World::start().await;
        let ingest = start(&world, camera).await;
        problem(&world, words).await;
        ingest.stop().await;
    }
}
