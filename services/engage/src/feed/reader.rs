//! [`Reader`]: where one viewer stands. No queue: what it has, what is on its way to it, nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::interest::Interest;
use super::make::{Cursor, Message};
use super::{Feed, Pulse};

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

/// Where one viewer stands.
pub struct Reader {
    interest: Arc<Interest>,
    cursor: Cursor,
    /// What it was last told for; `None` before the first message.
    sent: Option<Pulse>,
    sent_at: Instant,
    /// The version for which nothing is left to be told.
    seen: u64,
    on_its_way: Option<OnItsWay>,
    /// The last message did not hold everything.
    continues: bool,
}

impl Reader {
    /// A viewer that has nothing yet.
    pub fn new(interest: Arc<Interest>) -> Self {
        Self {
            interest,
            cursor: Cursor::default(),
            sent: None,
            sent_at: Instant::now(),
            seen: 0,
            on_its_way: None,
            continues: false,
        }
    }

    /// Follows something else from now on, beginning with a snapshot.
    pub fn follow(&mut self, interest: Arc<Interest>) {
        let on_its_way = self.on_its_way.take().map(|message| OnItsWay { outdated: true, ..message });
        *self = Self { on_its_way, sent_at: self.sent_at, ..Self::new(interest) };
    }

    /// Whether it was told nothing yet of what it follows.
    pub fn is_new(&self) -> bool {
        self.sent.is_none()
    }

    /// When the last message was sent.
    pub fn last_sent(&self) -> Instant {
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

    /// Whether there is reason for another message.
    pub fn has_news(&mut self, feed: &Feed) -> bool {
        let pulse = feed.beat().pulse;
        let Some(sent) = self.sent.filter(|_| !self.continues) else { return true };
        if pulse.link != sent.link || pulse.beat != sent.beat {
            return true;
        }
        if pulse.version <= self.seen {
            return false;
        }
        if feed.has_changed(&self.interest, &self.cursor, self.seen) {
            return true;
        }
        self.seen = pulse.version;
        pulse.version > sent.version && self.sent_at.elapsed() >= SUMS_AFTER
    }

    /// Whether something came up that was not told; cheaper than [`Reader::has_news`] and rather too often.
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
        self.sent_at = now;
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
