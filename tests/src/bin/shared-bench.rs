//! The shared crates against what they stand on or could be replaced by, as `scripts/bench shared` prints it.
//!
//! Both sides of a comparison take turns, so that a machine that is busy now and then is so for both; of each the
//! median counts.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that stops at the first surprise")]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use iot_mqtt::{Message, Options};
use iot_sandbox::{ObjectStore as Server, StoreOptions};
use iot_storage::{PutOptions, Store};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore};
use people_counter_tests::wait::{eventually, free_port};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::sync::mpsc;

/// How often each side has its turn.
const TURNS: usize = 7;
const ROUND_TRIPS: usize = 2_000;
const MESSAGES: usize = 20_000;
/// Messages sent and not confirmed yet, on both sides.
const WINDOW: u16 = 64;
const PAYLOAD: usize = 200;
const OBJECT: usize = 50_000;

#[tokio::main]
async fn main() {
    iot_chassis::install_crypto();
    println!("| figure | ours | bare | ratio |\n|---|---|---|---|");
    let broker = Mosquitto::start().await;
    mqtt(broker.addr).await;
    storage().await;
}

/// Prints one comparison; a figure is a rate, so a ratio over 1 is ours being faster.
fn row(figure: &str, against: &str, mut ours: Vec<f64>, mut bare: Vec<f64>) {
    let (ours, bare) = (median(&mut ours), median(&mut bare));
    println!("| {figure}, against {against} | {ours:.0}/s | {bare:.0}/s | {:.2} |", ours / bare);
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn rate(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

async fn mqtt(broker: SocketAddr) {
    let (mut ours, mut bare, mut bare_task) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        ours.push(our_round_trips(broker, turn).await);
        bare.push(bare_round_trips(broker, turn).await);
        bare_task.push(bare_round_trips_of_a_task(broker, turn).await);
    }
    let figure = "publish and confirmation, one after the other";
    row(figure, "rumqttc polled by who publishes", ours.clone(), bare);
    row(figure, "rumqttc in a task of its own", ours, bare_task);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        ours.push(our_throughput(broker, turn).await);
        bare.push(bare_throughput(broker, turn).await);
    }
    row("confirmed messages, 64 under way", "rumqttc", ours, bare);
}

async fn our_client(broker: SocketAddr, id: String) -> iot_mqtt::Client {
    let config = iot_mqtt::Config::default().with(|config| {
        config.url = format!("mqtt://{broker}");
        config.window = WINDOW;
        config.outbox = 4 * usize::from(WINDOW);
    });
    let client = Options::new(config, id).unwrap().connect();
    client.state().wait_for(|state| state.connected).await.unwrap();
    client
}

async fn our_round_trips(broker: SocketAddr, turn: usize) -> f64 {
    let client = our_client(broker, format!("ours-{turn}")).await;
    let since = Instant::now();
    for _ in 0..ROUND_TRIPS {
        client.publish(Message::new("bench/a", vec![b'x'; PAYLOAD])).await.unwrap();
    }
    let rate = rate(ROUND_TRIPS, since);
    client.close(Duration::from_secs(5)).await;
    rate
}

async fn our_throughput(broker: SocketAddr, turn: usize) -> f64 {
    let client = our_client(broker, format!("ours-{turn}")).await;
    let since = Instant::now();
    stream::iter(0..MESSAGES)
        .for_each_concurrent(2 * usize::from(WINDOW), async |_| {
            client.publish(Message::new("bench/a", vec![b'x'; PAYLOAD])).await.unwrap();
        })
        .await;
    let rate = rate(MESSAGES, since);
    client.close(Duration::from_secs(5)).await;
    rate
}

async fn bare_client(broker: SocketAddr, id: String) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(id, broker.ip().to_string(), broker.port());
    options.set_outgoing_inflight_upper_limit(WINDOW);
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    let (client, mut events) = AsyncClient::new(options, 2 * usize::from(WINDOW));
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::ConnAck(_))) {}
    (client, events)
}

async fn confirmations(events: &mut EventLoop, mut count: usize) {
    while count > 0 {
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
            count -= 1;
        }
    }
}

async fn bare_round_trips(broker: SocketAddr, turn: usize) -> f64 {
    let (client, mut events) = bare_client(broker, format!("bare-{turn}")).await;
    let since = Instant::now();
    for _ in 0..ROUND_TRIPS {
        client.publish("bench/a", QoS::AtLeastOnce, false, vec![b'x'; PAYLOAD]).await.unwrap();
        confirmations(&mut events, 1).await;
    }
    rate(ROUND_TRIPS, since)
}

/// With the event loop in a task of its own, as a program needs it that does more than publish.
async fn bare_round_trips_of_a_task(broker: SocketAddr, turn: usize) -> f64 {
    let (client, mut events) = bare_client(broker, format!("bare-task-{turn}")).await;
    let (confirmed, mut confirmations) = mpsc::channel(1);
    let polling = tokio::spawn(async move {
        loop {
            if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
                confirmed.send(()).await.unwrap();
            }
        }
    });
    let since = Instant::now();
    for _ in 0..ROUND_TRIPS {
        client.publish("bench/a", QoS::AtLeastOnce, false, vec![b'x'; PAYLOAD]).await.unwrap();
        confirmations.recv().await.unwrap();
    }
    let rate = rate(ROUND_TRIPS, since);
    polling.abort();
    rate
}

