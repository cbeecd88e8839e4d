//! A thermometer that publishes its reading and stores a file of them, through an outage of the
//! broker and one of the store: `cargo run --example thermometer`.
#![allow(clippy::unwrap_used, reason = "it stops at the first surprise")]
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use iot_sandbox::{Broker, BrokerOptions, Fault, ObjectStore, Proxy, StoreOptions};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use s3::creds::Credentials;
use s3::{Bucket, BucketConfiguration, Region};
use std::error::Error;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut broker = Broker::start(BrokerOptions::default()).await?;
    let store = ObjectStore::start(StoreOptions::default()).await?;
    let network = Proxy::start(store.addr()).await?;
    println!("broker {}, store {}", broker.url(), store.endpoint());

    let options = MqttOptions::new("thermometer", "127.0.0.1", broker.addr().port());
    let (client, mut events) = AsyncClient::new(options, 10);
    publish(&client, &mut events, 21.5).await?;
    println!("published a reading");

    broker.stop().await;
    if let Err(error) = publish(&client, &mut events, 21.6).await {
        println!("the broker is gone: {error}");
    }
    broker.restart().await?;
    publish(&client, &mut events, 21.7).await?;
    println!("it is back on the same port, and the reading got through");

    let bucket = bucket(&store, &network).await?;
    bucket.put_object("thermometer/2026-11-22.csv", b"21.5\n21.6\n21.7\n").await?;
    println!("stored the file of the day");

    network.set(Fault::HalfOpen).await;
    if let Err(error) = bucket.get_object("thermometer/2026-11-22.csv").await {
        println!("the network is silent: {error}");
    }
    network.set(Fault::None).await;
    let file = bucket.get_object("thermometer/2026-11-22.csv").await?;
    println!("and speaks again: {:?}", file.as_str()?);
    Ok(())
}

/// Publishes and waits for the broker's word that it has the reading.
async fn publish(client: &AsyncClient, events: &mut EventLoop, celsius: f32) -> Result<()> {
    client.publish("home/thermometer", QoS::AtLeastOnce, true, format!("{celsius}")).await?;
    loop {
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await? {
            return Ok(());
        }
    }
}

/// A bucket that is reached through the network that can fail.
async fn bucket(store: &ObjectStore, network: &Proxy) -> Result<Box<Bucket>> {
    let region =
        Region::Custom { region: "us-east-1".into(), endpoint: format!("http://{}", network.addr()) };
    let credentials = Credentials::new(Some(store.access_key()), Some(store.secret_key()), None, None, None)?;
    let created =
        Bucket::create_with_path_style("readings", region, credentials, BucketConfiguration::default());
    Ok(created.await?.bucket.with_path_style().with_request_timeout(Duration::from_millis(500))?)
}
