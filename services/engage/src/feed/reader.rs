//! [`Reader`]: where one viewer stands. No queue: what it has, what is on its way to it, nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::interest::Interest;
use super::make::{Cursor, Message};
use super::{Feed, PATIENCE, Pulse};

/// A viewer whose devices do not change is told changed sums after this time.
const SUMS_AFTER: Duration = Duration::from_secs(2);

/// Messages larger than this need a place among those under way.
const LARGE_KIB: usize = 64;

/// A message on its way.
struct OnItsWay {
    message: Arc<Message>,
    sent: Instant,
    /// The viewer has asked for something else meanwhile.
    outdated: bool,
    _place: Option<OwnedSemaphorePermit>,
}

/// Too many large messages are under way; try again a little later.
#[derive(Debug, PartialEq, Eq)]
pub struct Busy;

/// Why there is another message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// There is something to be told.
    State,
    /// There is not, but that the service is still there.
    Beat,
}

/// Where one viewer stands.
pub struct Reader {
    interest: Arc<Interest>,
    cursor: Cursor,
    opened: Instant,
    /// What it was last told for; `None` before the first message.
    sent: Option<Pulse>,
    /// When the last message was sent, whatever was followed then.
    sent_at: Option<Instant>,
    /// The version for which nothing is left to be told.
    seen: u64,
    on_its_way: Option<OnItsWay>,
    /// The last message did not hold everything.
    continues: bool,
}

impl Reader {
    /// A viewer that has nothing yet.
    pub fn new(interest: Arc<Interest>) -> Self {
        Self::resume(interest, None)
    }

    /// A viewer that has the version `known`.
    pub fn resume(interest: Arc<Interest>, known: Option<u64>) -> Self {
        Self {
            interest,
            cursor: Cursor { known, ..Cursor::default() },
            opened: Instant::now(),
            sent: None,
            sent_at: None,
            seen: known.unwrap_or(0),
            on_its_way: None,
            continues: false,
        }
    }

    /// Follows something else from now on, beginning with a snapshot.
    pub fn follow(&mut self, interest: Arc<Interest>) {
        let on_its_way = self.on_its_way.take().map(|message| OnItsWay { outdated: true, ..message });
        *self = Self { on_its_way, opened: self.opened, sent_at: self.sent_at, ..Self::new(interest) };
    }

    /// When the last message was sent, if there was one.
    pub fn last_sent(&self) -> Option<Instant> {
        self.sent_at
    }

    /// Since when an acknowledgement is awaited.
    pub fn awaits(&self) -> Option<Instant> {
        self.on_its_way.as_ref().map(|message| message.sent)
    }

    /// Whether there is more to be sent at once, without waiting for news.
    pub fn continues(&self) -> bool {
        self.continues || self.sent.is_none()
    }

    /// The reason for another message, if there is one.
    pub fn news(&mut self, feed: &Feed) -> Option<News> {
        let pulse = feed.beat().pulse;
        let Some(sent) = self.sent else {
            // the sums of a state that is still being read would be wrong, and it will not take long
            let there = pulse.link.complete || self.opened.elapsed() >= PATIENCE;
            return there.then_some(News::State);
        };
        if self.continues || pulse.link != sent.link {
            return Some(News::State);
        }
        if pulse.version > self.seen {
            if feed.has_changed(&self.interest, &self.cursor, self.seen) {
                return Some(News::State);
            }
            self.seen = pulse.version;
            let told_long_ago = self.sent_at.is_none_or(|at| at.elapsed() >= SUMS_AFTER);
            if pulse.version > sent.version && told_long_ago {
                return Some(News::State);
            }
        }
        (pulse.beat != sent.beat).then_some(News::Beat)
    }

    /// The viewer was told that the service is still there.
    pub fn beat(&mut self, feed: &Feed) {
        if let Some(sent) = &mut self.sent {
            sent.beat = feed.beat().pulse.beat;
        }
    }

    /// Whether something came up that was not told; cheaper than [`Reader::news`] and rather too often.
    pub fn may_have_news(&self, feed: &Feed) -> bool {
        self.sent != Some(feed.beat().pulse)
    }

    /// The next message, which is on its way then.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn next(&mut self, feed: &Feed) -> Result<Arc<Message>, Busy> {
        let message = feed.message(&self.interest, &self.cursor);
        let kib = message.text.len() / 1024;
        let place = if kib > LARGE_KIB {
            let kib = u32::try_from(kib.min(feed.settings.burst_kib())).unwrap_or(u32::MAX);
            Some(Arc::clone(&feed.burst).try_acquire_many_owned(kib).map_err(|_| Busy)?)
        } else {
            None
        };
        let now = Instant::now();
        self.sent = Some(message.pulse);
        self.sent_at = Some(now);
        self.on_its_way =
            Some(OnItsWay { message: Arc::clone(&message), sent: now, outdated: false, _place: place });
        Ok(message)
    }

    /// The viewer has the message of this version; `false` if it was sent none.
    pub fn acknowledge(&mut self, version: u64) -> bool {
        let expected = |on_its_way: &mut OnItsWay| on_its_way.message.cursor.known == Some(version);
        let Some(OnItsWay { message, outdated, .. }) = self.on_its_way.take_if(expected) else {
            return false;
        };
        if !outdated {
            self.cursor = message.cursor.clone();
            self.continues = !message.whole;
            self.seen = version;
        }
        true
    }
}
