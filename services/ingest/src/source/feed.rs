//! [`Feed`] and [`Intake`]: the two ends of the way from a source to its camera.
//!
//! A bounded mailbox that never makes the source wait: a picture that nobody fetched in time gives way to the
//! next, and is counted. Giving is synchronous, so a source may as well be a plain thread around a driver.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use people_counter_events::Delivery;
use tokio::sync::Notify;

use super::Tempo;
use crate::picture::{Picture, Refusal};

/// Pictures that wait for the camera to fetch them (`every`); it does so at once unless the machine is stuck.
const MAX_WAITING: usize = 16;

/// What a source has to say since the camera asked last.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Pictures, oldest first.
    pub pictures: VecDeque<Picture>,
    /// Pictures that gave way because nobody fetched them.
    pub overrun: u64,
    /// Pictures that were not taken, by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// What is wrong with the source now, in one sentence.
    pub problem: Option<String>,
    /// The source will deliver nothing more.
    pub ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    news: Mutex<News>,
    given: AtomicU64,
    fresh: Notify,
}

impl Shared {
    /// Nothing inside can panic half-way, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

/// The source's end.
#[derive(Debug, Clone)]
pub struct Feed {
    shared: Arc<Shared>,
    capacity: usize,
    tempo: Tempo,
}

/// The camera's end.
#[derive(Debug)]
pub struct Intake {
    shared: Arc<Shared>,
}

/// A way from a source to its camera.
pub fn feed(delivery: Delivery) -> (Feed, Intake) {
    let shared = Arc::new(Shared::default());
    let capacity = match delivery {
        Delivery::Latest => 1,
        Delivery::Every => MAX_WAITING,
    };
    (Feed { shared: shared.clone(), capacity, tempo: Tempo::default() }, Intake { shared })
}

impl Feed {
    /// The same with another tempo to follow.
    pub fn with_tempo(self, tempo: Tempo) -> Self {
        Self { tempo, ..self }
    }

    /// How fast the camera wants pictures.
    pub fn tempo(&self) -> &Tempo {
        &self.tempo
    }

    /// Hands over a picture; never waits.
    pub fn picture(&self, picture: Picture) {
        self.shared.given.fetch_add(1, Ordering::Relaxed);
        self.tell(|news| {
            news.pictures.push_back(picture);
            if news.pictures.len() > self.capacity {
                news.pictures.pop_front();
                news.overrun += 1;
            }
        });
    }

    /// Number of pictures handed over so far.
    pub fn given(&self) -> u64 {
        self.shared.given.load(Ordering::Relaxed)
    }

    /// A picture could not be taken.
    pub fn refused(&self, refusal: Refusal) {
        self.tell(|news| *news.refused.entry(refusal).or_default() += 1);
    }

    /// What is wrong with the source; `None`: nothing any more.
    pub fn problem(&self, problem: Option<String>) {
        if self.shared.lock().problem != problem {
            self.tell(|news| news.problem = problem);
        }
    }

    /// Nothing more will come.
    pub fn ended(&self) {
        self.tell(|news| news.ended = true);
    }

    fn tell(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.shared.lock());
        self.shared.fresh.notify_one();
    }
}

impl Intake {
    /// Waits for news and takes them.
    pub async fn recv(&self) -> News {
        self.shared.fresh.notified().await;
        let mut news = self.shared.lock();
        let (problem, ended) = (news.problem.clone(), news.ended);
        // these two hold until they change
        std::mem::replace(&mut *news, News { problem, ended, ..News::default() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bytes::Bytes;

    use super::*;

    fn picture(number: u32) -> Picture {
        Picture { jpeg: Bytes::new(), captured: SystemTime::UNIX_EPOCH, width: number, height: 1 }
    }

    fn numbers(news: &News) -> Vec<u32> {
        news.pictures.iter().map(|picture| picture.width).collect()
    }

    #[tokio::test]
    async fn the_latest_picture_wins() {
        let (feed, intake) = feed(Delivery::Latest);
        (1..=5).for_each(|number| feed.picture(picture(number)));
        let news = intake.recv().await;
        assert_eq!((numbers(&news), news.overrun), (vec![5], 4));
        feed.picture(picture(6));
        let news = intake.recv().await;
        assert_eq!((numbers(&news), news.overrun), (vec![6], 0));
    }

    #[tokio::test]
    async fn every_picture_waits_within_bounds() {
        let (feed, intake) = feed(Delivery::Every);
        (1..=20).for_each(|number| feed.picture(picture(number)));
        let news = intake.recv().await;
        assert_eq!((numbers(&news), news.overrun), ((5..=20).collect(), 4));
    }

    #[tokio::test]
    async fn a_problem_holds_until_it_is_gone() {
        let (feed, intake) = feed(Delivery::Latest);
        feed.problem(Some("camera is busy".into()));
        feed.refused(Refusal::Truncated);
        let news = intake.recv().await;
        assert_eq!(news.problem.as_deref(), Some("camera is busy"));
        assert_eq!(news.refused[&Refusal::Truncated], 1);
        feed.picture(picture(1));
        let news = intake.recv().await;
        assert!(news.problem.is_some() && news.refused.is_empty());
        feed.problem(None);
        feed.ended();
        let news = intake.recv().await;
        assert!(news.problem.is_none() && news.ended);
    }
}
