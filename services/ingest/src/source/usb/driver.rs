//! [`Driver`]: a thread that may be held by the kernel, and the way to get it back.
//!
//! nokhwa waits for a picture without an end, and a camera that freezes never sends one. A signal to that one thread
//! ends its wait with an error (EINTR), after which the camera can be closed and opened again.

use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::pthread::pthread_kill;
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{interval, timeout};

use crate::source::Trouble;

/// Nobody else uses this signal, and it does no harm to a process that does not expect it.
const WAKE: Signal = Signal::SIGURG;

/// How often a thread that is late, or shall end, is woken.
const WAKE_EVERY: Duration = Duration::from_millis(100);

/// How long a thread that shall end is waited for.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// What the thread and its owner tell each other.
#[derive(Debug)]
pub struct Watch {
    start: Instant,
    /// Milliseconds after the start at which the last picture came; 0: none is being waited for.
    beat: AtomicU64,
    stop: AtomicBool,
}

impl Watch {
    /// The thread has a picture, or begins to wait for one.
    pub fn beat(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat.store(now.max(1), Ordering::Relaxed);
    }

    /// Whether the thread shall end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn is_late(&self, time: Duration) -> bool {
        let beat = self.beat.load(Ordering::Relaxed);
        beat > 0 && self.start.elapsed() > Duration::from_millis(beat) + time
    }
}

/// The thread, as its owner sees it.
#[derive(Debug)]
pub struct Driver {
    // kept, because a thread can only be signalled while nobody has let go of it
    thread: JoinHandle<()>,
    end: oneshot::Receiver<Trouble>,
    watch: Arc<Watch>,
}

impl Driver {
    /// Starts a thread that does `work` and says at the end why it ended.
    pub fn start(work: impl FnOnce(&Watch) -> Trouble + Send + 'static) -> std::io::Result<Self> {
        // an empty handler in place of the default; it stays for the life of the process
        drop(signal(SignalKind::from_raw(WAKE as i32))?);
        let watch =
            Arc::new(Watch { start: Instant::now(), beat: AtomicU64::new(0), stop: AtomicBool::new(false) });
        let (tell, end) = oneshot::channel();
        let shared = watch.clone();
        let thread = std::thread::Builder::new().name("camera".into()).spawn(move || {
            let trouble = work(&shared);
            // nobody listens when it was told to stop
            drop(tell.send(trouble));
        })?;
        Ok(Self { thread, end, watch })
    }

    /// Waits for the thread's end, and sees to it that it does not wait for a picture longer than `time`.
    pub async fn watch_over(&mut self, time: Duration) -> Trouble {
        let mut ticks = interval(WAKE_EVERY);
        loop {
            tokio::select! {
                end = &mut self.end => return end.unwrap_or_else(|_| {
                    Trouble::new("the camera's driver broke off, it is opened again")
                }),
                _ = ticks.tick() => {
                    if self.watch.is_late(time) {
                        self.wake();
                    }
                }
            }
        }
    }

    /// Tells the thread to end and waits for that. The driver comes back if the thread did not within its time.
    pub async fn stop(self) -> Option<Self> {
        self.watch.stop.store(true, Ordering::Relaxed);
        let ended = timeout(END_TIMEOUT, async {
            let mut ticks = interval(WAKE_EVERY);
            while !self.thread.is_finished() {
                ticks.tick().await;
                self.wake();
            }
        });
        match ended.await {
            Ok(()) => {
                if self.thread.join().is_err() {
                    tracing::warn!("the camera's driver broke off");
                }
                None
            }
            Err(_elapsed) => Some(self),
        }
    }

    /// Whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    fn wake(&self) {
        if let Err(error) = pthread_kill(self.thread.as_pthread_t(), WAKE) {
            tracing::debug!("cannot wake the camera's thread: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Reads from a pipe that brings nothing, as a frozen camera's thread does.
    fn frozen() -> (Driver, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        // with a time limit, as with poll, the kernel does not go on by itself after a signal
        theirs.set_read_timeout(Some(Duration::from_secs(600))).unwrap();
        let driver = Driver::start(move |watch| {
            watch.beat();
            // `read_exact` and its like go on after a signal
            match theirs.read(&mut [0]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Trouble::new("woken"),
                other => Trouble::new(format!("{other:?}")),
            }
        })
        .unwrap();
        (driver, ours)
    }

    #[tokio::test]
    async fn a_thread_that_is_held_comes_back() {
        let (mut driver, _ours) = frozen();
        assert_eq!(driver.watch_over(Duration::from_millis(50)).await, Trouble::new("woken"));
        assert!(driver.stop().await.is_none());
    }

    #[tokio::test]
    async fn a_thread_is_stopped_while_it_is_held() {
        let (driver, _ours) = frozen();
        assert!(driver.stop().await.is_none());
    }

    #[tokio::test]
    async fn a_panic_is_trouble() {
        let mut driver = Driver::start(|_| panic!("nokhwa panics here and there")).unwrap();
        let trouble = driver.watch_over(Duration::from_secs(60)).await;
        assert!(trouble.to_string().contains("broke off"), "{trouble}");
        assert!(driver.stop().await.is_none());
    }
}
