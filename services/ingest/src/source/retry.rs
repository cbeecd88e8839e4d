//! Opens a source again and again, ever less often while it stays broken.

use std::future::Future;
use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;

use super::{Feed, Trouble};
use crate::Stop;

/// First and longest wait before a source that broke is opened again.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Wait after a refused login. Cameras lock an account after a handful of those.
const AFTER_REFUSAL: Duration = Duration::from_secs(120);

/// A source that came to its end as it should, and says so in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished(pub &'static str);

/// A source that is open until something is wrong.
pub trait Session: Send {
    /// Opens the source and hands its pictures to `feed` until it ends. The future may be dropped at any time.
    fn run(&mut self, feed: &Feed) -> impl Future<Output = Result<Finished, Trouble>> + Send;

    /// Clears away what [`Session::run`] has left open.
    fn close(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Keeps `session` open until `stop`, and says in `feed` what is wrong while it is not.
pub async fn keep_open(session: &mut impl Session, feed: &Feed, stop: &Stop) {
    let mut backoff = Backoff::default();
    loop {
        let (opened, given) = (Instant::now(), feed.given());
        let outcome = stop.run_until_cancelled(session.run(feed)).await;
        session.close().await;
        let trouble = match outcome {
            None => return,
            Some(Ok(Finished(sentence))) => {
                feed.problem(Some(sentence.into()));
                return;
            }
            Some(Err(trouble)) => trouble,
        };
        if feed.given() > given {
            backoff.worked_for(opened.elapsed());
        }
        let wait = backoff.next(&trouble);
        feed.problem(Some(trouble.to_string()));
        tracing::debug!("{trouble}; trying again in {wait:?}");
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

/// How long to wait.
#[derive(Debug)]
struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The source gave pictures. It is as good as new if it held longer than the wait before it, so that one that
    /// breaks at once each time is not opened without a pause.
    fn worked_for(&mut self, time: Duration) {
        if time >= self.next {
            self.next = FIRST;
        }
    }

    /// A wait of at least half the nominal one: many sources that broke together are not to come back together.
    fn next(&mut self, trouble: &Trouble) -> Duration {
        let nominal = if trouble.is_sore() { AFTER_REFUSAL } else { self.next };
        self.next = (self.next * 2).min(LONGEST);
        nominal.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use people_counter_events::Delivery;

    use super::*;
    use crate::picture::Picture;
    use crate::source::feed;

    #[test]
    fn the_waits_grow_up_to_a_bound_and_never_vanish() {
        let mut backoff = Backoff::default();
        let trouble = Trouble::new("unplugged");
        let mut nominal = FIRST;
        for _ in 0..20 {
            let wait = backoff.next(&trouble);
            assert!(wait >= nominal / 2 && wait <= nominal, "{wait:?} of {nominal:?}");
            nominal = (nominal * 2).min(LONGEST);
        }
        backoff.worked_for(Duration::from_millis(1));
        assert!(backoff.next(&trouble) >= LONGEST / 2, "a short success is none");
        backoff.worked_for(LONGEST);
        assert!(backoff.next(&trouble) <= FIRST);
    }

    /// How often a source that breaks at once is opened within `time`.
    fn opened_within(time: Duration, trouble: &Trouble) -> u32 {
        let (mut backoff, mut now, mut opened) = (Backoff::default(), Duration::ZERO, 0);
        while now < time {
            opened += 1;
            // it gave a picture before it broke
            backoff.worked_for(Duration::from_millis(1));
            now += backoff.next(trouble);
        }
        opened
    }

    #[test]
    fn a_source_that_breaks_at_once_is_opened_ever_less_often() {
        let opened = opened_within(Duration::from_secs(300), &Trouble::new("broken"));
        assert!((12..=32).contains(&opened), "{opened} times in five minutes");
    }

    #[test]
    fn a_refused_login_is_hardly_ever_tried_again() {
        let opened = opened_within(Duration::from_secs(600), &Trouble::login(true));
        assert!((5..=11).contains(&opened), "{opened} times in ten minutes");
    }

    /// Breaks once, then comes to its end.
    #[derive(Default)]
    struct Short {
        opened: u32,
        closed: u32,
    }

    impl Session for Short {
        async fn run(&mut self, feed: &Feed) -> Result<Finished, Trouble> {
            self.opened += 1;
            let captured = std::time::SystemTime::UNIX_EPOCH;
            feed.picture(Picture { jpeg: bytes::Bytes::new(), captured, width: 1, height: 1 });
            if self.opened == 1 { Err(Trouble::new("broken")) } else { Ok(Finished("that was all")) }
        }

        async fn close(&mut self) {
            self.closed += 1;
        }
    }

    #[tokio::test]
    async fn a_source_is_closed_and_opened_until_its_end() {
        let (feed, intake) = feed(Delivery::Latest);
        let mut session = Short::default();
        keep_open(&mut session, &feed, &Stop::new()).await;
        assert_eq!((session.opened, session.closed), (2, 2));
        assert_eq!(intake.recv().await.problem.as_deref(), Some("that was all"));
    }
}
