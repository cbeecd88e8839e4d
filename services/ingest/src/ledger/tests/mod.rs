mod properties;
mod spool;

use super::*;

const BOOT: u64 = 1_000;

const fn ms(milliseconds: u64) -> Instant {
    Duration::from_millis(milliseconds)
}

fn rules(delivery: Delivery) -> Rules {
    Rules {
        delivery,
        window: 4,
        max_frames: 8,
        max_memory: 1_000,
        max_disk: None,
        max_age: Duration::from_secs(86_400),
        write_after: Duration::ZERO,
        drain_pause: Duration::ZERO,
        patience: ms(1_000),
        patience_max: ms(8_000),
        retry: ms(100),
        retry_max: ms(1_000),
    }
}

impl Kept for Number {
    fn release(&mut self) {}
}

/// A ledger that may announce, with a node online.
fn ledger(delivery: Delivery) -> Ledger<Number> {
    begin(Ledger::new(rules(delivery), BOOT))
}

fn begin(mut ledger: Ledger<Number>) -> Ledger<Number> {
    ledger.set_boot(BOOT);
    ledger.set_online(ms(0), true);
    ledger.set_node_online(true);
    ledger
}

fn capture(ledger: &mut Ledger<Number>, bytes: u64) -> Number {
    let next = ledger.last + 1;
    assert_eq!(ledger.capture(ms(0), next, bytes), next);
    next
}

/// Uploads and announces whatever can be; returns what was announced.
fn work(ledger: &mut Ledger<Number>, now: Instant) -> Vec<(Number, u32)> {
    let mut made = Vec::new();
    loop {
        if let Some(sequence) = ledger.next_upload(now) {
            ledger.uploaded(now, sequence, Uploaded::Stored);
        } else if let Some(announcement) = ledger.next_announcement(now) {
            ledger.announced(now, announcement.number, Confirmed::Heard);
            made.push((announcement.number, announcement.attempt));
        } else {
            return made;
        }
    }
}

fn outcomes(ledger: &mut Ledger<Number>) -> Vec<(Number, Outcome)> {
    ledger
        .take_settled()
        .map(|settled| {
            assert_eq!(settled.number, settled.frame);
            (settled.number, settled.outcome)
        })
        .collect()
}

fn result(ledger: &mut Ledger<Number>, sequence: Number) {
    ledger.settle(Order::new(BOOT, sequence), Verdict::Analysed);
}

#[test]
fn a_frame_goes_all_the_way() {
    for delivery in [Delivery::Latest, Delivery::Every] {
        let mut ledger = ledger(delivery);
        let frame = capture(&mut ledger, 10);
        assert_eq!((ledger.depth(), ledger.memory_bytes()), (1, 10));
        assert_eq!(ledger.next_announcement(ms(0)), None, "the store has not confirmed it");
        assert_eq!(ledger.next_upload(ms(0)), Some(frame));
        assert_eq!(ledger.next_upload(ms(0)), None, "one at a time");
        assert_eq!(ledger.next_announcement(ms(0)), None, "the store has not confirmed it");
        ledger.uploaded(ms(5), frame, Uploaded::Stored);
        assert_eq!(ledger.memory_bytes(), 0, "the picture need not be held any longer");
        let announcement = ledger.next_announcement(ms(5)).unwrap();
        assert_eq!(announcement.order, Order::new(BOOT, frame));
        assert_eq!(announcement.attempt, 1);
        assert_eq!(announcement.expires, ms(1_000));
        ledger.announced(ms(6), frame, Confirmed::Heard);
        assert_eq!(ledger.unsettled(), 1);
        ledger.settle(announcement.order, Verdict::Failed(FailureReason::Undecodable));
        assert_eq!(outcomes(&mut ledger), [(frame, Outcome::Failed(FailureReason::Undecodable))]);
        assert_eq!((ledger.depth(), ledger.wake(ms(7))), (0, None));
    }
}

#[test]
fn nothing_is_announced_before_the_boot_is_fixed_and_the_broker_is_there() {
    let mut ledger = Ledger::new(rules(Delivery::Every), BOOT);
    capture(&mut ledger, 10);
    assert_eq!(work(&mut ledger, ms(0)), []);
    ledger.set_online(ms(1), true);
    assert_eq!(work(&mut ledger, ms(1)), []);
    ledger.set_boot(BOOT);
    ledger.set_online(ms(2), false);
    assert_eq!(work(&mut ledger, ms(2)), []);
    ledger.set_online(ms(3), true);
    assert_eq!(work(&mut ledger, ms(3)), [(1, 1)]);
}

