//! Who may see what: every route and every message of the stream, with every role and a foreign device.

use std::collections::HashMap;
use std::time::Duration;

use people_counter_engage::access::{Role, Settings, Token, User, hash_password};
use people_counter_engage::{ENDPOINTS, Endpoint, Needs};
use reqwest::{Method, Response, StatusCode};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::events::{Event, Events};
use crate::messages::{private, result, status};
use crate::stage::{Engage, Stage, eventually};
use crate::viewer::{Viewer, open_with};

const PASSWORD: &str = "correct horse";

/// Every role, seeing everything and seeing `own-*` alone. The token is the name.
fn tokens() -> Vec<Token> {
    let mut tokens = Vec::new();
    for role in [Role::Viewer, Role::Operator, Role::Administrator] {
        for (reach, devices) in [("all", "*"), ("some", "own-*")] {
            let name = format!("{role:?}-{reach}");
            let sha256 =
                digest(&SHA256, name.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
            tokens.push(Token { name, sha256, role, devices: vec![devices.to_owned()] });
        }
    }
    tokens
}

fn settings() -> Settings {
    let user = |name: &str, role, devices: &str| User {
        name: name.into(),
        password_hash: hash_password(PASSWORD).unwrap(),
        role,
        devices: vec![devices.into()],
    };
    Settings {
        session_key: Some("0123456789abcdef0123456789abcdef".into()),
        users: vec![user("anna", Role::Viewer, "own-*"), user("bert", Role::Administrator, "*")],
        tokens: tokens(),
        ..Settings::default()
    }
}

/// Two devices of `own-` and one that is foreign to who may see these alone.
pub async fn furnish(stage: &Stage) {
    for name in ["own-1", "own-2", "foreign"] {
        stage.status(&status(name, 1)).await;
        let result = result(name, 1, 5);
        stage.put(result.file_path.key(), b"\xFF\xD8\xFF\xE0 a picture".as_slice()).await;
        stage.counted(&result).await;
    }
}

/// Engage with access control and these devices.
async fn engage(stage: &Stage, settings: Settings) -> Engage {
    furnish(stage).await;
    let mut config = stage.config();
    config.access = settings;
    let mut engage = stage.engage_with(config).await;
    engage.all_seeing = Some("Viewer-all".into());
    engage
}

pub async fn code(answer: Response) -> String {
    let problem: Value = answer.json().await.unwrap_or_default();
    problem["type"].as_str().unwrap_or_default().trim_start_matches("urn:people-counter:problem:").to_owned()
}

/// The body of an answer; of one without end its first message.
async fn body(answer: Response) -> String {
    if answer.headers().get("content-type").is_none_or(|kind| kind != "text/event-stream") {
        return answer.text().await.unwrap();
    }
    let mut events = Events::new(answer);
    loop {
        if let Event::Message(_, message) = events.next().await.expect("the events ended") {
            return message.to_string();
        }
    }
}

/// What an endpoint has to answer to somebody with this role who may see these devices: `None` if it lets them in.
pub fn refusal(endpoint: &Endpoint, who: Option<(Role, &str)>) -> Option<(StatusCode, &'static str)> {
    let (role, everything) = match endpoint.needs {
        Needs::Nothing => return None,
        Needs::Role(role) => (role, false),
        Needs::Everything(role) => (role, true),
    };
    let Some((own, devices)) = who else { return Some((StatusCode::UNAUTHORIZED, "unauthorized")) };
    if own < role {
        return Some((StatusCode::FORBIDDEN, "role"));
    }
    (everything && devices != "*").then_some((StatusCode::FORBIDDEN, "scope"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_with_every_role_and_a_foreign_device() {
    let stage = Stage::set().await;
    let engage = engage(&stage, settings()).await;
    let tokens = tokens();
    let everybody = std::iter::once(None).chain(tokens.iter().map(Some));
    let mut walked = HashMap::new();
    for who in everybody {
        let token = who.map(|token| token.name.as_str());
        let scoped = who.is_some_and(|token| token.devices != ["*"]);
        let reach = who.map(|token| (token.role, token.devices[0].as_str()));
        for endpoint in ENDPOINTS {
            // a device that does not exist is asked to be removed: what may be is told apart by the problem
            let removes = endpoint.method == "DELETE" && endpoint.path.contains("{id}");
            let method = Method::from_bytes(endpoint.method.as_bytes()).unwrap();
            let own = if removes { "own-9" } else { "own-1" };
            let asked = format!("{method} {} by {token:?}", endpoint.path);
            let answer = engage.ask(&method, &endpoint.path.replace("{id}", own), token).await;
            let status = answer.status();
            *walked.entry(status).or_insert(0) += 1;
            match refusal(endpoint, reach) {
                Some((expected, expected_code)) => {
                    assert_eq!((status, code(answer).await.as_str()), (expected, expected_code), "{asked}");
                }
                None => {
                    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
                    assert!(!refused, "{asked}: {status}");
                    let body = body(answer).await;
                    assert!(
                        !scoped || !body.contains("foreign"),
                        "{asked} tells of a foreign device: {body}"
                    );
                }
            }
            if endpoint.path.contains("{id}") && scoped && refusal(endpoint, reach).is_none() {
                let answer = engage.ask(&method, &endpoint.path.replace("{id}", "foreign"), token).await;
                assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{asked}, but a foreign device");
                assert_eq!(code(answer).await, "unknown-device", "{asked}, but a foreign device");
            }
        }
        for query in ["devices=foreign,own-1", "q=foreign", "state=live"] {
            let answer = engage.ask(&Method::GET, &format!("/api/v1/events?{query}"), token).await;
            let expected = if who.is_some() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(answer.status(), expected, "{query}");
            assert!(!(scoped && body(answer).await.contains("foreign")), "events of {query} to {token:?}");
        }
        // whatever is appended to the address
        for query in ["q=foreign", "state=live", "since=0", "limit=9", "label=floor:2", "sort=-count"] {
            let answer = engage.ask(&Method::GET, &format!("/api/v1/devices?{query}"), token).await;
            let expected = if who.is_some() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(answer.status(), expected, "{query}");
            assert!(!(scoped && answer.text().await.unwrap().contains("foreign")), "{query} by {token:?}");
        }
    }
    assert!(walked[&StatusCode::OK] > 30 && walked[&StatusCode::UNAUTHORIZED] > 5, "{walked:?}");
    let scoped = engage.ask(&Method::GET, "/api/v1/summary", Some("Viewer-some")).await;
    assert_eq!(
        scoped.json::<Value>().await.unwrap()["summary"]["people"],
        10,
        "the sums are of what is seen"
    );
    let wrong = engage.ask(&Method::GET, "/api/v1/summary", Some("nobody")).await;
    assert_eq!(wrong.headers()["www-authenticate"], "Bearer");
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_of_the_stream_keeps_to_the_scope() {
    let stage = Stage::set().await;
    let engage = engage(&stage, settings()).await;
    for header in
        [None, Some(("authorization", "Bearer nobody")), Some(("cookie", "people-counter-session=x"))]
    {
        let error = open_with(&engage, header).await.err().expect("nobody was let in");
        assert!(error.to_string().contains("401"), "{error}");
    }
    for token in tokens() {
        let scoped = token.devices != ["*"];
        let bearer = format!("Bearer {}", token.name);
        let mut viewer = open_with(&engage, Some(("authorization", &bearer))).await.unwrap();
        let check = |message: &Value| {
            assert!(!scoped || !message.to_string().contains("foreign"), "{}: {message}", token.name);
            let people = if scoped { 10 } else { 15 };
            let sums = &message["summary"];
            assert!(sums["people"] == people || sums["live"] != if scoped { 2 } else { 3 }, "{message}");
        };
        check(&viewer.take().await);
        for subscription in [
            json!({"devices": "all"}),
            json!({"devices": ["foreign", "own-1"]}),
            json!({"filter": {"q": "foreign"}}),
            json!({"filter": {"state": ["live"]}, "sort": "-deviceID"}),
            json!({"offset": 0, "limit": 1}),
        ] {
            let snapshot = viewer.subscribe(subscription).await;
            check(&snapshot);
            // both change; what the viewer is told of it is checked until its own one is there
            let boot = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            for name in ["foreign", "own-1"] {
                stage.counted(&result(name, boot.as_micros() as u64, 5)).await;
            }
            check(&viewer.take().await);
        }
        drop(viewer);
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_reports_keep_to_the_scope() {
    let stage = Stage::set().await;
    let engage = engage(&stage, settings()).await;
    let alert = |target: &str, sum: bool| {
        let golden = include_str!("../../../../crates/events/tests/golden/alert.json");
        let mut alert: Value = serde_json::from_str(golden).unwrap();
        (alert["target"], alert["sum"]) = (target.into(), sum.into());
        alert.to_string()
    };
    // a sum may be called like a device of one's own, and is of others all the same
    for (target, sum) in [("foreign", false), ("own-1", false), ("own-sum", true)] {
        stage.retain(format!("people-counter/v1/alerts/crowded/{target}"), alert(target, sum)).await;
    }
    let targets = |alerts: &Value| -> Vec<String> {
        alerts.as_array().unwrap().iter().map(|alert| alert["target"].as_str().unwrap().to_owned()).collect()
    };
    let ask = async |path: &str, token: &str| {
        engage.ask(&Method::GET, path, Some(token)).await.error_for_status().unwrap().text().await.unwrap()
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    eventually("all alerts", async || {
        let alerts = json(&ask("/api/v1/alerts", "Viewer-all").await);
        (targets(&alerts["alerts"]) == ["foreign", "own-1", "own-sum"]).then_some(())
    })
    .await;
    assert_eq!(targets(&json(&ask("/api/v1/alerts", "Viewer-some").await)["alerts"]), ["own-1"]);
    for (token, expected) in
        [("Viewer-all", &["foreign", "own-1", "own-sum"][..]), ("Viewer-some", &["own-1"])]
    {
        let bearer = format!("Bearer {token}");
        let mut viewer = open_with(&engage, Some(("authorization", &bearer))).await.unwrap();
        assert_eq!(targets(&viewer.take().await["alerts"]), expected, "{token}");
    }

    for (token, expected) in [("Viewer-all", 3), ("Viewer-some", 2)] {
        let report = json(&ask("/api/v1/reports/occupancy", token).await);
        assert_eq!(report["devices"].as_array().unwrap().len(), expected, "{token}");
    }
    for path in ["", "?format=csv", "?q=foreign", "?label=floor:2", "?state=live&format=csv"] {
        let report = ask(&format!("/api/v1/reports/occupancy{path}"), "Viewer-some").await;
        assert!(!report.contains("foreign"), "{path}: {report}");
    }
    engage.stop().await;
}

pub async fn log_in(engage: &Engage, name: &str, password: &str) -> Response {
    let request = engage.http.post(format!("http://{}/api/v1/session", engage.addr));
    request.json(&json!({"name": name, "password": password})).send().await.unwrap()
}

pub async fn with_cookie(engage: &Engage, path: &str, cookie: &str) -> Response {
    let request = engage.http.get(format!("http://{}{path}", engage.addr));
    request.header("cookie", format!("other=1; {cookie}")).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_a_cookie_that_no_script_and_no_other_page_can_use() {
    let stage = Stage::set().await;
    let engage = engage(&stage, settings()).await;
    let nobody = engage.json("/api/v1/session").await;
    assert_eq!(nobody, json!({"accessControl": true, "user": null}));
    for (name, password) in [("anna", "wrong"), ("nobody", PASSWORD)] {
        let refused = log_in(&engage, name, password).await;
        assert!(refused.headers().get("set-cookie").is_none());
        assert_eq!((refused.status(), code(refused).await.as_str()), (StatusCode::UNAUTHORIZED, "login"));
    }
    let answer = log_in(&engage, "anna", PASSWORD).await;
    let set = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("Secure"), "this one is reached by loopback without TLS: {set}");
    let expected = json!({"accessControl": true, "user": {"name": "anna", "role": "viewer"}});
    assert_eq!(answer.json::<Value>().await.unwrap(), expected);
    let cookie = set.split(';').next().unwrap();
    let session = with_cookie(&engage, "/api/v1/session", cookie).await;
    assert_eq!(session.json::<Value>().await.unwrap(), expected);
    let seen = with_cookie(&engage, "/api/v1/devices", cookie).await.text().await.unwrap();
    assert!(seen.contains("own-1") && !seen.contains("foreign"), "{seen}");
    assert_eq!(with_cookie(&engage, "/metrics", cookie).await.status(), StatusCode::FORBIDDEN);
    let mut viewer = open_with(&engage, Some(("cookie", cookie))).await.unwrap();
    assert_eq!(viewer.take().await["summary"]["people"], 10);
    let out = engage.ask(&Method::DELETE, "/api/v1/session", None).await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("=; Path=/; Max-Age=0"));
    // another site's form, and what is no login
    let foreign = engage.http.post(format!("http://{}/api/v1/session", engage.addr));
    let foreign = foreign.header("origin", "http://evil.example").body("{}").send().await.unwrap();
    assert_eq!((foreign.status(), code(foreign).await.as_str()), (StatusCode::FORBIDDEN, "origin"));
    for (body, status) in
        [("{".to_owned(), 400), ("{}".to_owned(), 400), (format!("\"{}\"", "x".repeat(5000)), 413)]
    {
        let request = engage.http.post(format!("http://{}/api/v1/session", engage.addr)).body(body);
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_limited() {
    let stage = Stage::set().await;
    let engage = engage(&stage, settings()).await;
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(log_in(&engage, "anna", "guess").await);
    }
    let limited = answers.iter().find(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS);
    let wait: u32 = limited.unwrap().headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=6).contains(&wait), "{wait}");
    // the right password does not help then either, and other requests are not concerned
    assert_eq!(log_in(&engage, "anna", PASSWORD).await.status(), StatusCode::TOO_MANY_REQUESTS);
    let other = engage.ask(&Method::GET, "/api/v1/devices", Some("Viewer-all")).await;
    assert_eq!(other.status(), StatusCode::OK);
    assert!(engage.metric(r#"engage_logins_total{outcome="too-many"}"#).await >= 1.0);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_logins_are_limited_for_each_address_it_names() {
    let stage = Stage::set().await;
    furnish(&stage).await;
    for (proxies, others) in [(&["127.0.0.0/8"][..], StatusCode::OK), (&[], StatusCode::TOO_MANY_REQUESTS)] {
        let mut config = stage.config();
        config.access = settings();
        config.http.proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        let engage = stage.engage_with(config).await;
        let log_in = async |address: &str, password: &str| {
            let request = engage.http.post(format!("http://{}/api/v1/session", engage.addr));
            let request = request.header("x-forwarded-for", format!("203.0.113.1, {address}"));
            request.json(&json!({"name": "anna", "password": password})).send().await.unwrap().status()
        };
        for _ in 0..20 {
            log_in("192.0.2.1", "guess").await;
        }
        assert_eq!(log_in("192.0.2.1", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(log_in("192.0.2.2", PASSWORD).await, others, "proxies: {proxies:?}");
        engage.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_login() {
    let stage = Stage::set().await;
    let mut settings = settings();
    settings.session_length = Duration::from_secs(6);
    let engage = engage(&stage, settings).await;
    let answer = log_in(&engage, "bert", PASSWORD).await;
    let set = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    let cookie = set.split(';').next().unwrap();
    let mut viewer = open_with(&engage, Some(("cookie", cookie))).await.unwrap();
    let closed = loop {
        match viewer.next().await {
            Ok(message) => viewer.ack(&message).await,
            Err(closed) => break closed,
        }
    };
    assert_eq!(closed, (1008, "the login has ended".into()));
    let late = with_cookie(&engage, "/api/v1/devices", cookie).await;
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_access_control_nobody_needs_to_log_in() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    assert_eq!(engage.json("/api/v1/session").await, json!({"accessControl": false, "user": null}));
    let answer = log_in(&engage, "anna", PASSWORD).await;
    assert_eq!((answer.status(), code(answer).await.as_str()), (StatusCode::CONFLICT, "no-access-control"));
    // a token that somebody sends all the same does no harm
    assert_eq!(engage.ask(&Method::GET, "/metrics", Some("x")).await.status(), StatusCode::OK);
    let mut viewer = Viewer::of(&engage).await;
    viewer.take().await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&private("cam-1", 1, people_counter_events::Picture::Withheld)).await;
    eventually("the device", async || (engage.device("cam-1").await["count"] == 1).then_some(())).await;
    engage.stop().await;
}
