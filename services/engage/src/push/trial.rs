//! `push test --sink NAME`: sends one event, marked as a test, to one sink.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command, value_parser};
use iot_chassis::install_crypto;

use super::event::Event;
use crate::{Config, clock};

/// The subcommand.
pub fn command() -> Command {
    let file = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Configuration file (TOML)");
    let sink = Arg::new("sink").long("sink").value_name("NAME").required(true).help("Name of the sink");
    let test =
        Command::new("test").about("Send one event, marked as a test, to one sink").arg(sink).arg(file);
    Command::new("push").about("What is pushed to other systems").subcommand_required(true).subcommand(test)
}

/// Runs it.
///
/// # Errors
/// When there is no such sink, or it does not take the event.
pub fn run(env: &str, arguments: &ArgMatches) -> anyhow::Result<()> {
    let Some(("test", arguments)) = arguments.subcommand() else { bail!("there is only push test") };
    let file = arguments.get_one::<PathBuf>("config");
    let name = arguments.get_one::<String>("sink").context("--sink is missing")?;
    let config: Config = iot_chassis::config::load(env, file.map(PathBuf::as_path))?;
    config.check()?;
    install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(tell(&config, name))
}

#[expect(clippy::print_stdout, reason = "this is what the user asked to see")]
async fn tell(config: &Config, name: &str) -> anyhow::Result<()> {
    let sinks = config.push.sinks(config, &format!("push-test-{}", std::process::id()))?;
    let names: Vec<String> = sinks.iter().map(|(name, _)| name.clone()).collect();
    let sink = sinks.into_iter().find(|(other, _)| other == name);
    let (_, mut sink) = sink.with_context(|| match names.as_slice() {
        [] => "there are no sinks, configure one under [push]".to_owned(),
        names => format!("there is no sink {name:?}, but {}", names.join(", ")),
    })?;
    let (event, limit) = (Event::test(clock::now()), config.push.delivery.timeout);
    match tokio::time::timeout(limit, sink.event(&event)).await {
        Ok(outcome) => outcome.with_context(|| format!("sink {name} did not take the test"))?,
        Err(_elapsed) => bail!("sink {name} did not answer within {limit:?}"),
    }
    println!("sink {name} has taken the test event {}", event.id);
    Ok(())
}
