//! Whatever happens in whatever order, the promises of the ledger hold.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// One thing that can happen.
#[derive(Debug, Clone)]
enum Step {
    Capture(u64),
    StartUpload,
    EndUpload(Uploaded),
    StartAnnouncement,
    EndAnnouncement(Confirmed),
    /// A node answers one of the announcements made so far, again perhaps.
    Answer(usize, bool),
    Broker(bool),
    Node(bool),
    Hurry(Doubt),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let uploaded = prop_oneof![
        4 => Just(Uploaded::Stored), 2 => Just(Uploaded::Failed), 1 => Just(Uploaded::Refused)
    ];
    let confirmed = prop_oneof![
        4 => Just(Confirmed::Heard), 1 => Just(Confirmed::Unheard), 1 => Just(Confirmed::No)
    ];
    let step = prop_oneof![
        4 => (1u64..400).prop_map(Step::Capture),
        6 => Just(Step::StartUpload),
        6 => uploaded.prop_map(Step::EndUpload),
        6 => Just(Step::StartAnnouncement),
        6 => confirmed.prop_map(Step::EndAnnouncement),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, good)| Step::Answer(which, good)),
        1 => any::<bool>().prop_map(Step::Broker),
        1 => any::<bool>().prop_map(Step::Node),
        1 => prop_oneof![Just(Doubt::Lost), Just(Doubt::Perhaps)].prop_map(Step::Hurry),
        3 => (0u64..3_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..300)
}

/// Carries out steps, with what the world knows: what is stored, announced and under way.
struct World {
    ledger: Ledger<Sequence>,
    delivery: Delivery,
    now: Instant,
    online: bool,
    node: bool,
    uploading: Option<Sequence>,
    announcing: Option<Announcement>,
    stored: Vec<Sequence>,
    announced: Vec<Announcement>,
    ended: BTreeMap<Sequence, Outcome>,
}

impl World {
    fn new(delivery: Delivery) -> Self {
        Self {
            ledger: ledger(delivery),
            delivery,
            now: ms(0),
            online: true,
            node: true,
            uploading: None,
            announcing: None,
            stored: Vec::new(),
            announced: Vec::new(),
            ended: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Capture(bytes) => {
                capture(&mut self.ledger, bytes);
            }
            Step::StartUpload => self.start_upload()?,
            Step::EndUpload(result) => {
                if let Some(sequence) = self.uploading.take() {
                    if result == Uploaded::Stored {
                        self.stored.push(sequence);
                    }
                    self.ledger.uploaded(self.now, sequence, result);
                }
            }
            Step::StartAnnouncement => self.start_announcement()?,
            Step::EndAnnouncement(confirmed) => {
                if let Some(announcement) = self.announcing.take() {
                    self.ledger.announced(self.now, announcement.sequence, confirmed);
                }
            }
            Step::Answer(which, good) => {
                if !self.announced.is_empty() {
                    let order = self.announced[which % self.announced.len()].order;
                    let verdict =
                        if good { Verdict::Analysed } else { Verdict::Failed(FailureReason::Timeout) };
                    self.ledger.settle(order, verdict);
                }
            }
            Step::Broker(online) => {
                self.online = online;
                self.ledger.set_online(self.now, online);
                if let Some(announcement) = self.announcing.take_if(|_| !online) {
                    self.ledger.announced(self.now, announcement.sequence, Confirmed::No);
                }
            }
            Step::Node(online) => {
                self.node = online;
                self.ledger.set_node_online(online);
            }
            Step::Hurry(doubt) => self.ledger.hurry(self.now, doubt),
            Step::Wait(milliseconds) => self.now += ms(milliseconds),
        }
        self.check()
    }

    fn start_upload(&mut self) -> Result<(), TestCaseError> {
        if self.uploading.is_some() {
            return Ok(());
        }
        self.uploading = self.ledger.next_upload(self.now);
        if let Some(sequence) = self.uploading {
            prop_assert!(!self.stored.contains(&sequence), "uploaded twice");
            prop_assert!(self.stored.last().is_none_or(|&last| last < sequence), "uploaded out of order");
        }
        Ok(())
    }

    fn start_announcement(&mut self) -> Result<(), TestCaseError> {
        if self.announcing.is_some() {
            return Ok(());
        }
        self.announcing = self.ledger.next_announcement(self.now);
        let Some(announcement) = self.announcing else { return Ok(()) };
        let sequence = announcement.sequence;
        prop_assert!(self.online, "announced without a broker");
        prop_assert!(self.stored.contains(&sequence), "announced before it was stored");
        prop_assert!(!self.ended.contains_key(&sequence), "announced after its end");
        let before = self.announced.iter().rev().find(|earlier| earlier.sequence == sequence);
        let newest = self.announced.iter().map(|earlier| earlier.sequence).max().unwrap_or_default();
        match before {
            None => prop_assert!(sequence > newest, "the first announcements are not in order"),
            Some(earlier) => {
                prop_assert!(announcement.attempt >= earlier.attempt);
                prop_assert!(announcement.attempt <= earlier.attempt + 1);
                prop_assert!(self.node || announcement.attempt == earlier.attempt || earlier.attempt == 1);
                if self.delivery == Delivery::Latest {
                    prop_assert_eq!(sequence, newest, "an old frame was announced again");
                }
            }
        }
        self.announced.push(announcement);
        Ok(())
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        for settled in self.ledger.take_settled().collect::<Vec<_>>() {
            prop_assert!(self.ended.insert(settled.sequence, settled.outcome).is_none(), "ended twice");
            if settled.outcome == Outcome::Superseded {
                prop_assert_eq!(self.delivery, Delivery::Latest);
            }
        }
        prop_assert_eq!(self.ended.len() + self.ledger.depth(), self.ledger.last as usize, "a frame is lost");
        prop_assert!(self.ledger.unsettled() <= 4, "the window does not hold");
        match self.delivery {
            Delivery::Latest => prop_assert!(self.ledger.depth() <= 4 + 2),
            Delivery::Every => {
                prop_assert!(self.ledger.depth() <= 4 + 8);
                prop_assert!(self.ledger.bytes() <= 1_000);
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
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_ends_once_whatever_happens(
        delivery in prop_oneof![Just(Delivery::Latest), Just(Delivery::Every)],
        steps in steps(),
    ) {
        let mut world = World::new(delivery);
        for step in steps {
            world.step(step)?;
        }
        world.finish()?;
    }

    #[test]
    fn a_stop_ends_whatever_is_left(
        delivery in prop_oneof![Just(Delivery::Latest), Just(Delivery::Every)],
        steps in steps(),
    ) {
        let mut world = World::new(delivery);
        for step in steps {
            world.step(step)?;
        }
        world.ledger.stop();
        world.check()?;
        prop_assert_eq!(world.ended.len(), world.ledger.last as usize);
    }
}
