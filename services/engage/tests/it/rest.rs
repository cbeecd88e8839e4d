//! REST, the page, headers and problems.

use crate::messages::{result, status};
use crate::stage::Stage;
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
        ("/api/v1/stream", 426, "websocket"),
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
    for path in ["/api/v1/devices", "/api/v1/devices/cam-1", "/api/v1/stream", "/readyz"] {
        let answer = engage.http.delete(format!("http://{}{path}", engage.addr)).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
        assert_eq!(answer.headers()["allow"], "GET, HEAD", "{path}");
    }
    let head = engage.http.head(format!("http://{}/api/v1/devices", engage.addr)).send().await.unwrap();
    assert_eq!(head.status(), 200);
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
async fn the_page_is_served_and_not_sent_twice() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    let page = engage.get("/").await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let tag = page.headers()["etag"].clone();
    let again = engage.http.get(format!("http://{}/index.html", engage.addr)).header("if-none-match", tag);
    assert_eq!(again.send().await.unwrap().status(), 304);
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
