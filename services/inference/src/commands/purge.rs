//! `people-counter-inference purge`: deletes old originals of a device, for example after pictures have become private.

use std::io::Write;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use humantime_serde::re::humantime::Duration as Age;
use iot_chassis::Service as _;
use iot_storage::{Key, Store};
use people_counter_events::DeviceID;

use super::path;
use crate::Service;
use crate::config::Config;

/// Objects of a device that are looked at in one go.
const MOST: usize = 1_000_000;

pub(super) fn command() -> Command {
    let flag = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new("purge")
        .about("Delete old originals of a device from the store; previews stay")
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(value_parser!(std::path::PathBuf))
                .help("Configuration file of inference (TOML), for its store"),
        )
        .arg(Arg::new("device").long("device").value_name("ID").required(true).help("The device"))
        .arg(
            Arg::new("older-than")
                .long("older-than")
                .value_name("AGE")
                .default_value("24h")
                .value_parser(|text: &str| text.parse::<Age>())
                .help("Least age by the store's clock; longer than frames may wait for their analysis"),
        )
        .arg(flag("all", "The newest one too, which may be the one that is shown"))
        .arg(flag("dry-run", "Say what would be deleted, and delete nothing"))
}

/// Deletes, and says how many.
///
/// # Errors
/// A wrong configuration or device, a store that cannot be read or refuses.
pub(super) fn run(arguments: &ArgMatches, out: &mut impl Write) -> anyhow::Result<()> {
    let config: Config = iot_chassis::config::load(Service::ENV, path(arguments, "config"))?;
    let device: DeviceID = arguments.get_one::<String>("device").context("--device is missing")?.parse()?;
    let age = arguments.get_one::<Age>("older-than").context("--older-than is missing")?;
    let age: Duration = (*age).into();
    let before = SystemTime::now().checked_sub(age).context("--older-than is too long ago")?;
    iot_chassis::install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::new(&config.store).context("store")?;
        let listed = store.list(&format!("{device}."), MOST).await?;
        ensure!(listed.len() < MOST, "{device} has more than {MOST} objects, delete some by hand first");
        let listed = listed.into_iter().map(|entry| (entry.key, entry.last_modified)).collect();
        let old = old_originals(&device, listed, before, arguments.get_flag("all"));
        if arguments.get_flag("dry-run") {
            for key in &old {
                writeln!(out, "{key}")?;
            }
            writeln!(out, "{} originals of {device} would be deleted", old.len())?;
        } else {
            let deleted = store.delete_many(&old).await?;
            writeln!(out, "{deleted} originals of {device} deleted")?;
        }
        Ok(())
    })
}

/// Those of the listed objects that are originals of `device` from before `before`; not the newest one unless `all`.
fn old_originals(
    device: &DeviceID,
    mut listed: Vec<(Key, SystemTime)>,
    before: SystemTime,
    all: bool,
) -> Vec<Key> {
    listed.retain(|(key, _)| is_original(device, key.as_str()));
    listed.sort_by_key(|(_, stored)| *stored);
    if !all {
        listed.pop();
    }
    listed.into_iter().filter(|(_, stored)| *stored < before).map(|(key, _)| key).collect()
}

/// Whether a key is `{device}.{frame}.jpg`, not a preview and not somebody else's.
fn is_original(device: &DeviceID, key: &str) -> bool {
    let frame = key.strip_prefix(device.as_str()).and_then(|rest| rest.strip_prefix('.'));
    let frame = frame.and_then(|rest| rest.strip_suffix(".jpg"));
    frame.is_some_and(|frame| frame.parse::<people_counter_events::FrameID>().is_ok())
}

#[cfg(test)]
mod tests {
    use people_counter_events::{FrameID, frame_key, preview_key};

    use super::*;

    fn entry(key: &str, age: u64) -> (Key, SystemTime) {
        (Key::new(key).unwrap(), SystemTime::now() - Duration::from_secs(age))
    }

    #[test]
    fn old_originals_go_and_nothing_else_does() {
        let device: DeviceID = "cam-1".parse().unwrap();
        let original = |n: u128| frame_key(&device, FrameID::from_u128(n));
        let listed = || {
            vec![
                entry(&original(1), 500),
                entry(&original(2), 400),
                entry(&original(3), 50),
                entry(&preview_key(&device, FrameID::from_u128(1)), 500),
                entry("cam-1.notes.jpg", 500),
                entry("cam-1.extra.00000000-0000-0000-0000-000000000001.jpg", 500),
            ]
        };
        let names = |listed: Vec<(Key, SystemTime)>, seconds, all| {
            let before = SystemTime::now() - Duration::from_secs(seconds);
            let old = old_originals(&device, listed, before, all);
            old.into_iter().map(|key| key.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(listed(), 100, false), [original(1), original(2)]);
        assert_eq!(names(listed(), 450, false), [original(1)]);
        assert_eq!(names(listed(), 10, false), [original(1), original(2)], "the newest may be shown");
        assert_eq!(names(listed(), 10, true), [original(1), original(2), original(3)]);
        assert_eq!(names(vec![], 10, false), Vec::<String>::new());
    }
}
