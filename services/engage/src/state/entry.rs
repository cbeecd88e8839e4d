//! [`Entry`]: one device, the newest message of each kind and what follows from them.

use std::cell::OnceCell;
use std::sync::Arc;

use people_counter_events::{
    AnalysisFailed, Delivery, DeviceState, DeviceStatus, Order, PeopleCounted, Unchanged,
};

use super::failures::Failures;
use super::history::{History, Point};
use super::index::Shown;
use super::picture::Pictures;
use super::scope::ScopeID;
use super::view::{Condition, Facts};

/// How far apart two clocks may be without anybody noticing, seconds.
pub(super) const CLOCK_TOLERANCE: f64 = 5.0;

/// A spool deeper than this holds a backlog; fewer frames are merely on their way.
const BACKLOG: u64 = 4;

/// How a message came.
#[derive(Debug, Clone, Copy)]
pub struct Receipt {
    /// When, by the clock of this process; Unix seconds.
    pub now: f64,
    /// Whether the broker had kept it, so that it may be of any age.
    pub retained: bool,
}

impl Receipt {
    /// A message that was published just now.
    pub fn live(now: f64) -> Self {
        Self { now, retained: false }
    }

    /// A message that the broker had kept.
    pub fn retained(now: f64) -> Self {
        Self { now, retained: true }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It changed what is shown.
    Changed,
    /// It was known already, or says nothing new to viewers.
    Unchanged,
    /// A newer one is known.
    Superseded,
    /// It was kept, but the device has no status and is not shown.
    Hidden,
    /// There are as many devices as the limit allows.
    Refused,
}

/// The newest result and how it came first.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) message: Arc<PeopleCounted>,
    receipt: Receipt,
}

impl Counted {
    /// By how much the gateway's clock is ahead of ours, seconds; `None` while nobody would notice.
    pub(super) fn ahead(&self) -> Option<f64> {
        let ahead = self.message.analysed_timestamp - self.receipt.now;
        (ahead > CLOCK_TOLERANCE).then_some(ahead)
    }

    /// When the count was true. A gateway whose clock is ahead does not know, so then it is when the
    /// message came, and unknown if the broker had kept it.
    fn counted_at(&self) -> Option<f64> {
        match (self.ahead(), self.receipt.retained) {
            (None, _) => Some(self.message.analysed_timestamp),
            (Some(_), false) => Some(self.receipt.now),
            (Some(_), true) => None,
        }
    }

    /// Age of the count in seconds; `None` when no clock can tell.
    pub(super) fn age(&self, now: f64) -> Option<f64> {
        let age = now - self.counted_at()?;
        (age >= -CLOCK_TOLERANCE).then_some(age.max(0.0))
    }
}

/// A still scene's heartbeat and how it came first.
#[derive(Debug, Clone, Copy)]
struct Heartbeat {
    unchanged: Unchanged,
    receipt: Receipt,
}

/// The sync in which each kind of message was last heard, see [`Entry::forget_unheard`].
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    status: u64,
    result: u64,
    failure: u64,
}

/// One device.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) status: Option<Arc<DeviceStatus>>,
    pub(super) result: Option<Counted>,
    pub(super) failure: Option<Arc<AnalysisFailed>>,
    pub(super) pictures: Pictures,
    /// What viewers were last told; `None` while the device is not shown.
    pub(super) shown: Option<Shown>,
    pub(super) history: History,
    pub(super) failures: Failures,
    /// The scopes that hold the device, except the one that holds all.
    pub(super) scopes: Box<[ScopeID]>,
    /// Made when somebody looks, for all who look until the next change.
    facts: OnceCell<Arc<Facts>>,
    heartbeat: Option<Heartbeat>,
    heard: Heard,
}

impl Entry {
    /// A device of which nothing is known but the scopes that hold it.
    pub(super) fn new(scopes: Box<[ScopeID]>) -> Self {
        Self { scopes, ..Self::default() }
    }

