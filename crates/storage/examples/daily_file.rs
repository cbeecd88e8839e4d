//! A thermometer that keeps a file of readings for each day, and the files of the last week.
//!
//! ```sh
//! export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…
//! cargo run -p iot-storage --example daily_file -- http://127.0.0.1:9000 readings
//! ```
//!
//! Without arguments it brings its own store.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;

use bytes::Bytes;
use iot_sandbox::{ObjectStore, StoreOptions};
use iot_storage::{Config, Key, PutOptions, Store};

const SENSOR: &str = "cellar";
const DAYS_KEPT: usize = 7;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    // Ends when it is dropped, so it must live as long as the program.
    let own =
        if arguments.len() == 0 { Some(ObjectStore::start(StoreOptions::default()).await?) } else { None };
    let config = match &own {
        Some(server) => Config::default().with(|config| {
            config.endpoint = server.endpoint();
            config.bucket = "readings".into();
            config.access_key = Some(server.access_key().into());
            config.secret_key = Some(server.secret_key().into());
        }),
        None => Config::default().with(|config| {
            config.endpoint = arguments.next().unwrap_or_default();
            config.bucket = arguments.next().unwrap_or_default();
        }),
    };
    let store = Store::new(&config)?;
    store.ensure_bucket().await?;

    for day in 1..=10 {
        let key: Key = format!("{SENSOR}/2026-11-{day:02}.csv").parse()?;
        let options =
            PutOptions::content_type("text/csv").metadata("sensor", SENSOR).metadata("unit", "celsius");
        store.put(&key, readings(day), &options).await?;
        let pruned = store.prune(&format!("{SENSOR}/"), DAYS_KEPT, |_| false).await?;
        println!("{key}: stored, {pruned} old deleted");
    }

    for entry in store.list(&format!("{SENSOR}/"), 100).await? {
        let file = store.get(&entry.key, 64 * 1024).await?;
        let noon = file.body.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"12:"));
        println!("{} ({} bytes): {}", entry.key, entry.bytes, String::from_utf8_lossy(noon.unwrap_or(b"-")));
    }
    Ok(())
}

/// One reading an hour.
fn readings(day: u32) -> Bytes {
    let line = |hour: u32| {
        let angle = f64::from(hour) / 24.0 * std::f64::consts::TAU;
        format!("{hour:02}:00,{:.1}\n", 8.0 + f64::from(day) / 10.0 - angle.cos())
    };
    (0..24).map(line).collect::<String>().into()
}
