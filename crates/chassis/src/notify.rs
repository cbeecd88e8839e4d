//! [`Notify`]: tells the service manager how the service is (`Type=notify`, `WatchdogSec=`).
//!
//! The protocol is systemd's: lines `KEY=value` in one datagram to the socket that `$NOTIFY_SOCKET` names. Without
//! that variable nobody asked, and nothing is told.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::{Health, Stop};

/// How often the state is looked at when no watchdog asks for more.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Who wants to know.
#[derive(Debug)]
pub(crate) struct Notify {
    manager: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// What the environment of this process says.
    pub(crate) fn from_environment() -> io::Result<Self> {
        let variable = |name| std::env::var(name).ok();
        // a watchdog may be meant for another process of the service
        let ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = variable("WATCHDOG_USEC").filter(|_| ours);
        Self::new(std::env::var_os("NOTIFY_SOCKET"), watchdog.as_deref())
    }

    fn new(socket: Option<OsString>, watchdog: Option<&str>) -> io::Result<Self> {
        let manager = socket.filter(|name| !name.is_empty()).map(|name| connect(&name)).transpose()?;
        let watchdog = match watchdog.map(str::parse).transpose() {
            Ok(limit) => limit.filter(|limit| *limit > 0).map(Duration::from_micros),
            Err(error) => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("WATCHDOG_USEC: {error}")));
            }
        };
        Ok(Self { manager, watchdog })
    }

    /// The service has started.
    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    /// Feeds the watchdog and reports what `health` says, for as long as the runtime is able to run this task.
    /// Says once that the service stops when `stop` does.
    pub(crate) async fn keep(self, health: Health, stop: Stop) {
        if self.manager.is_none() {
            return;
        }
        let mut turns = tokio::time::interval(self.period());
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut told, mut stopping) = (String::new(), false);
        loop {
            tokio::select! {
                _ = turns.tick() => {}
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.tell("STOPPING=1");
                }
            }
            let status = if stopping { "stopping".into() } else { describe(&health) };
            if status != told {
                self.tell(&format!("STATUS={status}"));
                told = status;
            }
            if self.watchdog.is_some() {
                self.tell("WATCHDOG=1");
            }
        }
    }

    /// Twice as often as the watchdog asks, so that one late turn is no reason to be killed.
    fn period(&self) -> Duration {
        let asked = self.watchdog.map_or(LOOK_EVERY, |limit| limit / 2);
        asked.clamp(Duration::from_millis(1), LOOK_EVERY)
    }

    /// Never waits: a manager that does not read must not hold the service up.
    fn tell(&self, what: &str) {
        let Some(manager) = &self.manager else { return };
        if let Err(error) = manager.send(what.as_bytes()) {
            tracing::warn!("cannot tell the service manager {what:?}: {error}");
        }
    }
}

fn connect(name: &OsString) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name)?
        }
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// One line for `systemctl status`.
fn describe(health: &Health) -> String {
    match health.ready() {
        Ok(()) => "ready".into(),
        Err(problems) => {
            let problems: Vec<String> =
                problems.iter().map(|p| format!("{}: {}", p.check, p.problem)).collect();
            format!("not ready, {}", problems.join("; ").replace('\n', " "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_asked_nobody_is_told() {
        let notify = Notify::new(None, None).unwrap();
        notify.ready();
        assert!(notify.manager.is_none());
    }

    #[test]
    fn a_manager_that_is_not_there_is_an_error() {
        assert!(Notify::new(Some("/nowhere/notify".into()), None).is_err());
        assert!(Notify::new(None, Some("soon")).unwrap_err().to_string().contains("WATCHDOG_USEC"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn abstract_sockets_work() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("chassis-notify-{}", std::process::id());
        let manager =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes()).unwrap()).unwrap();
        Notify::new(Some(format!("@{name}").into()), None).unwrap().ready();
        let mut told = [0; 64];
        let length = manager.recv(&mut told).unwrap();
        assert_eq!(&told[..length], b"READY=1");
    }

    #[test]
    fn the_status_is_one_line() {
        let health = Health::default();
        assert_eq!(describe(&health), "ready");
        health.check("broker").set(Err("away\nsince yesterday"));
        assert_eq!(describe(&health), "not ready, broker: away since yesterday");
    }

    #[test]
    fn the_watchdog_is_fed_twice_as_often_as_it_asks() {
        let period = |watchdog| Notify::new(None, watchdog).unwrap().period();
        assert_eq!(period(Some("1000000")), Duration::from_millis(500));
        assert_eq!(period(Some("60000000")), LOOK_EVERY, "the state is looked at more often than that");
        assert_eq!(period(Some("0")), LOOK_EVERY);
        assert_eq!(period(None), LOOK_EVERY);
    }

    #[tokio::test]
    async fn state_watchdog_and_end_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = tokio::net::UnixDatagram::bind(&path).unwrap();
        let told = async || {
            let mut text = [0; 128];
            let length = tokio::time::timeout(Duration::from_secs(20), manager.recv(&mut text));
            let length = length.await.expect("nothing told within 20 s").unwrap();
            String::from_utf8_lossy(&text[..length]).into_owned()
        };
        let notify = Notify::new(Some(path.into()), Some("20000")).unwrap();
        let (health, stop) = (Health::default(), Stop::new());
        let check = health.check("store");
        let kept = tokio::spawn(notify.keep(health, stop.clone()));
        for expected in ["STATUS=not ready, store: not known yet", "WATCHDOG=1", "WATCHDOG=1"] {
            assert_eq!(told().await, expected);
        }
        check.set(Ok::<(), String>(()));
        for expected in ["STATUS=ready", "STOPPING=1", "STATUS=stopping", "WATCHDOG=1", "WATCHDOG=1"] {
            loop {
                let line = told().await;
                if line == expected {
                    break;
                }
                assert_eq!(line, "WATCHDOG=1", "instead of {expected}");
            }
            if expected == "STATUS=ready" {
                stop.cancel();
            }
        }
        kept.abort();
    }
}
