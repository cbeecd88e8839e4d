//! [`main`]: the same command line and life for every service.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Arg, ArgAction, Command, value_parser};

use crate::notify::Notify;
use crate::signals::on_hangup;
use crate::{
    Admin, BUILD, LogFilter, Service, Stop, Tasks, Telemetry, config, install_crypto, probe, stop_on_signals,
};

/// `EX_CONFIG` of sysexits.h: the configuration is wrong, and starting again will not help.
const EXIT_CONFIG: u8 = 78;

/// Runs a service: reads the command line and configuration, starts it, and stops it on SIGTERM or SIGINT; a second
/// one quits at once. SIGHUP reads the configuration again and changes the log's filter. A service manager that
/// asks (`Type=notify`, `WatchdogSec=`) is told when the service has started, how it is and when it stops.
///
/// Exit codes: 0 after a clean stop, 1 after a failure, 2 for a wrong command line, 78 for a wrong
/// configuration.
pub fn main<S: Service>() -> ExitCode {
    let arguments = command::<S>().get_matches();
    if arguments.get_flag("version") {
        return report(print(&format!("{} {} ({BUILD})\n", S::NAME, S::VERSION)), 1);
    }
    if let Some((name, arguments)) = arguments.subcommand().filter(|(name, _)| *name != "health") {
        return report(S::subcommand(name, arguments), 1);
    }
    let file = arguments.get_one::<PathBuf>("config").cloned();
    let config = match configuration::<S>(file.as_deref()) {
        Ok(config) => config,
        Err(error) => return report(Err(error), EXIT_CONFIG),
    };
    if arguments.subcommand_name() == Some("health") {
        return report(probe::ask(S::health_address(&config).as_ref()), 1);
    }
    if arguments.get_flag("print-config") {
        return report(print_config(&config), 1);
    }
    if arguments.get_flag("check-config") {
        return ExitCode::SUCCESS;
    }
    let filter = match S::log(&config).install() {
        Ok(filter) => filter,
        Err(error) => return report(Err(error.into()), EXIT_CONFIG),
    };
    install_crypto();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .and_then(|runtime| {
            let outcome = runtime.block_on(live::<S>(config, filter, file));
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
        .arg(path)
        .arg(flag("check-config", "Check the configuration and exit"))
        .arg(flag("print-config", "Print the configuration that results, secrets left out, and exit"))
        .arg(flag("version", "Print version and build, and exit").short('V'))
        .subcommand(Command::new("health").about("Ask the running service whether it is ready"))
        .subcommands(S::subcommands())
}

fn configuration<S: Service>(file: Option<&Path>) -> anyhow::Result<S::Config> {
    let config: S::Config = config::load(S::ENV, file)?;
    S::log(&config).check()?;
    S::check(&config)?;
    Ok(config)
}

async fn live<S: Service>(config: S::Config, filter: LogFilter, file: Option<PathBuf>) -> anyhow::Result<()> {
    let stop = stop_on_signals().context("cannot handle signals")?;
    tokio::spawn(on_hangup(move || reload::<S>(&filter, file.as_deref())).context("cannot handle signals")?);
    let notify = Notify::from_environment().context("cannot reach the service manager at $NOTIFY_SOCKET")?;
    let telemetry = Telemetry::default();
    telemetry.metrics.build_info(S::NAME, S::VERSION);
    let grace = S::grace(&config);
    let mut tasks = Tasks::new(&stop);
    // health is served until the service has drained, so that a balancer can see that it stops
    let drained = Stop::new();
    if let Some(address) = S::admin(&config) {
        let admin = Admin::bind(&address, &telemetry)
            .await
            .with_context(|| format!("cannot listen on {address} for health and metrics"))?;
        tasks.spawn("health and metrics", admin.run(drained.clone()));
    }
    let service = tokio::select! {
        started = S::start(config, &telemetry) => started?,
        () = stop.cancelled() => return Ok(()),
    };
    tracing::info!("{} {} ({BUILD}) started", S::NAME, S::VERSION);
    notify.ready();
    let told = tasks.stop();
    tokio::spawn(notify.keep(telemetry.health.clone(), told.clone()));
    tokio::spawn(leave(telemetry, told.clone()));
    let (ending, stop) = (drained.drop_guard(), tasks.stop());
    tasks.spawn(S::NAME, async move {
        let _drained = ending;
        service.run(stop).await
    });
    tokio::select! {
        outcome = tasks.join() => outcome,
        () = overdue(told, grace) => anyhow::bail!("did not stop within {grace:?}, what was under way is lost"),
    }
}

/// From `stop` on the service is not ready for more work.
async fn leave(telemetry: Telemetry, stop: Stop) {
    stop.cancelled().await;
    telemetry.health.check("service").set(Err("is stopping"));
}

/// Takes over what can be changed while the service runs: the filter of its log.
fn reload<S: Service>(filter: &LogFilter, file: Option<&Path>) {
    let changed = configuration::<S>(file).and_then(|config| {
        let wanted = S::log(&config).filter.clone();
        filter.set(&wanted)?;
        Ok(wanted)
    });
    match changed {
        Ok(wanted) => tracing::info!("log filter is now {wanted:?}; other changes need a restart"),
        Err(error) => tracing::error!("configuration is not read again, nothing changes: {error:#}"),
    }
}

/// Ends one second after the grace period that `stop` began.
async fn overdue(stop: Stop, grace: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(grace + Duration::from_secs(1)).await;
}

fn print_config(config: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&toml::to_string_pretty(config).context("cannot write the configuration as TOML")?)
}

/// Prints what the user asked to see.
fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
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