#[test]
fn a_result_may_come_before_the_broker_confirms() {
    let mut ledger = ledger(Delivery::Every);
    let frame = capture(&mut ledger, 10);
    ledger.next_upload(ms(0));
    ledger.uploaded(ms(0), frame, Uploaded::Stored);
    ledger.next_announcement(ms(0)).unwrap();
    result(&mut ledger, frame);
    ledger.announced(ms(1), frame, Confirmed::Heard);
    assert_eq!(outcomes(&mut ledger), [(frame, Outcome::Analysed)]);
    assert_eq!(ledger.depth(), 0);
}

#[test]
fn every_fills_the_window_and_goes_on_as_results_come() {
    let mut ledger = ledger(Delivery::Every);
    for _ in 0..6 {
        capture(&mut ledger, 10);
    }
    assert_eq!(work(&mut ledger, ms(0)), [(1, 1), (2, 1), (3, 1), (4, 1)]);
    assert_eq!(ledger.memory_bytes(), 0, "all are in the store, only the announcements wait");
    result(&mut ledger, 3);
    assert_eq!(work(&mut ledger, ms(1)), [(5, 1)]);
    result(&mut ledger, 1);
    assert_eq!(work(&mut ledger, ms(2)), [(6, 1)]);
    assert_eq!(outcomes(&mut ledger), [(3, Outcome::Analysed), (1, Outcome::Analysed)]);
}

