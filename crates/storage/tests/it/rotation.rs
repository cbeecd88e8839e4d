//! Credentials that change while the store is in use, and those that a process is given.

use iot_storage::{Config, Error, PutOptions, Store};
use tokio::process::Command;

use crate::script::{Reply, Script, answer};
use crate::support::{key, ready, sandbox};

#[tokio::test]
async fn a_secret_file_that_is_replaced_is_taken_over() {
    let (server, config) = sandbox().await;
    ready(&config).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "not-this-one\n").unwrap();
    let config = config.with(|config| {
        config.secret_key = None;
        config.secret_key_file = Some(file.clone());
    });
    let store = Store::new(&config).unwrap();
    let error = store.probe().await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");

    std::fs::write(&file, format!("{}\n", server.secret_key())).unwrap();
    store.put(&key("a"), "x".into(), &PutOptions::default()).await.unwrap();

    std::fs::remove_file(&file).unwrap();
    store.probe().await.unwrap();
    std::fs::write(&file, "").unwrap();
    store.probe().await.unwrap();
}

#[tokio::test]
async fn a_credentials_file_that_is_replaced_is_taken_over() {
    let (server, config) = sandbox().await;
    ready(&config).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let write = |id: &str, secret: &str| {
        let text = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
        let aside = folder.path().join("aside");
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(&aside, &file).unwrap();
    };
    write("nobody", "nothing");
    let config = config.with(|config| {
        config.access_key = None;
        config.secret_key = None;
        config.credentials_file = Some(file.clone());
    });
    let store = Store::new(&config).unwrap();
    let error = store.probe().await.unwrap_err();
    assert!(error.to_string().contains("\"nobody\""), "{error}");
    write(server.access_key(), server.secret_key());
    store.probe().await.unwrap();
}

#[tokio::test]
async fn an_unusable_file_is_named_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let base = Config::default().with(|config| config.bucket = "readings".into());
    let missing = base.clone().with(|config| config.credentials_file = Some(folder.path().join("missing")));
    let error = Store::new(&missing).unwrap_err();
    assert!(matches!(error, Error::Credentials { .. }), "{error}");
    assert!(error.to_string().contains("missing: "), "{error}");

    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let config = base.with(|config| {
        config.access_key = Some("own".into());
        config.secret_key_file = Some(empty);
    });
    let error = Store::new(&config).unwrap_err();
    assert!(error.to_string().contains("must hold the secret key"), "{error}");
}

/// Runs [`in_a_process_of_its_own`] with these variables and says whether it succeeded.
async fn child(endpoint: &str, instance_role: bool, variables: &[(&str, &str)]) -> Result<(), String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "rotation::in_a_process_of_its_own"])
        .env_clear()
        .env("STORAGE_TEST_CHILD", endpoint)
        .env("STORAGE_TEST_ROLE", instance_role.to_string())
        .envs(variables.iter().copied())
        .output()
        .await
        .unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stdout).unwrap()) }
}

/// Does nothing by itself: the tests below start it again with another environment, which must not
/// be changed in the process of all tests.
#[tokio::test]
async fn in_a_process_of_its_own() {
    let Ok(endpoint) = std::env::var("STORAGE_TEST_CHILD") else { return };
    let instance_role = std::env::var("STORAGE_TEST_ROLE").unwrap() == "true";
    let config = Config::default().with(|config| {
        config.endpoint = endpoint;
        config.bucket = "readings".into();
        config.instance_role = instance_role;
    });
    let store = Store::new(&config).unwrap_or_else(|error| panic!("{error}"));
    let put = store.put(&key("child"), "x".into(), &PutOptions::default()).await;
    put.unwrap_or_else(|error| panic!("{error}"));
    store.list("child", 1).await.unwrap();
}

#[tokio::test]
async fn credentials_come_from_the_environment() {
    let (server, config) = sandbox().await;
    ready(&config).await;
    let secret = server.secret_key();
    let variables = [("AWS_ACCESS_KEY_ID", server.access_key()), ("AWS_SECRET_ACCESS_KEY", secret)];
    child(&config.endpoint, false, &variables).await.unwrap();
    let output = child(&config.endpoint, false, &variables[..1]).await.unwrap_err();
    assert!(output.contains("no credentials: set access_key"), "{output}");
}

/// A container's credentials that have expired when they arrive: each request renews them.
#[tokio::test]
async fn credentials_come_from_the_role_of_a_container() {
    let (server, config) = sandbox().await;
    ready(&config).await;
    let document = format!(
        r#"{{"AccessKeyId": "{}", "SecretAccessKey": "{}", "Token": "t", "Expiration": "2026-01-01T00:00:00Z"}}"#,
        server.access_key(),
        server.secret_key()
    );
    let role = Script::start([Reply::Say(answer("200 OK", "", &document))]).await;
    let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*format!("{}/role", role.endpoint()))];
    child(&config.endpoint, true, &variables).await.unwrap();
    assert!(role.asked().len() >= 2, "asked once and then to renew");
}
