//! No secret of any sink is ever printed, whatever a system says back and however much is logged.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::messages::{now, result, status};
use crate::process::{Process, file};
use crate::push::{CROWDED, with_rules};
use crate::receiver::{Receiver, Reply, Request};
use crate::stage::{Stage, eventually};

/// Those that stand in the configuration.
const CONFIGURED: [&str; 6] =
    ["SigningSecret", "WebhookToken", "AlertToken", "VropsPassword", "HomePassword", "BrokerPassword"];

/// Says back everything it was told.
fn echo(status: u16, request: &Request) -> Reply {
    let said = format!("{:?} {}", request.headers, String::from_utf8_lossy(&request.body));
    Reply::Answer(status, Vec::new(), said)
}

/// A vRealize Operations that gives a token the second time it is asked.
fn vrops(asked: &AtomicBool, request: &Request) -> Reply {
    if !request.path.ends_with("/token/acquire") {
        return echo(422, request);
    }
    if asked.swap(true, Ordering::Relaxed) {
        Reply::json(200, json!({"token": "GivenToken", "validity": (now() + 3600.0) * 1000.0}))
    } else {
        echo(401, request)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_line_and_no_printed_configuration_has_a_secret_of_any_sink() {
    let stage = Stage::set().await;
    let webhook = Receiver::start(|before, request| echo(if before == 0 { 500 } else { 422 }, request)).await;
    let alertmanager =
        Receiver::start(|before, request| echo(if before == 0 { 500 } else { 422 }, request)).await;
    let asked = AtomicBool::new(false);
    let operations = Receiver::start(move |_, request| vrops(&asked, request)).await;
    let (folder, _config) = with_rules(&stage, CROWDED);
    let push = format!(
        "[push.delivery]\nbackoff_min = \"10ms\"\n\
         [push.webhook.ops]\nurl = \"{}?key=UrlSecret\"\nhandshake = false\nsecret = \"SigningSecret\"\n\
         token = \"WebhookToken\"\n\
         [push.alertmanager.am]\nurl = \"{}\"\ntoken = \"AlertToken\"\nevery = \"1s\"\n\
         [push.vrops.main]\nurl = \"{}\"\nusername = \"people\"\npassword = \"VropsPassword\"\nevery = \"1s\"\n\
         [push.homeassistant.home]\nmqtt = {{ url = \"{}\", username = \"home\", password = \"HomePassword\" }}\n",
        webhook.url(),
        alertmanager.url(),
        operations.url(),
        stage.broker.url(),
    );
    let text = file(&stage, &folder.path().join("rules.toml"), &push);
    let text = text.replacen("[mqtt]\n", "[mqtt]\nusername = \"engage\"\npassword = \"BrokerPassword\"\n", 1);
    let process = Process::start(&text);
    stage.status(&status("cam-1", 1)).await;
    stage.counted(&result("cam-1", 1, 9)).await;
    assert_eq!(webhook.nth(2).await.header("authorization"), "Bearer WebhookToken");
    assert_eq!(alertmanager.nth(2).await.header("authorization"), "Bearer AlertToken");
    for sink in ["ops", "am", "main"] {
        let refused = format!("sink {sink} was not told that");
        eventually(&refused, async || process.log().contains(&refused).then_some(())).await;
    }
    let with_token = operations.requests().into_iter().find(|request| request.path.contains("/resources"));
    assert_eq!(with_token.unwrap().header("authorization"), "vRealizeOpsToken GivenToken");
    // the client is called like the sink
    eventually("a connection for Home Assistant", async || process.log().contains("-home\"").then_some(()))
        .await;
    let log = process.log();
    assert!(log.contains("422") && log.contains("TRACE"), "{}", &log[..log.len().min(2000)]);
    for secret in CONFIGURED.iter().chain(&["UrlSecret", "GivenToken"]) {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }

    let printed = Command::new(env!("CARGO_BIN_EXE_people-counter-engage"))
        .args(["--print-config", "--config"])
        .arg(process.config())
        .output()
        .unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    for table in ["webhook.ops", "alertmanager.am", "vrops.main", "homeassistant.home"] {
        assert!(printed.contains(&format!("[push.{table}")), "{printed}");
    }
    for secret in CONFIGURED {
        assert!(!printed.contains(secret), "{secret} is printed");
    }
}