    pub(super) fn take_status(&mut self, status: DeviceStatus, receipt: Receipt, sync: u64) -> Outcome {
        self.heard.status = sync;
        if self.status.as_ref().is_some_and(|known| status.session() < known.session()) {
            return Outcome::Superseded;
        }
        let before = self.unchanged();
        self.take_heartbeat(status.unchanged, receipt);
        let known = self.status.as_ref();
        let same = before == self.unchanged() && known.is_some_and(|known| looks_the_same(known, &status));
        self.status = Some(Arc::new(status));
        if same { Outcome::Unchanged } else { Outcome::Changed }
    }

    /// Only a later comparison is news: the same heartbeat again, by a reconnect for example, is not.
    fn take_heartbeat(&mut self, unchanged: Option<Unchanged>, receipt: Receipt) {
        let Some(unchanged) = unchanged else { return };
        let newer = self.heartbeat.is_none_or(|known| {
            (unchanged.order(), unchanged.timestamp) > (known.unchanged.order(), known.unchanged.timestamp)
        });
        if newer {
            self.heartbeat = Some(Heartbeat { unchanged, receipt });
        }
    }

    pub(super) fn take_result(
        &mut self,
        result: PeopleCounted,
        receipt: Receipt,
        sync: u64,
        bucket: &str,
        history: usize,
    ) -> Outcome {
        self.heard.result = sync;
        if let Some(known) = compare(&result.order(), self.result_order()) {
            return known;
        }
        self.pictures.push(&result, bucket);
        self.history.push(Point { timestamp: result.analysed_timestamp, count: result.count() }, history);
        self.result = Some(Counted { message: Arc::new(result), receipt });
        self.outcome_of_change()
    }

    pub(super) fn take_failure(&mut self, failure: AnalysisFailed, sync: u64, failures: usize) -> Outcome {
        self.heard.failure = sync;
        let (order, failure) = (failure.order(), Arc::new(failure));
        self.failures.push(&failure, failures);
        if let Some(known) = compare(&order, self.failure.as_ref().map(|known| known.order())) {
            return known;
        }
        self.failure = Some(failure);
        if self.result_order() > Some(order) { Outcome::Superseded } else { self.outcome_of_change() }
    }

    fn outcome_of_change(&self) -> Outcome {
        if self.status.is_some() { Outcome::Changed } else { Outcome::Hidden }
    }

    fn result_order(&self) -> Option<Order> {
        self.result.as_ref().map(|result| result.message.order())
    }

    pub(super) fn clear_status(&mut self) {
        self.status = None;
        self.heartbeat = None;
        self.history.clear();
        self.failures.clear();
    }

    pub(super) fn clear_result(&mut self) {
        self.result = None;
        self.pictures.clear();
        self.history.clear();
    }

    pub(super) fn clear_failure(&mut self) {
        self.failure = None;
        self.failures.clear();
    }

    /// Forgets what the broker did not send in this `sync`; `true` if that was anything.
    pub(super) fn forget_unheard(&mut self, sync: u64) -> bool {
        let mut forgot = false;
        if self.heard.status != sync && self.status.is_some() {
            self.clear_status();
            forgot = true;
        }
        if self.heard.result != sync && self.result.is_some() {
            self.clear_result();
            forgot = true;
        }
        if self.heard.failure != sync && self.failure.is_some() {
            self.clear_failure();
            forgot = true;
        }
        forgot
    }

    /// Viewers see something else from now on, or nothing.
    pub(super) fn show(&mut self, shown: Option<Shown>) {
        let version = |shown: Option<Shown>| shown.map(Shown::version);
        if version(self.shown) != version(shown) {
            self.facts = OnceCell::new();
        }
        self.shown = shown;
    }

    /// What viewers see; `None` for a device that is not shown.
    pub(super) fn facts(&self) -> Option<Arc<Facts>> {
        match self.facts.get() {
            Some(facts) => Some(Arc::clone(facts)),
            None => {
                let facts = Arc::new(Facts::of(self)?);
                Some(Arc::clone(self.facts.get_or_init(|| facts)))
            }
        }
    }

    /// Whether somebody with this scope may see the device.
    pub(super) fn is_in(&self, scope: ScopeID) -> bool {
        scope == ScopeID::ALL || self.scopes.contains(&scope)
    }

    /// Whether nothing is known of the device.
    pub(super) fn is_empty(&self) -> bool {
        self.status.is_none() && self.result.is_none() && self.failure.is_none()
    }

