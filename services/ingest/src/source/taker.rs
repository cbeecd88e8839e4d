//! [`Taker`]: takes of a stream of pictures what is due.

use std::time::{Duration, Instant, SystemTime};

use super::{Feed, Manner};
use crate::config::Limits;
use crate::jpeg::Info;
use crate::picture::{Picture, Refusal};

/// A picture that is due within this time is taken now: a camera's clock is not ours.
const SLACK: Duration = Duration::from_millis(20);

/// After so many bad pictures in a row something is wrong with the source; a single one is the lot of radio links.
const MAX_BAD: u32 = 3;

/// The end of a source that gives more pictures than are wanted.
#[derive(Debug)]
pub struct Taker<'a> {
    feed: &'a Feed,
    limits: Limits,
    /// Between two pictures, unless the camera wants another pace; `None`: the source keeps it.
    interval: Option<Duration>,
    /// When the last picture was due.
    beat: Option<Instant>,
    /// Pictures asked for out of turn that were taken.
    asked: u64,
    bad_in_a_row: u32,
}

impl<'a> Taker<'a> {
    pub fn new(feed: &'a Feed, manner: Manner) -> Self {
        let asked = feed.tempo().asked();
        let (limits, interval) = (manner.limits, Some(manner.interval));
        Self { feed, limits, interval, beat: None, asked, bad_in_a_row: 0 }
    }

    /// A taker that takes all, because the source keeps the pace.
    pub fn of_all(feed: &'a Feed, manner: Manner) -> Self {
        Self { interval: None, ..Self::new(feed, manner) }
    }

    fn interval(&self) -> Duration {
        self.interval.map_or(Duration::ZERO, |opened| self.feed.tempo().interval(opened))
    }

    /// Whether a picture that came at `now` is wanted.
    pub fn is_due(&self, now: Instant) -> bool {
        let interval = self.interval();
        let on_the_beat = self.beat.is_none_or(|beat| now + SLACK.min(interval / 4) >= beat + interval);
        on_the_beat || self.feed.tempo().asked() != self.asked
    }

    /// Takes the JPEG at the start of `data` if it is due. Nothing is copied if it is not.
    pub fn jpeg(&mut self, data: &[u8], info: Info) {
        let now = Instant::now();
        if self.is_due(now) {
            self.take(now, Picture::from_jpeg(data, info, SystemTime::now(), &self.limits));
        }
    }

    /// Takes a picture, or says what is wrong with it.
    pub fn take(&mut self, now: Instant, picture: Result<Picture, Refusal>) {
        match picture {
            Ok(picture) => {
                let interval = self.interval();
                let due = self.beat.map_or(now, |beat| beat + interval);
                // on the beat; one out of turn begins a new one, and after a pause nothing is made up for
                let is_early = now + SLACK.min(interval / 4) < due;
                let is_late = now > due + interval / 2;
                self.beat = Some(if is_early || is_late { now } else { due });
                self.asked = self.feed.tempo().asked();
                self.bad_in_a_row = 0;
                self.feed.problem(None);
                self.feed.picture(picture);
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    /// A picture is no good.
    pub fn refused(&mut self, refusal: Refusal) {
        self.bad_in_a_row += 1;
        if self.bad_in_a_row >= MAX_BAD {
            self.feed.problem(Some(format!("the pictures of the source are not used: {refusal}")));
        }
        self.feed.refused(refusal);
    }

    /// Pictures in a row that were no good.
    #[cfg(feature = "camera")]
    pub fn bad_in_a_row(&self) -> u32 {
        self.bad_in_a_row
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use people_counter_events::Delivery;

    use super::*;
    use crate::source::feed;

    fn picture() -> Picture {
        Picture { jpeg: Bytes::new(), captured: SystemTime::UNIX_EPOCH, width: 1, height: 1 }
    }

    fn manner(interval: Duration) -> Manner {
        Manner { interval, limits: Limits::default() }
    }

    /// When pictures are taken of a camera that gives one every `gap`, in ms.
    fn taken(interval: u64, gap: u64, pictures: u64) -> Vec<u64> {
        let (feed, _intake) = feed(Delivery::Latest);
        let mut taker = Taker::new(&feed, manner(Duration::from_millis(interval)));
        let start = Instant::now();
        let mut taken = Vec::new();
        for at in (0..pictures).map(|number| number * gap) {
            let now = start + Duration::from_millis(at);
            if taker.is_due(now) {
                taker.take(now, Ok(picture()));
                taken.push(at);
            }
        }
        taken
    }

    #[test]
    fn the_beat_is_kept_whatever_the_cameras_own() {
        assert_eq!(taken(200, 100, 10), [0, 200, 400, 600, 800]);
        assert_eq!(taken(100, 99, 5), [0, 99, 198, 297, 396], "a camera whose clock is fast");
        let uneven = taken(100, 66, 100);
        assert!((63..=67).contains(&uneven.len()), "{} in 6.6 s", uneven.len());
        assert_eq!(taken(0, 10, 4), [0, 10, 20, 30]);
    }

    #[test]
    fn the_camera_may_ask_for_another_pace_and_for_a_picture_out_of_turn() {
        let (feed, _intake) = feed(Delivery::Latest);
        let mut taker = Taker::new(&feed, manner(Duration::from_secs(60)));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        taker.take(at(0), Ok(picture()));
        assert!(!taker.is_due(at(10)));
        feed.tempo().capture_now();
        assert!(taker.is_due(at(10)));
        taker.take(at(10), Ok(picture()));
        assert!(!taker.is_due(at(11)), "once");
        feed.tempo().set_interval(Duration::from_secs(5));
        assert!(!taker.is_due(at(11)) && taker.is_due(at(15)));
    }

    #[test]
    fn after_a_pause_nothing_is_made_up_for() {
        let (feed, _intake) = feed(Delivery::Latest);
        let mut taker = Taker::new(&feed, manner(Duration::from_secs(1)));
        let start = Instant::now();
        taker.take(start, Ok(picture()));
        let later = start + Duration::from_secs(60);
        taker.take(later, Ok(picture()));
        assert!(!taker.is_due(later + Duration::from_millis(100)));
        assert!(taker.is_due(later + Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn one_bad_picture_is_counted_and_several_are_a_problem() {
        let (feed, intake) = feed(Delivery::Latest);
        let mut taker = Taker::new(&feed, manner(Duration::ZERO));
        taker.refused(Refusal::Truncated);
        let news = intake.recv().await;
        assert_eq!((news.problem, news.refused[&Refusal::Truncated]), (None, 1));
        taker.refused(Refusal::Damaged);
        taker.refused(Refusal::Truncated);
        assert!(intake.recv().await.problem.is_some_and(|problem| problem.contains("cut off")));
        taker.take(Instant::now(), Ok(picture()));
        assert_eq!(intake.recv().await.problem, None);
    }
}
