//! Engage: shows the counts. A page, a WebSocket, REST.
//!
//! It holds no file. What the broker keeps makes the [`state`], pictures come from the object store on demand,
//! and any number of instances run side by side.

pub mod access;
mod board;
mod broker;
mod client;
mod clock;
mod command;
pub mod config;
mod feed;
mod files;
mod http;
mod live;
mod metrics;
mod pictures;
mod push;
mod removal;
mod secret;
pub mod state;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::web::Data;
use anyhow::Context;
use iot_chassis::{Address, Log, Stop, Tasks, Telemetry};
use iot_storage::Store;
use tokio::sync::Semaphore;

use access::Access;
use board::Board;
use broker::Broker;
use feed::Feed;
use http::{App, Certificate, Server};
use metrics::Metrics;
use pictures::Pictures;
use push::Push;
use removal::Removal;
use state::State;

pub use board::Watch;
pub use config::Config;
pub use http::{ENDPOINTS, Endpoint, Needs, PortTaken};

/// The service, bound and ready to run.
pub struct Service {
    address: SocketAddr,
    board: Arc<Board>,
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    app: App,
    broker: Broker,
    push: Option<Push>,
}

impl Service {
    /// Where it serves.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Follows the counts without going through MQTT or HTTP.
    pub fn watch(&self) -> Watch {
        self.board.watch()
    }
}

impl iot_chassis::Service for Service {
    type Config = Config;

    const NAME: &'static str = "people-counter-engage";
    const ENV: &'static str = "ENGAGE";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn log(config: &Config) -> &Log {
        &config.log
    }

    fn admin(config: &Config) -> Option<Address> {
        config.http.health_listen.map(Address::from)
    }

    fn health_address(config: &Config) -> Option<Address> {
        Some(config.http.health_listen.unwrap_or(config.http.listen).into())
    }

    fn check(config: &Config) -> anyhow::Result<()> {
        config.check()
    }

    fn subcommands() -> Vec<clap::Command> {
        let mut all = command::all();
        all.push(push::command());
        all
    }

    fn subcommand(name: &str, arguments: &clap::ArgMatches) -> anyhow::Result<()> {
        if name == "push" {
            return push::subcommand(Self::ENV, arguments);
        }
        command::run(name, std::io::stdin().lock(), std::io::stdout().lock())
    }

    async fn start(config: Config, telemetry: &Telemetry) -> anyhow::Result<Self> {
        config.check()?;
        files::raise_limit(config.http.max_connections);
        let certificate = Certificate::load(&config.http)?;
        let listener = http::bind(&config.http)?;
        let address = listener.local_addr().context("cannot tell the web server's address")?;
        let store = Store::new(&config.store).context("[store]")?;
        let node = config.node.clone().unwrap_or_else(own_name);

        let (access, scopes) = Access::new(&config.access)?;
        let state = State::new(
            uuid::Uuid::now_v7().to_string(),
            state::Options {
                devices: config.limits.devices,
                tombstones: config.limits.tombstones,
                history: config.limits.history,
                failures: config.limits.failures,
                alerts: config.push.max_alerts,
                bucket: store.bucket().to_owned(),
                scopes,
            },
        );
        let board = Board::new(state, config.limits.nodes);
        let metrics = Metrics::default();
        let mqtt_metrics = iot_mqtt::Metrics::default();
        telemetry.metrics.register(|registry| {
            metrics.register(registry, Arc::clone(&board));
            store.metrics().register(registry);
            mqtt_metrics.register(registry);
        });
        let feed = Feed::new(Arc::clone(&board), config.live.clone(), metrics.clone());
        let check = telemetry.health.check("broker");
        let push = Push::new(&config, &node, &board, mqtt_metrics.clone(), telemetry)?;
        let broker = Broker::new(&config, node, Arc::clone(&board), metrics.clone(), mqtt_metrics, check)?;
        let app = App {
            board: Arc::clone(&board),
            feed,
            pictures: Pictures::new(store.clone(), &config.limits, metrics.clone()),
            viewers: Arc::new(Semaphore::new(config.live.max_viewers)),
            access,
            secure_cookies: config.secure_cookies(),
            removal: Removal {
                board: Arc::clone(&board),
                root: config.root,
                topics: broker.topics().clone(),
                push: config.push,
                store,
                client: broker.client(),
            },
            metrics,
            telemetry: telemetry.clone(),
            settings: config.http,
            stop: Stop::new(),
        };
        Ok(Self { address, board, listener, certificate, app, broker, push })
    }

    async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let Self { address, board, listener, certificate, mut app, broker, push } = self;
        let mut tasks = Tasks::new(&stop);
        let told = tasks.stop();
        app.stop = told.clone();
        let feed = Arc::clone(&app.feed);
        let server = Server::start(listener, Data::new(app), certificate.as_ref())?;
        let scheme = if certificate.is_some() { "https" } else { "http" };
        tracing::info!("page and API at {scheme}://{address}");
        if let Some(certificate) = certificate {
            tasks.spawn("certificate", until(told.clone(), certificate.follow()));
        }
        tasks.spawn("clock", until(told.clone(), async move { board.keep_time().await }));
        tasks.spawn("feed", until(told.clone(), async move { feed.run().await }));
        tasks.spawn("broker", broker.run(told.clone()));
        if let Some(push) = push {
            tasks.spawn("push", push.run(told.clone()));
        }
        tasks.spawn("web server", server.run(told));
        tasks.join().await
    }
}

/// Runs `task`, which has no end of its own, until `stop`.
async fn until(stop: Stop, task: impl Future<Output = ()>) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => {}
        () = task => {}
    }
    Ok(())
}

/// The host's name and a random number: unique among the nodes, and telling.
fn own_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let host: String = host.trim().chars().filter(plain).take(40).collect();
    let host = if host.is_empty() { "engage" } else { &host };
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{host}-{}", &random[..8])
}
