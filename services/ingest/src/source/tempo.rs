//! [`Tempo`]: what a camera asks of its running source: another interval, a picture out of turn.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How fast a source shall take pictures; clones share it. At first it takes them as it was opened to.
#[derive(Debug, Clone, Default)]
pub struct Tempo(watch::Sender<Beat>);

#[derive(Debug, Clone, Copy, Default)]
struct Beat {
    /// Between two pictures, unless it is as the source was opened.
    interval: Option<Duration>,
    /// Pictures asked for out of turn so far.
    asked: u64,
}

impl Tempo {
    /// Changes the time between two pictures.
    pub fn set_interval(&self, interval: Duration) {
        self.0.send_modify(|beat| beat.interval = Some(interval));
    }

    /// Asks for a picture at once.
    pub fn capture_now(&self) {
        self.0.send_modify(|beat| beat.asked += 1);
    }

    /// The time between two pictures of a source that was opened for one each `opened`.
    pub fn interval(&self, opened: Duration) -> Duration {
        self.0.borrow().interval.unwrap_or(opened)
    }

    /// How many pictures were asked for out of turn so far.
    pub fn asked(&self) -> u64 {
        self.0.borrow().asked
    }

    /// A clock that follows it, for a source that was opened for a picture each `opened`.
    pub fn ticks(&self, opened: Duration) -> Ticks {
        let beat = self.0.subscribe();
        let seen = beat.borrow().asked;
        Ticks { beat, opened, seen, last: None }
    }
}

/// Ticks at once, then each interval, and whenever a picture is asked for out of turn.
#[derive(Debug)]
pub struct Ticks {
    beat: watch::Receiver<Beat>,
    opened: Duration,
    /// Pictures asked for out of turn that have had their tick.
    seen: u64,
    last: Option<Instant>,
}

impl Ticks {
    /// Makes the next tick come at once.
    pub fn tick_again(&mut self) {
        self.last = None;
    }

    /// Waits for the next tick. One that is late is not made up for.
    pub async fn tick(&mut self) {
        let mut at = None;
        while let Some(last) = self.last {
            let beat = *self.beat.borrow_and_update();
            let interval = beat.interval.unwrap_or(self.opened);
            let (due, now) = (last + interval, Instant::now());
            if beat.asked != self.seen {
                break;
            }
            if due <= now {
                // on the beat, unless it is too late for that
                at = (now < due + interval).then_some(due);
                break;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                changed = self.beat.changed() => if changed.is_err() {
                    // nobody can ask any more
                    sleep_until(due).await;
                }
            }
        }
        self.seen = self.beat.borrow().asked;
        self.last = Some(at.unwrap_or_else(Instant::now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn it_ticks_when_asked_and_when_the_interval_changes() {
        let tempo = Tempo::default();
        let mut ticks = tempo.ticks(HOUR);
        ticks.tick().await;
        // asked for while nobody waited
        tempo.capture_now();
        ticks.tick().await;
        // in the middle of a long wait
        tokio::join!(ticks.tick(), async { tempo.capture_now() });
        tokio::join!(ticks.tick(), async { tempo.set_interval(Duration::from_millis(1)) });
        for _ in 0..5 {
            ticks.tick().await;
        }
        tempo.set_interval(HOUR);
        let early = tokio::time::timeout(Duration::from_millis(50), ticks.tick()).await;
        assert!(early.is_err(), "an hour has passed");
    }
}
