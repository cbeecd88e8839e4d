//! vRealize Operations: a strict imitation of the parts of its Suite-API that are used.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use people_counter_engage::Config;
use serde_json::{Value, json};

use crate::messages::{now, result, status};
use crate::push::{CROWDED, with_rules};
use crate::receiver::{Receiver, Reply, Request};
use crate::stage::{Stage, eventually};

/// What the server knows. Whatever is not as described is answered 422 and remembered.
#[derive(Debug, Default)]
struct Server {
    token: u32,
    tokens_given: u32,
    resources: Vec<(String, String, String)>,
    stats: Vec<(String, String, f64)>,
    events: Vec<Value>,
    complaints: Vec<String>,
    /// Tokens end at once.
    forgetful: bool,
}

impl Server {
    fn answer(&mut self, request: &Request) -> Reply {
        let path = request.path.strip_prefix("/suite-api").unwrap_or("outside /suite-api").to_owned();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        if request.header("accept") != "application/json" {
            return self.complain(format!("accept: {}", request.header("accept")));
        }
        if request.method == "POST" && request.header("content-type") != "application/json" {
            return self.complain(format!("content-type: {}", request.header("content-type")));
        }
        if path == "/api/auth/token/acquire" {
            let wanted = json!({"username": "people", "password": "hunter2", "authSource": "LOCAL"});
            if request.json() != wanted {
                return Reply::json(401, json!({"message": format!("wrong: {}", request.json())}));
            }
            self.token += 1;
            self.tokens_given += 1;
            let validity = ((now() + 6.0 * 3600.0) * 1000.0) as u64;
            return Reply::json(200, json!({"token": format!("token-{}", self.token), "validity": validity}));
        }
        if request.header("authorization") != format!("vRealizeOpsToken token-{}", self.token) {
            return Reply::json(401, json!({"message": "the token is not valid"}));
        }
        if std::mem::take(&mut self.forgetful) {
            self.token += 100;
            return Reply::status(401);
        }
        match (request.method.as_str(), path) {
            ("GET", "/api/resources") => self.list(query),
            ("POST", "/api/resources/adapterkinds/PeopleCounter") => self.create(&request.json()),
            ("POST", "/api/resources/stats") => self.take_stats(&request.json()),
            ("POST", "/api/events") => self.take_event(request.json()),
            (method, path) => self.complain(format!("{method} {path}")),
        }
    }

    fn complain(&mut self, what: String) -> Reply {
        self.complaints.push(what.clone());
        Reply::Answer(422, Vec::new(), what)
    }

    fn list(&mut self, query: &str) -> Reply {
        let kind = query.split('&').find_map(|pair| pair.strip_prefix("resourceKind=")).unwrap_or_default();
        if query != format!("adapterKind=PeopleCounter&resourceKind={kind}&page=0&pageSize=1000") {
            return self.complain(format!("GET /api/resources?{query}"));
        }
        let of_kind = self.resources.iter().filter(|(other, ..)| other == kind);
        let list: Vec<Value> = of_kind
            .map(|(kind, name, id)| {
                json!({"identifier": id, "resourceKey": {"name": name, "adapterKindKey": "PeopleCounter",
                       "resourceKindKey": kind}})
            })
            .collect();
        Reply::json(200, json!({"resourceList": list, "pageInfo": {"page": 0, "pageSize": 1000}}))
    }

    fn create(&mut self, body: &Value) -> Reply {
        let key = &body["resourceKey"];
        let (kind, name) = (key["resourceKindKey"].as_str().unwrap(), key["name"].as_str().unwrap());
        let identifier = if kind == "Camera" { "deviceID" } else { "name" };
        let wanted = json!({"resourceKey": {
            "name": name, "adapterKindKey": "PeopleCounter", "resourceKindKey": kind,
            "resourceIdentifiers": [{
                "identifierType": {"name": identifier, "dataType": "STRING", "isPartOfUniqueness": true},
                "value": name
            }]
        }});
        if *body != wanted || self.resources.iter().any(|(k, n, _)| (k.as_str(), n.as_str()) == (kind, name))
        {
            return self.complain(format!("create {body}"));
        }
        let id = uuid::Uuid::new_v4().to_string();
        self.resources.push((kind.into(), name.into(), id.clone()));
        Reply::json(201, json!({"identifier": id, "resourceKey": key, "creationTime": 1}))
    }

    fn name(&self, id: &str) -> Option<String> {
        self.resources.iter().find(|(_, _, other)| other == id).map(|(_, name, _)| name.clone())
    }

    fn take_stats(&mut self, body: &Value) -> Reply {
        for content in body["resource-stat-content"].as_array().unwrap() {
            let Some(name) = self.name(content["id"].as_str().unwrap()) else { return Reply::status(404) };
            for stat in content["stat-contents"].as_array().unwrap() {
                let time = stat["timestamps"][0].as_u64().unwrap_or_default() as f64 / 1000.0;
                let value = stat["data"][0].as_f64();
                let (Some(value), true) = (value, (time - now()).abs() < 60.0) else {
                    return self.complain(format!("stat {stat}"));
                };
                self.stats.push((name.clone(), stat["statKey"].as_str().unwrap().into(), value));
            }
        }
        Reply::status(200)
    }

    fn take_event(&mut self, event: Value) -> Reply {
        let Some(name) = self.name(event["resourceId"].as_str().unwrap()) else { return Reply::status(404) };
        let as_described = event["eventType"] == "NOTIFICATION"
            && event["managedExternally"] == true
            && event["startTimeUTC"].is_u64()
            && event["cancelTimeUTC"].is_u64()
            && ["INFORMATION", "WARNING", "CRITICAL"].iter().any(|severity| event["severity"] == *severity);
        if !as_described {
            return self.complain(format!("event {event}"));
        }
        let mut event = event;
        event["name"] = name.into();
        self.events.push(event);
        Reply::status(201)
    }
}

