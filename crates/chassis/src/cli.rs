//! [`main`]: the same command line and life for every service.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::{Admin, Service, Stop, Tasks, Telemetry, config, install_crypto, stop_on_signals};

/// `EX_CONFIG` of sysexits.h: the configuration is wrong, and starting again will not help.
const EXIT_CONFIG: u8 = 78;
/// Longest wait of the `health` subcommand.
const HEALTH_LIMIT: Duration = Duration::from_secs(5);

/// Runs a service: reads the command line and configuration, starts it, and stops it on SIGTERM or SIGINT.
///
/// Exit codes: 0 after a clean stop, 1 after a failure, 2 for a wrong command line, 78 for a wrong
/// configuration.
pub fn main<S: Service>() -> ExitCode {
    let arguments = command::<S>().get_matches();
    if let Some((name, arguments)) = arguments.subcommand().filter(|(name, _)| *name != "health") {
        return report(S::subcommand(name, arguments), 1);
    }
    let config = match configuration::<S>(&arguments) {
        Ok(config) => config,
        Err(error) => return report(Err(error), EXIT_CONFIG),
    };
    if arguments.subcommand_name() == Some("health") {
        return report(ask_health(S::health_address(&config)), 1);
    }
    if arguments.get_flag("print-config") {
        return report(print_config(&config), 1);
    }
    if arguments.get_flag("check-config") {
        return ExitCode::SUCCESS;
    }
    if let Err(error) = S::log(&config).install() {
        return report(Err(error.into()), EXIT_CONFIG);
    }
    install_crypto();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .and_then(|runtime| {
            let outcome = runtime.block_on(live::<S>(config));
            // a blocking call that hangs must not keep the process alive
            runtime.shutdown_timeout(Duration::from_millis(500));
            outcome
        });
    report(outcome, 1)
}

fn command<S: Service>() -> Command {
    let path = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Configuration file (TOML)");
    let flag = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new(S::NAME)
        .version(S::VERSION)
        .arg(path)
        .arg(flag("check-config", "Check the configuration and exit"))
        .arg(flag("print-config", "Print the configuration that results, secrets left out, and exit"))
        .subcommand(Command::new("health").about("Ask the running service whether it is ready"))
        .subcommands(S::subcommands())
}

fn configuration<S: Service>(arguments: &ArgMatches) -> anyhow::Result<S::Config> {
    let file = arguments.get_one::<PathBuf>("config");
    let config: S::Config = config::load(S::ENV, file.map(PathBuf::as_path))?;
    S::log(&config).check()?;
    S::check(&config)?;
    Ok(config)
}

async fn live<S: Service>(config: S::Config) -> anyhow::Result<()> {
    let stop = stop_on_signals().context("cannot handle signals")?;
    let telemetry = Telemetry::default();
    telemetry.metrics.build_info(S::NAME, S::VERSION);
    let grace = S::grace(&config);
    let mut tasks = Tasks::new(&stop);
    if let Some(address) = S::admin(&config) {
        let admin = Admin::bind(address, &telemetry)
            .await
            .with_context(|| format!("cannot listen on {address} for health and metrics"))?;
        tasks.spawn("health and metrics", admin.run(tasks.stop()));
    }
    let service = tokio::select! {
        started = S::start(config, &telemetry) => started?,
        () = stop.cancelled() => return Ok(()),
    };
    tracing::info!("{} {} started", S::NAME, S::VERSION);
    let told = tasks.stop();
    tasks.spawn(S::NAME, service.run(tasks.stop()));
    tokio::select! {
        outcome = tasks.join() => outcome,
        () = overdue(told, grace) => anyhow::bail!("did not stop within {grace:?}, what was under way is lost"),
    }
}

/// Ends one second after the grace period that `stop` began.
async fn overdue(stop: Stop, grace: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(grace + Duration::from_secs(1)).await;
}

#[expect(clippy::print_stdout, reason = "this is what the user asked to see")]
fn print_config(config: &impl serde::Serialize) -> anyhow::Result<()> {
    print!("{}", toml::to_string_pretty(config).context("cannot write the configuration as TOML")?);
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the one sentence that says why nothing runs")]
fn report(outcome: anyhow::Result<()>, code: u8) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(code)
        }
    }
}

/// Asks `/readyz`, for container health checks without a shell or curl.
fn ask_health(address: Option<SocketAddr>) -> anyhow::Result<()> {
    let address = address.context("health is not served, configure its address")?;
    let asking = || format!("cannot ask http://{address}/readyz");
    let mut socket = TcpStream::connect_timeout(&address, HEALTH_LIMIT).with_context(asking)?;
    socket.set_read_timeout(Some(HEALTH_LIMIT)).with_context(asking)?;
    socket
        .write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .with_context(asking)?;
    let mut answer = String::new();
    socket.take(64 * 1024).read_to_string(&mut answer).with_context(asking)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).unwrap_or("no status");
    anyhow::ensure!(status == "200", "not ready ({status}): {}", body.trim());
    Ok(())
}
