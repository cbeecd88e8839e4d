//! What engage serves is what its description says: schemathesis asks for everything in it, well and badly.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use people_counter_tests::stage::{Stage, failure, status};
use people_counter_tests::wait::eventually;
use serde_json::{Value, json};

/// A token for everything.
const TOKEN: &str = "schemathesis";
const ACCESS: &str = "[[access.tokens]]\nname = \"schemathesis\"\nrole = \"administrator\"\n\
    sha256 = \"ec66c0be6ebd917bd5221a965472ea65b2e9cf8def0c0d21a8988271e30848b4\"\n";

/// How long it may go on asking, seconds.
const SECONDS: u32 = 45;

fn schemathesis(address: &str) -> Output {
    // it writes notes into the folder it runs in
    let folder = tempfile::tempdir().unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program: PathBuf = tests.join("../.venv/bin/schemathesis");
    assert!(program.exists(), "{} is missing: scripts/test installs it", program.display());
    Command::new(program)
        .current_dir(&folder)
        .arg("--config-file")
        .arg(tests.join("schemathesis.toml"))
        .args(["run", &format!("http://{address}/api/v1/openapi.json")])
        .args(["--checks", "all", "--continue-on-failure", "--workers", "2", "--no-color"])
        .args(["--max-time", &SECONDS.to_string(), "--header", &format!("Authorization: Bearer {TOKEN}")])
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("schemathesis can be started")
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing_wrong() {
    let stage = Stage::start(ACCESS).await;
    for number in 1..=20 {
        let name = format!("cam-{number:02}");
        let mut status = status(&name, 600.0);
        status["labels"] = json!({"floor": "2"});
        stage.status(&status).await;
        match number % 4 {
            0 => {}
            1 => stage.failed(&failure(&name, 1, "the file is no picture")).await,
            _ => drop(stage.pictured(&name, number, 3).await),
        }
    }
    eventually("engage is ready", || async { (stage.rest.get("/readyz").await?.0 == 200).then_some(()) })
        .await;
    let address = stage.rest.address().to_owned();
    let output = tokio::task::spawn_blocking(move || schemathesis(&address)).await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    // all but the one without end, and the description itself, which schemathesis leaves out
    let (_, document) = stage.rest.get("/api/v1/openapi.json").await.unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    let items = document["paths"].as_object().unwrap().values();
    let operations: usize = items.map(|item| item.as_object().unwrap().len()).sum();
    assert!(printed.contains(&format!("Tested: {}\n", operations - 2)), "{printed}");
}
