//! Ceph RGW, the production-grade S3 server that Debian packages.
//!
//! `STORAGE_TEST_ENDPOINT`, `STORAGE_TEST_ACCESS_KEY`, `STORAGE_TEST_SECRET_KEY` and
//! `STORAGE_TEST_REGION` name another server to test against; its bucket `readings-…` is new.

use std::env;

use iot_storage::Config;

use crate::{suite, support};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rgw_passes_the_suite() {
    let variable = |name: &str| env::var(format!("STORAGE_TEST_{name}")).ok();
    let (endpoint, access_key, secret_key) =
        (variable("ENDPOINT").unwrap(), variable("ACCESS_KEY").unwrap(), variable("SECRET_KEY").unwrap());
    let config = support::config(&endpoint, &access_key, &secret_key);
    let bucket = format!("readings-{}", std::process::id());
    let region = variable("REGION").unwrap_or_else(|| config.region.clone());
    suite::run(&Config { bucket, region, ..config }).await;
}
