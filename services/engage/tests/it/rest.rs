//! REST, headers and problems.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::messages::{result, status};
use crate::stage::{LIMIT, Stage, eventually};
use crate::viewer;

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_listed_by_id() {
    let stage = Stage::set().await;
    for name in ["b", "c", "a"] {
        stage.status(&status(name, 1)).await;
    }
    stage.counted(&result("b", 1, 3)).await;
    let engage = stage.engage().await;
    let all = engage.json("/api/v1/devices").await;
    let names: Vec<&str> =
        all["devices"].as_array().unwrap().iter().map(|d| d["deviceID"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(all["epoch"].is_string() && all["version"].is_u64() && all["serverTime"].is_f64(), "{all}");
    assert_eq!(
        all["summary"],
        serde_json::json!({"people": 3, "live": 1, "stale": 0, "offline": 0, "failing": 0, "unknown": 2})
    );
    let mut one = engage.json("/api/v1/devices/b").await;
    let mut listed = all["devices"][1].clone();
    for device in [&mut one, &mut listed] {
        device["ageSeconds"].take();
    }
    assert_eq!(one, listed);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_problem_details() {
    let stage = Stage::set().await;
    stage.status(&status("cam-1", 1)).await;
    let engage = stage.engage().await;
    for (path, status, code) in [
        ("/api/v1/devices/nobody", 404, "unknown-device"),
        ("/api/v1/devices/nobody/image", 404, "unknown-device"),
        ("/api/v1/devices/cam-1/image", 404, "no-result"),
        ("/api/v1/devices/a%20b", 400, "bad-request"),
        ("/api/v1/devices/%3Cscript%3E", 400, "bad-request"),
        ("/api/v1/devices/cam-1/image?frame=7", 400, "bad-request"),
        ("/api/v1/devices/cam-1/image?size=wide", 400, "bad-request"),
        ("/api/v1/devices/cam-1/image?size=8", 400, "bad-request"),
        ("/api/v1/devices/cam-1/history?since=yesterday", 400, "bad-request"),
        ("/api/v1/devices/cam-1/history?since=NaN", 400, "bad-request"),
        ("/api/v1/devices/nobody/history", 404, "unknown-device"),
        ("/api/v1/devices?since=new", 400, "bad-request"),
        ("/api/v1/devices?state=alive", 400, "bad-request"),
        ("/api/v1/devices?sort=name", 400, "bad-request"),
        ("/api/v1/devices?label=floor", 400, "bad-request"),
        ("/api/v1/devices?limit=-1", 400, "bad-request"),
        ("/api/v1/devices?limit=1&limit=2", 400, "bad-request"),
        ("/api/v1/devices?offset=9007199254740992", 400, "bad-request"),
        ("/api/v1/reports/occupancy?to=inf", 400, "bad-request"),
        ("/api/v1/reports/occupancy?format=pdf", 400, "bad-request"),
        ("/api/v1/devices?filter=x", 400, "bad-request"),
        ("/api/v1/stream", 426, "websocket"),
        ("/api/v1/events?devices=", 400, "bad-request"),
        ("/api/v1/nothing", 404, "not-found"),
        ("/../../etc/passwd", 404, "not-found"),
    ] {
        let answer = engage.get(path).await;
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], format!("urn:people-counter:problem:{code}"), "{path}");
        assert_eq!(problem["status"], status, "{path}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{path}");
    }
    for path in ["/api/v1/devices", "/api/v1/summary", "/api/v1/stream", "/readyz"] {
        let answer = engage.http.put(format!("http://{}{path}", engage.addr)).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
        assert_eq!(answer.headers()["allow"], "GET, HEAD", "{path}");
    }
    let head = engage.http.head(format!("http://{}/api/v1/devices", engage.addr)).send().await.unwrap();
    assert_eq!(head.status(), 200);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sums_the_nodes_and_the_version_have_addresses_of_their_own() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    config.node = Some("engage-test".into());
    let engage = stage.engage_with(config).await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 3)).await;
    let device = engage.until("cam-1", "count", 3).await;
    let all = engage.json("/api/v1/devices").await;
    let sums = engage.json("/api/v1/summary").await;
    for field in ["epoch", "version", "connected", "summary"] {
        assert_eq!(sums[field], all[field], "{field}");
    }
    assert!(sums["serverTime"].as_f64() >= device["analysedTimestamp"].as_f64(), "{sums}");
    let nodes = eventually("the own node", async || {
        let nodes = engage.json("/api/v1/nodes").await;
        (nodes["nodes"].as_array().unwrap().len() == 1).then_some(nodes)
    })
    .await;
    let node = &nodes["nodes"][0];
    assert_eq!((&node["service"], &node["instance"]), (&"engage".into(), &"engage-test".into()));
    assert!(node["state"] == "online" && node["ageSeconds"].as_f64() >= Some(0.0), "{node}");
    assert!(nodes["serverTime"].is_f64());
    let version = engage.json("/api/v1/version").await;
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["build"].is_string());
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_are_compressed_for_who_can_read_them() {
    let stage = Stage::set().await;
    for n in 0..50 {
        stage.status(&status(&format!("cam-{n}"), 1)).await;
    }
    let engage = stage.engage().await;
    let plain = engage.get("/api/v1/devices").await;
    assert!(plain.headers().get("content-encoding").is_none());
    let plain = plain.bytes().await.unwrap();
    let asked = engage.http.get(format!("http://{}/api/v1/devices", engage.addr));
    let packed = asked.header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let packed = packed.bytes().await.unwrap();
    assert!(packed.starts_with(&[0x1F, 0x8B]) && packed.len() * 4 < plain.len(), "{}", packed.len());
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_security_headers() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    for path in ["/", "/api/v1/devices", "/nothing", "/metrics"] {
        let answer = engage.get(path).await;
        let headers = answer.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'self'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_page_is_turned_away() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    // a name that was made to point here
    let rebound =
        engage.http.get(format!("http://{}/api/v1/devices", engage.addr)).header("host", "evil.example");
    assert_eq!(rebound.send().await.unwrap().status(), 421);
    let own = format!("http://{}", engage.addr);
    assert!(viewer::open(&engage, Some(&own)).await.is_ok());
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        let error = viewer::open(&engage, Some(origin)).await.err().expect(origin);
        assert!(error.to_string().contains("403"), "{origin}: {error}");
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_one_prefix_and_no_unbounded_label() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    for n in 0..20 {
        stage.status(&status(&format!("cam-{n}"), 1)).await;
    }
    engage.until("cam-19", "state", "unknown").await;
    let text = engage.get("/metrics").await.text().await.unwrap();
    assert!(text.contains(r#"engage_devices{state="unknown"} 20"#), "{text}");
    assert!(!text.contains("cam-"), "a device's name is a label without bound");
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_come_is_given_up() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    config.http.request_timeout = std::time::Duration::from_secs(1);
    let engage = stage.engage_with(config).await;
    let mut slow = tokio::net::TcpStream::connect(engage.addr).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ").await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(LIMIT, slow.read_to_end(&mut answer)).await;
    ended.expect("the connection is kept for ever").unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    engage.stop().await;
}