#[test]
fn every_announces_again_with_growing_patience() {
    let mut ledger = ledger(Delivery::Every);
    capture(&mut ledger, 10);
    let mut now = ms(0);
    let mut waits = Vec::new();
    for attempt in 1..=6 {
        assert_eq!(work(&mut ledger, now), [(1, attempt)]);
        let next = ledger.wake(now).unwrap();
        waits.push((next - now).as_millis());
        assert_eq!(work(&mut ledger, next - ms(1)), []);
        now = next;
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
}

#[test]
fn attempts_count_only_while_a_node_is_online() {
    let mut ledger = ledger(Delivery::Every);
    ledger.set_node_online(false);
    capture(&mut ledger, 10);
    let mut made = Vec::new();
    for round in 0..6 {
        ledger.set_node_online(round >= 3);
        made.extend(work(&mut ledger, ms(100_000 * round)));
    }
    assert_eq!(made, [(1, 1), (1, 1), (1, 1), (1, 1), (1, 2), (1, 3)]);
}

#[test]
fn an_announcement_that_was_not_confirmed_is_the_same_attempt() {
    let mut ledger = ledger(Delivery::Every);
    let frame = capture(&mut ledger, 10);
    ledger.next_upload(ms(0));
    ledger.uploaded(ms(0), frame, Uploaded::Stored);
    assert_eq!(ledger.next_announcement(ms(0)).unwrap().attempt, 1);
    ledger.announced(ms(0), frame, Confirmed::No);
    assert_eq!(ledger.wake(ms(0)), Some(ms(100)));
    assert_eq!(ledger.next_announcement(ms(50)), None);
    assert_eq!(ledger.next_announcement(ms(100)).unwrap().attempt, 1);
}

#[test]
fn every_gives_up_the_oldest_that_waits() {
    let mut ledger = ledger(Delivery::Every);
    for _ in 0..4 {
        capture(&mut ledger, 10);
    }
    work(&mut ledger, ms(0));
    for _ in 0..10 {
        capture(&mut ledger, 10);
    }
    let lost = Outcome::Dropped(Loss::SpoolFrames);
    assert_eq!(outcomes(&mut ledger), [(5, lost), (6, lost)]);
    capture(&mut ledger, 990);
    assert_eq!(outcomes(&mut ledger)[0], (7, lost));
    let bytes = Outcome::Dropped(Loss::SpoolMemory);
    // six of ten bytes each and one of 990 are over 1,000
    capture(&mut ledger, 10);
    assert!(outcomes(&mut ledger).contains(&(9, bytes)) || ledger.memory_bytes() <= 1_000);
    assert!(ledger.memory_bytes() <= 1_000);
    assert_eq!(ledger.unsettled(), 4, "what was announced is not given up");
}

#[test]
fn a_picture_that_the_store_refuses_does_not_block_the_others() {
    let mut ledger = ledger(Delivery::Every);
    capture(&mut ledger, 10);
    capture(&mut ledger, 10);
    assert_eq!(ledger.next_upload(ms(0)), Some(1));
    ledger.uploaded(ms(0), 1, Uploaded::Refused);
    assert_eq!(outcomes(&mut ledger), [(1, Outcome::Dropped(Loss::Refused))]);
    assert_eq!(work(&mut ledger, ms(0)), [(2, 1)]);
}

#[test]
fn a_failed_upload_is_tried_again_with_growing_pauses() {
    let mut ledger = ledger(Delivery::Every);
    capture(&mut ledger, 10);
    let mut now = ms(0);
    let mut waits = Vec::new();
    for _ in 0..6 {
        assert_eq!(ledger.next_upload(now), Some(1));
        ledger.uploaded(now, 1, Uploaded::Failed);
        assert_eq!(ledger.next_upload(now), None);
        let next = ledger.wake(now).unwrap();
        waits.push((next - now).as_millis());
        now = next;
    }
    assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
    assert_eq!(work(&mut ledger, now), [(1, 1)]);
}

#[test]
fn latest_supersedes_what_has_not_set_off() {
    let mut ledger = ledger(Delivery::Latest);
    capture(&mut ledger, 10);
    assert_eq!(ledger.next_upload(ms(0)), Some(1));
    for _ in 0..5 {
        capture(&mut ledger, 10);
    }
    let superseded = |frames: &[Number]| frames.iter().map(|&f| (f, Outcome::Superseded)).collect::<Vec<_>>();
    assert_eq!(outcomes(&mut ledger), superseded(&[2, 3, 4, 5]));
    ledger.uploaded(ms(1), 1, Uploaded::Stored);
    assert_eq!(work(&mut ledger, ms(1)), [(1, 1), (6, 1)], "a slow store does not starve");
    result(&mut ledger, 6);
    assert_eq!(outcomes(&mut ledger), [(1, Outcome::Superseded), (6, Outcome::Analysed)]);
}

#[test]
fn latest_holds_the_window_and_then_sends_the_newest_picture() {
    let mut ledger = ledger(Delivery::Latest);
    ledger.set_node_online(false);
    let mut made = Vec::new();
    for _ in 0..20 {
        capture(&mut ledger, 10);
        made.extend(work(&mut ledger, ms(0)));
        assert!(ledger.unsettled() <= 4);
    }
    assert_eq!(made, [(1, 1), (2, 1), (3, 1), (4, 1)]);
    assert_eq!(ledger.depth(), 5, "four announced, and the newest waits");
    assert_eq!(work(&mut ledger, ms(999)), []);
    assert_eq!(work(&mut ledger, ms(1_000)), [(20, 1)], "not the fourth, which is old by now");
    assert_eq!(ledger.depth(), 1);
    // patience is inherited, and the same picture goes out again if there is no newer one
    assert_eq!(work(&mut ledger, ms(2_999)), []);
    assert_eq!(work(&mut ledger, ms(3_000)), [(20, 1)]);
    ledger.set_node_online(true);
    ledger.hurry(ms(4_500), Doubt::Lost);
    assert_eq!(work(&mut ledger, ms(4_500)), [(20, 1)]);
    assert_eq!(work(&mut ledger, ms(5_500)), [(20, 2)]);
}

#[test]
fn latest_announces_the_newest_alone_again() {
    let mut ledger = ledger(Delivery::Latest);
    for _ in 0..3 {
        capture(&mut ledger, 10);
        work(&mut ledger, ms(0));
    }
    assert_eq!(work(&mut ledger, ms(1_000)), [(3, 2)]);
    result(&mut ledger, 2);
    assert_eq!(outcomes(&mut ledger), [(1, Outcome::Superseded), (2, Outcome::Analysed)]);
    assert_eq!(ledger.unsettled(), 1);
}

#[test]
fn after_an_outage_latest_sends_the_newest_picture() {
    let mut ledger = ledger(Delivery::Latest);
    ledger.set_online(ms(0), false);
    for _ in 0..10 {
        capture(&mut ledger, 10);
        assert_eq!(work(&mut ledger, ms(0)), []);
    }
    assert_eq!(ledger.depth(), 2, "one in the store, and the newest");
    ledger.set_online(ms(60_000), true);
    assert_eq!(work(&mut ledger, ms(60_000)), [(10, 1)]);
}

#[test]
fn after_an_outage_every_announces_all_that_is_unsettled_again() {
    let mut ledger = ledger(Delivery::Every);
    for _ in 0..6 {
        capture(&mut ledger, 10);
    }
    work(&mut ledger, ms(0));
    ledger.set_online(ms(100), false);
    ledger.set_online(ms(200), true);
    let again = [(1, 2), (2, 2), (3, 2), (4, 2)];
    assert_eq!(work(&mut ledger, ms(200)), again, "before anything newer");
}

#[test]
fn when_a_node_goes_only_what_is_not_quite_young_is_announced_again() {
    let mut ledger = ledger(Delivery::Every);
    ledger.rules.patience = ms(60_000);
    ledger.rules.patience_max = ms(60_000);
    capture(&mut ledger, 10);
    work(&mut ledger, ms(0));
    capture(&mut ledger, 10);
    work(&mut ledger, ms(900));
    ledger.hurry(ms(1_500), Doubt::Perhaps);
    assert_eq!(work(&mut ledger, ms(1_500)), [(1, 2)]);
    assert_eq!(ledger.wake(ms(1_500)), Some(ms(1_900)));
    assert_eq!(work(&mut ledger, ms(1_900)), [(2, 2)]);
}

#[test]
fn results_of_others_settle_nothing() {
    for delivery in [Delivery::Latest, Delivery::Every] {
        let mut ledger = ledger(delivery);
        capture(&mut ledger, 10);
        work(&mut ledger, ms(0));
        for order in [
            Order::new(BOOT - 1, 1),
            Order::new(BOOT + 1, 1),
            Order::new(BOOT, 2),
            Order::new(u64::MAX, u64::MAX),
        ] {
            ledger.settle(order, Verdict::Analysed);
        }
        assert_eq!(ledger.unsettled(), 1);
    }
}

#[test]
fn a_stop_names_what_it_leaves_behind() {
    let mut ledger = ledger(Delivery::Every);
    for _ in 0..6 {
        capture(&mut ledger, 10);
    }
    work(&mut ledger, ms(0));
    assert!(!ledger.is_drained());
    ledger.stop();
    let reasons: Vec<_> = outcomes(&mut ledger).into_iter().map(|(_, outcome)| outcome).collect();
    let lost = Outcome::Dropped;
    assert_eq!(reasons[..4], [lost(Loss::Unsettled); 4]);
    assert_eq!(reasons[4..], [lost(Loss::Stopped); 2]);
    assert!(ledger.is_drained());
}

#[test]
fn an_announcement_that_nobody_heard_is_no_attempt() {
    let mut ledger = ledger(Delivery::Every);
    let frame = capture(&mut ledger, 10);
    ledger.next_upload(ms(0));
    ledger.uploaded(ms(0), frame, Uploaded::Stored);
    ledger.next_announcement(ms(0)).unwrap();
    ledger.announced(ms(0), frame, Confirmed::Unheard);
    assert_eq!(ledger.unsettled(), 1);
    assert_eq!(work(&mut ledger, ms(1_000)), [(1, 1)]);
    assert_eq!(work(&mut ledger, ms(3_000)), [(1, 2)]);
}

#[test]
fn winding_up_finishes_what_has_set_off() {
    let mut latest = ledger(Delivery::Latest);
    capture(&mut latest, 10);
    assert_eq!(latest.next_upload(ms(0)), Some(1));
    capture(&mut latest, 10);
    latest.wind_up();
    assert!(!latest.is_drained());
    latest.uploaded(ms(1), 1, Uploaded::Stored);
    assert_eq!(work(&mut latest, ms(1)), [(1, 1)]);
    assert!(latest.is_drained(), "the second has not set off and stays behind");

    let mut every = ledger(Delivery::Every);
    capture(&mut every, 10);
    capture(&mut every, 10);
    every.wind_up();
    assert!(!every.is_drained());
    assert_eq!(work(&mut every, ms(1)), [(1, 1), (2, 1)]);
    assert!(every.is_drained());
}
