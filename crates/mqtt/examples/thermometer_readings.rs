//! A thermometer that publishes its readings and an archive that stores them as a file per day, through an outage of
//! the broker. It brings its own broker and store: `cargo run -p iot-mqtt --example thermometer_readings`.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;
use std::time::Duration;

use iot_mqtt::{Config, Inbox, Message, Options, Presence, Will};
use iot_sandbox::{Broker, BrokerOptions, ObjectStore, StoreOptions};
use iot_storage::{PutOptions, Store};
use iot_topic::Topic;
use serde::{Deserialize, Serialize};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What a thermometer says.
#[derive(Debug, Serialize, Deserialize)]
struct Reading {
    time: String,
    celsius: f64,
}

/// Whether a thermometer is there, and which of its connections says so.
struct Thermometer;

const STATUS: &str = "home/thermometers/t-7/status";
const COUNT: usize = 24;

impl Presence for Thermometer {
    fn will(&self, connection: u64) -> Will {
        Will::new(STATUS, format!("offline {connection}")).delay(Duration::from_secs(5))
    }

    fn birth(&self, connection: u64) -> Option<Message> {
        Some(Message::new(STATUS, format!("online {connection}")).retained())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let kept = BrokerOptions::default().with(|options| options.dir = Some(folder.path().into()));
    let mut broker = Broker::start(kept).await?;
    let server = ObjectStore::start(StoreOptions::default()).await?;
    let store = Store::new(&iot_storage::Config::default().with(|config| {
        config.endpoint = server.endpoint();
        config.bucket = "readings".into();
        config.access_key = Some(server.access_key().into());
        config.secret_key = Some(server.secret_key().into());
    }))?;
    store.ensure_bucket().await?;

    let config = Config::default().with(|config| config.url = broker.url());
    let readings: Topic<Reading> = Topic::new("home/thermometers/{sensor}/reading")?;

    // the archive keeps its session, so that what it misses while it is away waits for it
    let lasting = config.clone().with(|config| config.session_expiry = Duration::from_secs(3600));
    let mut options = Options::new(lasting, "archive")?;
    let inbox = options.subscribe(readings.filter());
    let archive = options.connect();
    archive.state().wait_for(|state| state.subscribed).await?;
    let archived = tokio::spawn(store_a_day(inbox, readings.clone(), store.clone()));

    let mut options = Options::new(config, "thermometer-7")?;
    options.presence(Thermometer);
    let thermometer = options.connect();
    let name = readings.name(&["t-7"])?;
    for hour in 0..COUNT {
        if hour == 12 {
            broker.restart().await?;
            println!("the broker was restarted");
        }
        let reading = Reading { time: format!("{hour:02}:00"), celsius: 18.0 + (hour % 12) as f64 / 2.0 };
        // returns when the broker has it, over as many connections as it takes
        thermometer.publish(Message::new(&name, readings.encode(&reading)?)).await?;
    }
    println!("{COUNT} readings are with the broker");

    let key = archived.await??;
    let file = store.get(&key.parse()?, 64 * 1024).await?;
    println!("{key} holds {} lines", String::from_utf8_lossy(&file.body).lines().count());
    thermometer.close(Duration::from_secs(5)).await;
    archive.close(Duration::from_secs(5)).await;
    Ok(())
}

/// Collects a day and stores it; only then are its readings acknowledged.
async fn store_a_day(mut inbox: Inbox, readings: Topic<Reading>, store: Store) -> Result<String> {
    let (mut lines, mut held) = (Vec::new(), Vec::new());
    while lines.len() < COUNT {
        let delivery = inbox.recv().await.ok_or("the client was closed")?;
        match readings.decode(delivery.payload()) {
            // the same reading may come twice
            Ok(reading) => {
                let line = format!("{},{}", reading.time, reading.celsius);
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
            Err(error) => println!("ignored: {error}"),
        }
        held.push(delivery);
    }
    let key = "t-7/2026-11-22.csv";
    let body = lines.join("\n") + "\n";
    store.put(&key.parse()?, body.into(), &PutOptions::content_type("text/csv")).await?;
    for delivery in held {
        delivery.ack();
    }
    Ok(key.into())
}
