//! Whatever happens in whatever order, the promises of the ledger hold.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const MAX_DISK: u64 = 3_000;

/// One thing that can happen.
#[derive(Debug, Clone)]
enum Step {
    Capture(u64),
    StartUpload,
    EndUpload(Uploaded),
    StartWrite,
    EndWrite(bool),
    StartAnnouncement,
    EndAnnouncement(Confirmed),
    /// A node answers one of the announcements made so far, again perhaps.
    Answer(usize, bool),
    Broker(bool),
    Node(bool),
    Hurry(Doubt),
    Wait(u64),
    /// The process is killed and starts again.
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let uploaded = prop_oneof![
        4 => Just(Uploaded::Stored), 2 => Just(Uploaded::Failed), 1 => Just(Uploaded::Refused)
    ];
    let confirmed = prop_oneof![
        4 => Just(Confirmed::Heard), 1 => Just(Confirmed::Unheard), 1 => Just(Confirmed::No)
    ];
    let step = prop_oneof![
        8 => (1u64..400).prop_map(Step::Capture),
        12 => Just(Step::StartUpload),
        12 => uploaded.prop_map(Step::EndUpload),
        12 => Just(Step::StartWrite),
        12 => prop_oneof![4 => Just(true), 1 => Just(false)].prop_map(Step::EndWrite),
        12 => Just(Step::StartAnnouncement),
        12 => confirmed.prop_map(Step::EndAnnouncement),
        8 => (any::<usize>(), any::<bool>()).prop_map(|(which, good)| Step::Answer(which, good)),
        2 => any::<bool>().prop_map(Step::Broker),
        2 => any::<bool>().prop_map(Step::Node),
        2 => prop_oneof![Just(Doubt::Lost), Just(Doubt::Perhaps)].prop_map(Step::Hurry),
        6 => (0u64..3_000).prop_map(Step::Wait),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 0..300)
}

/// Carries out steps, with what the world knows: what is on disk, stored, announced and under way. A frame's
/// identity is a number that no other frame of any boot has.
struct World {
    ledger: Ledger<u64>,
    rules: Rules,
    boot: u64,
    now: Instant,
    online: bool,
    node: bool,
    uploading: Option<Number>,
    writing: Option<Number>,
    announcing: Option<Announcement>,
    /// What the folder holds: order and bytes of each frame.
    disk: BTreeMap<u64, (Order, u64)>,
    bytes: BTreeMap<u64, u64>,
    /// Of this boot.
    stored: Vec<Number>,
    announced: Vec<Announcement>,
    /// Announced by earlier boots.
    earlier: Vec<Order>,
    ended: BTreeMap<u64, Outcome>,
    killed: BTreeSet<u64>,
}

impl World {
    fn new(rules: Rules) -> Self {
        Self {
            ledger: begin(Ledger::new(rules.clone(), BOOT)),
            rules,
            boot: BOOT,
            now: ms(0),
            online: true,
            node: true,
            uploading: None,
            writing: None,
            announcing: None,
            disk: BTreeMap::new(),
            bytes: BTreeMap::new(),
            stored: Vec::new(),
            announced: Vec::new(),
            earlier: Vec::new(),
            ended: BTreeMap::new(),
            killed: BTreeSet::new(),
        }
    }