    /// The failure, while it is newer than the result.
    pub(super) fn open_failure(&self) -> Option<&Arc<AnalysisFailed>> {
        self.failure
            .as_ref()
            .filter(|failure| self.result_order().is_none_or(|result| failure.order() > result))
    }

    /// The camera's clock minus the gateway's as far as the newest result tells, seconds.
    ///
    /// The time the picture was under way counts as a clock that is behind. That is little, unless a
    /// backlog is being worked off, which then says nothing about the clock.
    pub(super) fn clock_offset(&self) -> Option<f64> {
        let result = &self.result.as_ref()?.message;
        let offset = result.creation_timestamp - result.analysed_timestamp;
        let backlog = self
            .status
            .as_ref()
            .is_some_and(|status| status.delivery == Delivery::Every && status.spool_depth > BACKLOG);
        Some(if backlog { offset.max(0.0) } else { offset })
    }

    /// The state at `now`, and for a live device when it ends unless something is heard; `None` for a
    /// device that is not shown.
    pub(super) fn judge(&self, now: f64) -> Option<(Condition, Option<f64>)> {
        let status = self.status.as_ref()?;
        let condition = if status.state == DeviceState::Offline {
            Condition::Offline
        } else if self.open_failure().is_some() {
            Condition::Failing
        } else if self.result.is_none() {
            Condition::Unknown
        } else {
            let Some(evidence) = self.evidence() else { return Some((Condition::Stale, None)) };
            let ends = evidence + stale_after(status.cadence_seconds);
            // evidence from the future: our own clock was set back
            if evidence <= now + CLOCK_TOLERANCE && now < ends {
                return Some((Condition::Live, Some(ends)));
            }
            Condition::Stale
        };
        Some((condition, None))
    }

    /// The heartbeat, while it is about the result that is shown.
    fn confirmation(&self) -> Option<Heartbeat> {
        let order = self.result_order()?;
        self.heartbeat.filter(|heartbeat| heartbeat.unchanged.order() == order)
    }

    /// When the scene was last compared with the picture of the result and had not changed, by the camera's clock;
    /// `None` when it has not been since.
    pub(super) fn unchanged(&self) -> Option<f64> {
        self.confirmation().map(|heartbeat| heartbeat.unchanged.timestamp)
    }

    /// Until when the count is known to have been true, Unix seconds.
    fn evidence(&self) -> Option<f64> {
        let result = self.result.as_ref()?;
        let confirmation = self.confirmation();
        let counted = result.counted_at().map(|at| at.min(result.receipt.now));
        let confirmed = confirmation.map(|heartbeat| {
            let Receipt { now, retained } = heartbeat.receipt;
            // its time is by the camera's clock, which the result tells how to correct
            let compared = heartbeat.unchanged.timestamp - self.clock_offset().unwrap_or_default();
            if retained { compared.min(now) } else { now }
        });
        match (counted, confirmed) {
            (Some(counted), Some(confirmed)) => Some(counted.max(confirmed)),
            // no clock can tell when it was counted, but it has been confirmed since
            (None, Some(confirmed)) => confirmation.filter(|h| !h.receipt.retained).map(|_| confirmed),
            (counted, None) => counted,
        }
    }
}

/// How long a count stays live without another, seconds.
pub(super) fn stale_after(cadence_seconds: f64) -> f64 {
    (3.0 * cadence_seconds).max(5.0)
}

/// What became of a message of this order when the newest is `known`; `None` if it is newer.
fn compare(order: &Order, known: Option<Order>) -> Option<Outcome> {
    match order.cmp(&known?) {
        std::cmp::Ordering::Less => Some(Outcome::Superseded),
        std::cmp::Ordering::Equal => Some(Outcome::Unchanged),
        std::cmp::Ordering::Greater => None,
    }
}

/// Whether viewers would see no difference, apart from the heartbeat.
fn looks_the_same(a: &DeviceStatus, b: &DeviceStatus) -> bool {
    a.state == b.state
        && a.source == b.source
        && a.cadence_seconds == b.cadence_seconds
        && a.delivery == b.delivery
        && a.labels == b.labels
        && a.spool_depth == b.spool_depth
        && a.dropped == b.dropped
        && a.problem == b.problem
}