async fn bare_throughput(broker: SocketAddr, turn: usize) -> f64 {
    let (client, mut events) = bare_client(broker, format!("bare-{turn}")).await;
    let since = Instant::now();
    let publishing = tokio::spawn(async move {
        for _ in 0..MESSAGES {
            client.publish("bench/a", QoS::AtLeastOnce, false, vec![b'x'; PAYLOAD]).await.unwrap();
        }
        client
    });
    confirmations(&mut events, MESSAGES).await;
    let rate = rate(MESSAGES, since);
    drop(publishing.await.unwrap());
    rate
}

async fn storage() {
    let server = Server::start(StoreOptions::default()).await.unwrap();
    let config = iot_storage::Config::default().with(|config| {
        config.endpoint = server.endpoint();
        config.bucket = "bench".into();
        config.access_key = Some(server.access_key().into());
        config.secret_key = Some(server.secret_key().into());
    });
    let ours = Store::new(&config).unwrap();
    ours.ensure_bucket().await.unwrap();
    let bare: Arc<AmazonS3> = Arc::new(
        AmazonS3Builder::new()
            .with_endpoint(server.endpoint())
            .with_region("us-east-1")
            .with_bucket_name("bench")
            .with_access_key_id(server.access_key())
            .with_secret_access_key(server.secret_key())
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .build()
            .unwrap(),
    );
    for at_once in [1, 8, 32] {
        let count = if at_once == 1 { 400 } else { 1_500 };
        let mut rates = [const { Vec::new() }; 4];
        for _ in 0..TURNS {
            rates[0].push(our_puts(&ours, at_once, count).await);
            rates[1].push(bare_puts(&bare, at_once, count).await);
            rates[2].push(our_gets(&ours, at_once, count).await);
            rates[3].push(bare_gets(&bare, at_once, count).await);
        }
        let [our_puts, bare_puts, our_gets, bare_gets] = rates;
        row(&format!("put of 50 KB, {at_once} at once"), "object_store", our_puts, bare_puts);
        row(&format!("get of 50 KB, {at_once} at once"), "object_store", our_gets, bare_gets);
    }
}

/// Runs `each` for 64 names in turn, on tasks of their own as a service does.
async fn spread<F: Future<Output = ()> + Send + 'static>(
    at_once: usize,
    count: usize,
    each: impl Fn(String) -> F,
) -> f64 {
    let since = Instant::now();
    stream::iter(0..count)
        .map(|number| tokio::spawn(each(format!("objects/{}", number % 64))))
        .buffer_unordered(at_once)
        .for_each(async |done| done.unwrap())
        .await;
    rate(count, since)
}

async fn our_puts(store: &Store, at_once: usize, count: usize) -> f64 {
    let body = bytes::Bytes::from(vec![7; OBJECT]);
    spread(at_once, count, |name| {
        let (store, body) = (store.clone(), body.clone());
        async move {
            store.put(&name.parse().unwrap(), body, &PutOptions::content_type("image/jpeg")).await.unwrap();
        }
    })
    .await
}

async fn bare_puts(store: &Arc<AmazonS3>, at_once: usize, count: usize) -> f64 {
    let body = bytes::Bytes::from(vec![7; OBJECT]);
    spread(at_once, count, |name| {
        let (store, body) = (store.clone(), body.clone());
        async move {
            store.put(&Path::from(name), body.into()).await.unwrap();
        }
    })
    .await
}

async fn our_gets(store: &Store, at_once: usize, count: usize) -> f64 {
    spread(at_once, count, |name| {
        let store = store.clone();
        async move {
            let object = store.get(&name.parse().unwrap(), OBJECT as u64).await.unwrap();
            assert_eq!(object.body.len(), OBJECT);
        }
    })
    .await
}

async fn bare_gets(store: &Arc<AmazonS3>, at_once: usize, count: usize) -> f64 {
    spread(at_once, count, |name| {
        let store = store.clone();
        async move {
            let body = store.get(&Path::from(name)).await.unwrap().bytes().await.unwrap();
            assert_eq!(body.len(), OBJECT);
        }
    })
    .await
}

/// A broker that is fast and none of ours.
struct Mosquitto {
    process: Child,
    addr: SocketAddr,
}

impl Mosquitto {
    async fn start() -> Self {
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("mosquitto.conf");
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 1000\nset_tcp_nodelay true\n",
            addr.port()
        );
        std::fs::write(&config, text).unwrap();
        let process = Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(&config)
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is missing: apt-get install mosquitto");
        eventually("mosquitto listens", || async {
            std::net::TcpStream::connect(addr).is_ok().then_some(())
        })
        .await;
        Self { process, addr }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