    fn id(&self, number: Number) -> Option<u64> {
        self.ledger.frame(number).copied()
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Capture(bytes) => {
                let id = self.bytes.len() as u64 + 1;
                self.bytes.insert(id, bytes);
                self.ledger.capture(self.now, id, bytes);
            }
            Step::StartUpload => self.start_upload()?,
            Step::EndUpload(result) => {
                if let Some(number) = self.uploading.take() {
                    if result == Uploaded::Stored {
                        self.stored.push(number);
                    }
                    self.ledger.uploaded(self.now, number, result);
                }
            }
            Step::StartWrite => {
                if self.writing.is_none() {
                    self.writing = self.ledger.next_write(self.now);
                    if let Some(id) = self.writing.and_then(|number| self.id(number)) {
                        prop_assert!(!self.disk.contains_key(&id), "written twice");
                    }
                }
            }
            Step::EndWrite(good) => {
                if let Some(number) = self.writing.take() {
                    if let Some(id) = self.id(number).filter(|_| good) {
                        self.disk.insert(id, (self.ledger.order(number), self.bytes[&id]));
                    }
                    self.ledger.written(self.now, number, good);
                }
            }
            Step::StartAnnouncement => self.start_announcement()?,
            Step::EndAnnouncement(confirmed) => {
                if let Some(announcement) = self.announcing.take() {
                    self.ledger.announced(self.now, announcement.number, confirmed);
                }
            }
            Step::Answer(which, good) => {
                let orders: Vec<_> = self
                    .earlier
                    .iter()
                    .copied()
                    .chain(self.announced.iter().map(|announced| announced.order))
                    .collect();
                if !orders.is_empty() {
                    let verdict =
                        if good { Verdict::Analysed } else { Verdict::Failed(FailureReason::Timeout) };
                    self.ledger.settle(orders[which % orders.len()], verdict);
                }
            }
            Step::Broker(online) => {
                self.online = online;
                self.ledger.set_online(self.now, online);
                if let Some(announcement) = self.announcing.take_if(|_| !online) {
                    self.ledger.announced(self.now, announcement.number, Confirmed::No);
                }
            }
            Step::Node(online) => {
                self.node = online;
                self.ledger.set_node_online(online);
            }
            Step::Hurry(doubt) => self.ledger.hurry(self.now, doubt),
            Step::Wait(milliseconds) => self.now += ms(milliseconds),
            Step::Kill => self.kill(),
        }
        self.ledger.bound(self.now);
        self.check()
    }

    fn kill(&mut self) {
        let lost: Vec<_> = self.ledger.frames().copied().filter(|id| !self.disk.contains_key(id)).collect();
        self.killed.extend(lost);
        self.earlier.extend(self.announced.drain(..).map(|announced| announced.order));
        self.stored.clear();
        (self.uploading, self.writing, self.announcing) = (None, None, None);
        self.boot += 1;
        let mut left: Vec<_> = self.disk.iter().map(|(&id, &(order, bytes))| (order, id, bytes)).collect();
        left.sort_unstable();
        let mut ledger = Ledger::new(self.rules.clone(), self.boot);
        for (order, id, bytes) in left {
            ledger.restore(id, bytes, Earlier { order, age: Duration::ZERO, attempts: 0 });
        }
        ledger.set_boot(self.boot);
        ledger.set_online(self.now, self.online);
        ledger.set_node_online(self.node);
        self.ledger = ledger;
    }

    fn start_upload(&mut self) -> Result<(), TestCaseError> {
        if self.uploading.is_some() {
            return Ok(());
        }
        self.uploading = self.ledger.next_upload(self.now);
        if let Some(number) = self.uploading {
            prop_assert!(!self.stored.contains(&number), "uploaded twice");
            prop_assert!(self.stored.last().is_none_or(|&last| last < number), "uploaded out of order");
        }
        Ok(())
    }

    fn start_announcement(&mut self) -> Result<(), TestCaseError> {
        if self.announcing.is_some() {
            return Ok(());
        }
        self.announcing = self.ledger.next_announcement(self.now);
        let Some(announcement) = self.announcing else { return Ok(()) };
        let number = announcement.number;
        prop_assert!(self.online, "announced without a broker");
        prop_assert!(self.stored.contains(&number), "announced before it was stored");
        let id = self.id(number).expect("it has not ended");
        prop_assert!(!self.ended.contains_key(&id), "announced after its end");
        let before = self.announced.iter().rev().find(|earlier| earlier.number == number);
        let newest = self.announced.iter().map(|earlier| earlier.order).max();
        match before {
            None => prop_assert!(
                newest.is_none_or(|newest| announcement.order > newest),
                "the first announcements are not in order"
            ),
            Some(earlier) => {
                prop_assert!(announcement.attempt >= earlier.attempt);
                prop_assert!(announcement.attempt <= earlier.attempt + 1);
                prop_assert!(self.node || announcement.attempt == earlier.attempt || earlier.attempt == 1);
                if self.rules.delivery == Delivery::Latest {
                    prop_assert_eq!(Some(announcement.order), newest, "an old frame was announced again");
                }
            }
        }
        self.announced.push(announcement);
        Ok(())
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        for settled in self.ledger.take_settled().collect::<Vec<_>>() {
            let id = settled.frame;
            prop_assert!(self.ended.insert(id, settled.outcome).is_none(), "ended twice");
            self.disk.remove(&id);
            if settled.outcome == Outcome::Superseded {
                prop_assert_eq!(self.rules.delivery, Delivery::Latest);
            }
        }
        let accounted = self.ended.len() + self.killed.len() + self.ledger.depth();
        prop_assert_eq!(accounted, self.bytes.len(), "a frame is lost");
        prop_assert!(self.ledger.unsettled() <= 4, "the window does not hold");
        prop_assert!(self.ledger.memory_bytes() <= 1_000, "too much in memory");
        let on_disk: u64 = self.disk.values().map(|&(_, bytes)| bytes).sum();
        prop_assert_eq!(self.ledger.disk_bytes(), on_disk);
        match self.rules.delivery {
            Delivery::Latest => prop_assert!(self.ledger.depth() <= 4 + 2),
            Delivery::Every => {
                prop_assert!(self.ledger.depth() <= 4 + 8);
                prop_assert!(on_disk <= MAX_DISK, "too much on disk");
            }
        }
        if let Some(wake) = self.ledger.wake(self.now).filter(|_| self.online && self.uploading.is_none()) {
            prop_assert!(wake > self.now || self.can_work(), "it would be asked for ever");
        }
        Ok(())
    }

    /// Whether asking brings something to do, or at least rest.
    fn can_work(&self) -> bool {
        let mut ledger = self.ledger.clone();
        ledger.next_upload(self.now).is_some()
            || ledger.next_announcement(self.now).is_some()
            || ledger.wake(self.now).is_none_or(|wake| wake > self.now)
    }

    /// Everything works again: whatever is left must end analysed or superseded, within bounded time.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        self.step(Step::Broker(true))?;
        self.step(Step::Node(true))?;
        for _ in 0..400 {
            self.step(Step::EndUpload(Uploaded::Stored))?;
            self.step(Step::EndAnnouncement(Confirmed::Heard))?;
            self.step(Step::StartUpload)?;
            self.step(Step::StartAnnouncement)?;
            if let Some(announcement) = self.announcing {
                self.step(Step::EndAnnouncement(Confirmed::Heard))?;
                self.ledger.settle(announcement.order, Verdict::Analysed);
                self.check()?;
            }
            self.now += ms(500);
        }
        prop_assert_eq!(self.ledger.depth(), 0, "something is stuck");
        prop_assert!(self.disk.is_empty(), "a settled frame stays on disk");
        Ok(())
    }
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let delivery = prop_oneof![Just(Delivery::Latest), Just(Delivery::Every)];
    let pause = prop_oneof![Just(0), Just(50)];
    let after = prop_oneof![Just(0), Just(200)];
    (delivery, any::<bool>(), pause, after).prop_map(|(delivery, disk, pause, after)| Rules {
        max_disk: disk.then_some(MAX_DISK),
        drain_pause: ms(pause),
        write_after: ms(after),
        ..rules(delivery)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_ends_once_whatever_happens(rules in any_rules(), steps in steps()) {
        let mut world = World::new(rules);
        for step in steps {
            world.step(step)?;
        }
        world.finish()?;
    }

    #[test]
    fn a_stop_ends_whatever_is_not_on_disk(rules in any_rules(), steps in steps()) {
        let mut world = World::new(rules);
        for step in steps {
            world.step(step)?;
        }
        world.ledger.stop();
        world.check()?;
        prop_assert_eq!(world.ledger.depth(), world.disk.len());
        prop_assert_eq!(world.ended.len() + world.killed.len() + world.disk.len(), world.bytes.len());
    }
}