async fn vrops(config: &mut Config, password: &str) -> (Receiver, Arc<Mutex<Server>>) {
    let server = Arc::<Mutex<Server>>::default();
    let answering = Arc::clone(&server);
    let receiver = Receiver::start(move |_, request| answering.lock().unwrap().answer(request)).await;
    let text = format!(
        "url = \"{}\"\nusername = \"people\"\npassword = \"{password}\"\nevery = \"1s\"",
        receiver.url()
    );
    config.push.vrops.insert("main".into(), toml::from_str(&text).unwrap());
    config.push.delivery.backoff_min = Duration::from_millis(20);
    config.push.delivery.backoff_max = Duration::from_millis(100);
    config.push.delivery.pause = Duration::from_millis(200);
    (receiver, server)
}

async fn until<T>(server: &Mutex<Server>, what: &str, find: impl Fn(&Server) -> Option<T>) -> T {
    eventually(what, async || find(&server.lock().unwrap())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_become_metrics_and_alerts_events() {
    let stage = Stage::set().await;
    let sum =
        "[[rule]]\nname = \"full\"\ndevices = \"*\"\nsum = \"house\"\nabove = 10\nseverity = \"critical\"\n";
    let (_folder, mut config) = with_rules(&stage, &format!("{CROWDED}{sum}"));
    let (_receiver, server) = vrops(&mut config, "hunter2").await;
    let engage = stage.engage_with(config).await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 12)).await;
    let first = until(&server, "the event of the camera", |server| {
        server.events.iter().find(|event| event["name"] == "cam-1").cloned()
    })
    .await;
    assert_eq!((&first["severity"], &first["cancelTimeUTC"]), (&json!("WARNING"), &json!(0)));
    let of_sum = until(&server, "the event of the sum", |server| {
        server.events.iter().find(|event| event["name"] == "house").cloned()
    })
    .await;
    assert_eq!(of_sum["severity"], "CRITICAL");
    for (key, check) in [
        ("people|count", (|value: f64| value == 12.0) as fn(f64) -> bool),
        ("people|age", |value: f64| (0.0..60.0).contains(&value)),
        ("people|confidence", |value: f64| (value - 0.9).abs() < 0.001),
    ] {
        let value = until(&server, key, |server| {
            server
                .stats
                .iter()
                .find(|(name, other, _)| name == "cam-1" && other == key)
                .map(|(_, _, value)| *value)
        })
        .await;
        assert!(check(value), "{key} = {value}");
    }
    stage.counted(&result("cam-1", 2, 0)).await;
    let over = until(&server, "the end", |server| {
        server.events.iter().find(|event| event["name"] == "cam-1" && event["cancelTimeUTC"] != 0).cloned()
    })
    .await;
    for field in ["message", "startTimeUTC", "resourceId", "severity"] {
        assert_eq!(over[field], first[field], "{field}");
    }
    // a camera that is not live sends its age, but no count
    let mut away = status("cam-1", 1);
    away.state = people_counter_events::DeviceState::Offline;
    stage.status(&away).await;
    engage.until("cam-1", "state", "offline").await;
    // one that was under way may still have had a count
    server.lock().unwrap().stats.clear();
    until(&server, "a round", |server| server.stats.first().cloned()).await;
    server.lock().unwrap().stats.clear();
    until(&server, "another round", |server| server.stats.first().cloned()).await;
    {
        let server = server.lock().unwrap();
        assert!(server.stats.iter().all(|(_, key, _)| key == "people|age"), "{:?}", server.stats);
        assert_eq!(server.complaints, [""; 0]);
        assert_eq!((server.tokens_given, server.resources.len()), (1, 2));
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_token_and_deleted_resources_are_renewed() {
    let stage = Stage::set().await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    let (_receiver, server) = vrops(&mut config, "hunter2").await;
    // one that another engage created
    let known = ("Camera".to_owned(), "cam-1".to_owned(), uuid::Uuid::new_v4().to_string());
    server.lock().unwrap().resources.push(known.clone());
    let engage = stage.engage_with(config).await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 3)).await;
    until(&server, "a metric", |server| server.stats.first().cloned()).await;
    server.lock().unwrap().forgetful = true;
    until(&server, "another token", |server| (server.tokens_given == 2).then_some(())).await;
    {
        let mut server = server.lock().unwrap();
        assert_eq!(server.resources, std::slice::from_ref(&known), "it was found, not created again");
        (server.resources, server.stats) = (Vec::new(), Vec::new());
    }
    until(&server, "a metric of a new resource", |server| server.stats.first().cloned()).await;
    let resources = server.lock().unwrap().resources.clone();
    assert_eq!(resources.len(), 1);
    assert_ne!(resources[0].2, known.2);
    assert_eq!(server.lock().unwrap().complaints, [""; 0]);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_no_reason_to_give_up() {
    let stage = Stage::set().await;
    let (_folder, mut config) = with_rules(&stage, CROWDED);
    let (receiver, server) = vrops(&mut config, "wrong").await;
    let engage = stage.engage_with(config).await;
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 9)).await;
    receiver.nth(3).await;
    eventually("failures", async || {
        (engage.metric(r#"engage_push_attempts_total{sink="main",outcome="failed"}"#).await >= 2.0)
            .then_some(())
    })
    .await;
    assert_eq!(engage.metric(r#"engage_push_dropped_total{sink="main",reason="refused"}"#).await, 0.0);
    assert_eq!(server.lock().unwrap().tokens_given, 0);
    engage.stop().await;
}
