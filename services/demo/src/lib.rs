//! The demonstration: `cargo run --release` and look at the page.
//!
//! Broker, store, cameras, counting and page in one process, over real TCP on loopback, made of the same
//! services that are deployed apart. Nothing is left behind.

mod arguments;
mod backends;
mod cameras;
mod counts;
mod sample;
mod services;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use iot_chassis::{Log, Stop, install_crypto, stop_on_signals};

use arguments::Arguments;

/// How long the services may take to drain. Little, because nothing here is worth keeping.
const GRACE: Duration = Duration::from_millis(1500);
/// What is worth a line between the counts: problems of ours, and no others'.
const LOG_FILTER: &str = "warn,mqtt5=off";

/// Runs the demonstration until Ctrl-C.
#[expect(clippy::print_stderr, reason = "the one sentence that says why nothing runs")]
pub fn main() -> ExitCode {
    match live(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn live(arguments: &Arguments) -> anyhow::Result<()> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| LOG_FILTER.into());
    let mut log = Log::default();
    log.filter = filter;
    log.install()?;
    install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(async {
        let stop = stop_on_signals().context("cannot handle signals")?;
        run(arguments, stop).await
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

async fn run(arguments: &Arguments, stop: Stop) -> anyhow::Result<()> {
    let sample = sample::unpack()?;
    let cameras = cameras::choose(arguments, sample.path())?;
    let backends = backends::Backends::start().await?;
    let running = tokio::select! {
        running = services::start(arguments, cameras, &backends) => running?,
        () = stop.cancelled() => return Ok(()),
    };
    let told = stop.clone();
    let outcome = tokio::select! {
        outcome = running.run(stop) => outcome,
        () = overdue(told) => Ok(()),
    };
    backends.stop().await;
    outcome
}

/// Ends when the services have had their time to drain.
async fn overdue(stop: Stop) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
