//! `people-counter-ingest devices` and `people-counter-ingest snapshot`: what a person tries before a source is put
//! into a configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Arg, ArgMatches, Command, value_parser};
use iot_chassis::Stop;
use people_counter_events::Delivery;

use crate::config::{Config, Limits, Secret, Source, parse_source};
use crate::picture::Picture;
use crate::source::{self, Manner, feed};

/// Pace at which a source is asked for its one picture.
const PACE: Duration = Duration::from_millis(200);

pub fn commands() -> Vec<Command> {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let file = |name, help| text(name, "FILE", help).value_parser(value_parser!(PathBuf));
    vec![
        Command::new("devices").about("List the cameras of this machine with their formats"),
        Command::new("snapshot")
            .about("Take one picture of a source and write it to a file")
            .arg(
                text(
                    "source",
                    "SOURCE",
                    "A folder, a video file, http://…, rtsp://…, /dev/videoN or name:… of a USB camera",
                )
                .required_unless_present("device"),
            )
            .arg(text("username", "NAME", "Who you are to a network camera").requires("source"))
            .arg(file("password-file", "File with the password").requires("username"))
            .arg(file("config", "Configuration file, for --device"))
            .arg(
                text("device", "ID", "Take the source of this camera of the configuration file instead")
                    .requires("config")
                    .conflicts_with("source"),
            )
            .arg(
                text("seconds", "S", "How long to wait for a picture")
                    .default_value("30")
                    .value_parser(value_parser!(u64).range(1..=3600)),
            )
            .arg(
                Arg::new("out")
                    .value_name("OUT.jpg")
                    .required(true)
                    .value_parser(value_parser!(PathBuf))
                    .help("File to write"),
            ),
    ]
}

#[expect(clippy::print_stdout, reason = "this is what the user asked to see")]
pub fn run(name: &str, arguments: &ArgMatches) -> anyhow::Result<()> {
    match name {
        "devices" => print!("{}", source::list_devices()?),
        "snapshot" => {
            let source = chosen(arguments)?;
            let seconds = arguments.get_one("seconds").copied().unwrap_or(30);
            let out = arguments.get_one::<PathBuf>("out").context("no file to write to")?;
            println!("{}", snapshot(&source, Duration::from_secs(seconds), out)?);
        }
        other => bail!("there is no subcommand {other}"),
    }
    Ok(())
}

/// The source that the command line names.
fn chosen(arguments: &ArgMatches) -> anyhow::Result<Source> {
    if let Some(device) = arguments.get_one::<String>("device") {
        let file = arguments.get_one::<PathBuf>("config").map(PathBuf::as_path);
        let config: Config = iot_chassis::config::load("INGEST", file)?;
        config.check()?;
        let camera = config.cameras.into_iter().find(|camera| camera.device.as_str() == device);
        return Ok(camera.with_context(|| format!("the configuration has no camera {device}"))?.source);
    }
    let text = arguments.get_one::<String>("source").context("no source is given")?;
    let mut source = parse_source(text)?;
    if let Some(username) = arguments.get_one::<String>("username") {
        let file = arguments.get_one::<PathBuf>("password-file");
        log_in(&mut source, username, file.map(PathBuf::as_path))?;
    }
    Ok(source)
}

fn log_in(source: &mut Source, name: &str, file: Option<&Path>) -> anyhow::Result<()> {
    let secret = file.map(Secret::from_file).transpose()?;
    let (username, password) = match source {
        Source::Http(camera) => (&mut camera.username, &mut camera.password),
        Source::Rtsp(camera) => (&mut camera.username, &mut camera.password),
        other => bail!("a source of kind {} asks for no user name", other.kind()),
    };
    *username = Some(name.into());
    *password = secret;
    Ok(())
}

/// Takes a picture and writes it; says what it is.
fn snapshot(source: &Source, limit: Duration, out: &Path) -> anyhow::Result<String> {
    ensure!(!out.is_dir(), "{} is a folder, give a file", out.display());
    iot_chassis::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let picture = runtime.block_on(take(source, limit))?;
    std::fs::write(out, &picture.jpeg).with_context(|| format!("cannot write {}", out.display()))?;
    let (width, height, bytes) = (picture.width, picture.height, picture.jpeg.len());
    Ok(format!("{}: {width} x {height}, {bytes} bytes", out.display()))
}

/// The first picture of a source, or the first thing that is wrong with it.
async fn take(source: &Source, limit: Duration) -> anyhow::Result<Picture> {
    let manner = Manner { interval: PACE, limits: Limits::default() };
    let opened = source::Source::open(source, manner).await?;
    let (feed, intake) = feed(Delivery::Latest);
    let stop = Stop::new();
    let running = tokio::spawn(opened.run(feed, stop.clone()));
    let first = async {
        loop {
            let mut news = intake.recv().await;
            if let Some(picture) = news.pictures.pop_back() {
                return Ok(picture);
            }
            if let Some(problem) = news.problem {
                bail!("{problem}");
            }
            ensure!(!news.ended, "the source ended without a picture");
        }
    };
    let outcome = tokio::time::timeout(limit, first).await;
    stop.cancel();
    running.await.context("the source broke off")?;
    outcome.with_context(|| format!("no picture came within {} s", limit.as_secs()))?
}
