//! The services, as they are deployed, wired to the embedded broker and store.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use iot_chassis::{Service, Stop, Tasks, Telemetry};
use people_counter_engage::PortTaken;
use people_counter_ingest::config::Camera;
use {
    people_counter_engage as engage, people_counter_inference as inference, people_counter_ingest as ingest,
};

use crate::arguments::Arguments;
use crate::backends::{BUCKET, Backends};
use crate::counts;

/// Number of inference nodes; they share the frames.
const NODES: usize = 2;

/// Everything that runs.
pub(crate) struct Running {
    ingest: ingest::Service,
    inference: Vec<inference::Service>,
    engage: engage::Service,
}

/// Starts every service and says where.
#[expect(clippy::print_stdout, reason = "addresses are what the user came for")]
pub(crate) async fn start(
    arguments: &Arguments,
    cameras: Vec<Camera>,
    backends: &Backends,
) -> anyhow::Result<Running> {
    let broker = backends.broker.url();
    let mut config = engage::Config::default();
    config.mqtt.url.clone_from(&broker);
    config.store.endpoint = backends.store.endpoint();
    config.store.bucket = BUCKET.into();
    config.store.access_key = Some(backends.store.access_key().into());
    config.store.secret_key = Some(backends.store.secret_key().into());
    let store = config.store.clone();
    let engage = start_page(config, arguments.port).await?;

    let mut nodes = Vec::new();
    for number in 1..=NODES {
        let mut config = inference::Config { store: store.clone(), ..inference::Config::default() };
        config.mqtt.url.clone_from(&broker);
        config.node = format!("node-{number}");
        config.workers = inference::Threads::Number(inference::Threads::Auto.number().div_ceil(NODES));
        nodes.push(inference::Service::start(config, &Telemetry::default()).await.context("inference")?);
    }

    let mut config = ingest::Config { cameras, store, ..ingest::Config::default() };
    config.mqtt.url = broker;
    let ingest = ingest::Service::start(config, &Telemetry::default()).await.context("ingest")?;

    println!("Page    http://{}", engage.addr());
    println!("Broker  {}", backends.broker.url());
    println!("Store   {}  bucket {BUCKET}", backends.store.endpoint());
    println!("Ctrl-C stops everything and leaves nothing behind.\n");
    Ok(Running { ingest, inference: nodes, engage })
}

impl Running {
    /// Runs everything until `stop`.
    pub(crate) async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let mut tasks = Tasks::new(&stop);
        let watch = self.engage.watch();
        tasks.spawn("engage", self.engage.run(tasks.stop()));
        for node in self.inference {
            tasks.spawn("inference", node.run(tasks.stop()));
        }
        tasks.spawn("ingest", self.ingest.run(tasks.stop()));
        tasks.spawn("counts", counts::print(watch, tasks.stop()));
        tasks.join().await
    }
}

/// The page at `port`, or at a free one if that is taken.
#[expect(clippy::print_stdout, reason = "the user must know that the port is another one")]
async fn start_page(mut config: engage::Config, port: u16) -> anyhow::Result<engage::Service> {
    config.http.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match engage::Service::start(config.clone(), &Telemetry::default()).await {
        Err(error) if error.downcast_ref::<PortTaken>().is_some() => {
            println!("Port {port} is taken by another program, using a free one instead.");
            config.http.listen.set_port(0);
            engage::Service::start(config, &Telemetry::default()).await.context("engage")
        }
        started => started.context("engage"),
    }
}
