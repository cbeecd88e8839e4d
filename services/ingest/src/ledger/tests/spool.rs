//! Frames on disk, and those that earlier boots left there.

use super::*;

const EARLIER: u64 = 500;

fn with_disk(delivery: Delivery) -> Rules {
    Rules { max_disk: Some(3_000), ..rules(delivery) }
}

fn earlier(sequence: u64, age: Duration) -> Earlier {
    Earlier { order: Order::new(EARLIER, sequence), age, attempts: 0 }
}

/// A ledger with `count` frames of ten bytes that an earlier boot left behind.
fn restored(rules: Rules, count: u64) -> Ledger<Number> {
    let mut ledger = Ledger::new(rules, BOOT);
    for sequence in 1..=count {
        ledger.restore(sequence, 10, earlier(sequence, Duration::ZERO));
    }
    ledger.bound(ms(0));
    begin(ledger)
}

/// Writes whatever can be; returns what was written.
fn write(ledger: &mut Ledger<Number>, now: Instant) -> Vec<Number> {
    std::iter::from_fn(|| {
        let number = ledger.next_write(now)?;
        ledger.written(now, number, true);
        Some(number)
    })
    .collect()
}

fn lost(frames: &[Number], reason: Loss) -> Vec<(Number, Outcome)> {
    frames.iter().map(|&frame| (frame, Outcome::Dropped(reason))).collect()
}

#[test]
fn every_frame_is_written_and_held_until_it_is_settled() {
    let mut ledger = begin(Ledger::new(with_disk(Delivery::Every), BOOT));
    let frame = capture(&mut ledger, 10);
    assert_eq!(ledger.next_upload(ms(0)), Some(frame));
    assert_eq!(ledger.next_write(ms(0)), Some(frame), "beside the upload");
    assert_eq!(ledger.next_write(ms(0)), None, "one at a time");
    ledger.uploaded(ms(1), frame, Uploaded::Stored);
    assert_eq!((ledger.memory_bytes(), ledger.disk_bytes()), (10, 0), "it is still being written");
    ledger.written(ms(2), frame, true);
    assert_eq!((ledger.memory_bytes(), ledger.disk_bytes()), (0, 10));
    work(&mut ledger, ms(3));
    assert_eq!(ledger.disk_bytes(), 10, "announced is not settled");
    result(&mut ledger, frame);
    assert_eq!((ledger.depth(), ledger.disk_bytes()), (0, 0));
}

#[test]
fn flash_memory_may_be_spared() {
    let mut ledger = begin(Ledger::new(Rules { write_after: ms(500), ..with_disk(Delivery::Every) }, BOOT));
    capture(&mut ledger, 10);
    assert!(write(&mut ledger, ms(499)).is_empty());
    assert_eq!(ledger.wake(ms(499)), Some(ms(500)));
    assert_eq!(write(&mut ledger, ms(500)), [1]);
}

#[test]
fn latest_writes_the_newest_alone_and_seldom() {
    let mut ledger = begin(Ledger::new(with_disk(Delivery::Latest), BOOT));
    ledger.set_online(ms(0), false);
    capture(&mut ledger, 10);
    assert!(write(&mut ledger, ms(999)).is_empty(), "while all is well nothing is written");
    capture(&mut ledger, 10);
    assert_eq!(write(&mut ledger, ms(1_000)), [2]);
    ledger.capture(ms(1_500), 3, 10);
    assert!(write(&mut ledger, ms(10_999)).is_empty());
    assert_eq!(write(&mut ledger, ms(11_000)), [3]);
    assert_eq!(ledger.depth(), 1, "older ones are superseded on disk too");
}

#[test]
fn frames_of_earlier_boots_come_first_in_their_own_order() {
    let mut ledger = restored(with_disk(Delivery::Every), 3);
    let own = ledger.capture(ms(0), 4, 10);
    assert_eq!(ledger.order(own), Order::new(BOOT, 1));
    assert_eq!(work(&mut ledger, ms(0)), [(1, 1), (2, 1), (3, 1), (4, 1)]);
    assert_eq!(ledger.order(2), Order::new(EARLIER, 2));
    for sequence in [2, 1] {
        ledger.settle(Order::new(EARLIER, sequence), Verdict::Analysed);
    }
    ledger.settle(Order::new(EARLIER, 9), Verdict::Analysed);
    ledger.settle(Order::new(EARLIER + 1, 3), Verdict::Analysed);
    ledger.settle(Order::new(BOOT, 1), Verdict::Failed(FailureReason::Timeout));
    let failed = Outcome::Failed(FailureReason::Timeout);
    assert_eq!(outcomes(&mut ledger), [(2, Outcome::Analysed), (1, Outcome::Analysed), (4, failed)]);
    assert_eq!(ledger.depth(), 1);
}

#[test]
fn a_result_that_came_while_nobody_ran_settles_its_frame_before_it_is_sent_again() {
    let mut ledger = restored(with_disk(Delivery::Every), 2);
    assert_eq!(ledger.next_upload(ms(0)), Some(1));
    ledger.settle(Order::new(EARLIER, 1), Verdict::Analysed);
    ledger.uploaded(ms(1), 1, Uploaded::Stored);
    assert_eq!(outcomes(&mut ledger), [(1, Outcome::Analysed)]);
    assert_eq!(work(&mut ledger, ms(1)), [(2, 1)]);
}

#[test]
fn of_earlier_boots_latest_keeps_the_newest_until_there_is_a_newer_one() {
    let superseded = |frame| (frame, Outcome::Superseded);
    let mut ledger = restored(with_disk(Delivery::Latest), 3);
    assert_eq!(outcomes(&mut ledger), [superseded(1), superseded(2)]);
    let mut answered = ledger.clone();
    answered.settle(Order::new(EARLIER, 7), Verdict::Analysed);
    assert_eq!(outcomes(&mut answered), [superseded(3)], "a newer one of that boot was analysed");
    ledger.capture(ms(0), 4, 10);
    assert_eq!(outcomes(&mut ledger), [superseded(3)]);
    assert_eq!(work(&mut ledger, ms(0)), [(4, 1)]);
}

#[test]
fn a_disk_that_takes_nothing_leaves_memory() {
    let mut ledger = begin(Ledger::new(with_disk(Delivery::Every), BOOT));
    ledger.set_online(ms(0), false);
    for _ in 0..3 {
        capture(&mut ledger, 300);
    }
    let number = ledger.next_write(ms(0)).unwrap();
    ledger.written(ms(0), number, false);
    assert_eq!(ledger.next_write(ms(99)), None, "not at once again");
    for _ in 0..2 {
        ledger.capture(ms(50), ledger.last + 1, 300);
    }
    assert_eq!(outcomes(&mut ledger), lost(&[1, 2], Loss::SpoolMemory), "memory has a limit of its own");
    // what the store has need not be held in vain
    assert_eq!(work(&mut ledger, ms(60)), []);
    assert_eq!((ledger.depth(), ledger.memory_bytes()), (3, 0));
    ledger.capture(ms(70), 6, 300);
    assert_eq!(write(&mut ledger, ms(100)), [6], "the disk is tried again");
    assert_eq!(ledger.disk_bytes(), 300);
}

#[test]
fn the_oldest_on_disk_is_given_up_when_it_is_full_by_the_rules() {
    let mut ledger = restored(Rules { max_disk: Some(100), max_frames: 50, ..with_disk(Delivery::Every) }, 9);
    ledger.set_online(ms(0), false);
    capture(&mut ledger, 40);
    assert_eq!(outcomes(&mut ledger), lost(&[1, 2, 3], Loss::SpoolBytes));
    // fewer are allowed than an earlier boot left behind
    let mut ledger = restored(with_disk(Delivery::Every), 10);
    assert_eq!(outcomes(&mut ledger), lost(&[1, 2], Loss::SpoolFrames));
}

#[test]
fn nothing_waits_for_ever() {
    let rules = Rules { max_age: ms(10_000), ..with_disk(Delivery::Every) };
    let mut ledger = Ledger::new(rules, BOOT);
    ledger.restore(1, 10, earlier(1, ms(4_000)));
    // the clock was set back since: it can only be taken as new
    ledger.restore(2, 10, earlier(2, ms(0)));
    let mut ledger = begin(ledger);
    work(&mut ledger, ms(0));
    ledger.capture(ms(1_000), 3, 10);
    assert_eq!(ledger.next_to_expire().unwrap(), (1, ms(6_000)));
    ledger.bound(ms(5_999));
    assert_eq!(outcomes(&mut ledger), []);
    ledger.bound(ms(6_000));
    assert_eq!(outcomes(&mut ledger), lost(&[1], Loss::SpoolAge), "announced or not");
    assert_eq!(ledger.next_upload(ms(6_000)), Some(3));
    ledger.bound(ms(20_000));
    assert_eq!(outcomes(&mut ledger), lost(&[2], Loss::SpoolAge), "an upload is not cut off");
    ledger.uploaded(ms(20_000), 3, Uploaded::Failed);
    assert_eq!(outcomes(&mut ledger), lost(&[3], Loss::SpoolAge));
}

#[test]
fn a_backlog_is_worked_off_at_a_bounded_rate() {
    let rules = Rules { drain_pause: ms(100), window: 50, max_frames: 50, ..with_disk(Delivery::Every) };
    let mut ledger = restored(rules, 5);
    let mut made = Vec::new();
    let mut now = ms(0);
    while now <= ms(1_000) {
        made.extend(work(&mut ledger, now).into_iter().map(|(frame, _)| (frame, now.as_millis())));
        now = ledger.wake(now).filter(|&next| next < ms(1_000)).unwrap_or(ms(1_001));
    }
    let expected: Vec<_> = (1..=5).map(|frame| (frame, u128::from(frame - 1) * 100)).collect();
    assert_eq!(made, expected);
    // the store was there all the time, the broker was not
    let mut ledger = begin(Ledger::new(Rules { window: 50, drain_pause: ms(100), ..rules_of_every() }, BOOT));
    ledger.set_online(ms(0), false);
    for milliseconds in [0, 1_000, 2_000] {
        ledger.capture(ms(milliseconds), ledger.last + 1, 10);
        assert_eq!(work(&mut ledger, ms(milliseconds)), []);
    }
    ledger.set_online(ms(5_000), true);
    assert_eq!(work(&mut ledger, ms(5_000)), [(1, 1)]);
    assert_eq!(ledger.wake(ms(5_000)), Some(ms(5_100)));
    assert_eq!(work(&mut ledger, ms(5_100)), [(2, 1)]);
    assert_eq!(work(&mut ledger, ms(5_200)), [(3, 1)]);
}

fn rules_of_every() -> Rules {
    rules(Delivery::Every)
}

#[test]
fn a_picture_that_is_damaged_on_disk_is_never_sent() {
    let mut ledger = restored(with_disk(Delivery::Every), 2);
    assert_eq!(ledger.next_upload(ms(0)), Some(1));
    ledger.uploaded(ms(0), 1, Uploaded::Damaged);
    assert_eq!(outcomes(&mut ledger), lost(&[1], Loss::Damaged));
    assert_eq!(work(&mut ledger, ms(0)), [(2, 1)]);
}

#[test]
fn a_stop_writes_what_is_in_memory_and_leaves_it_for_the_next_start() {
    for delivery in [Delivery::Every, Delivery::Latest] {
        let mut ledger = begin(Ledger::new(with_disk(delivery), BOOT));
        ledger.set_online(ms(0), false);
        for _ in 0..3 {
            capture(&mut ledger, 10);
        }
        ledger.wind_up();
        assert!(!ledger.is_drained(), "the newest is not on disk");
        let expected: &[Number] = if delivery == Delivery::Every { &[1, 2, 3] } else { &[3] };
        assert_eq!(write(&mut ledger, ms(0)), expected);
        assert!(ledger.is_drained(), "the broker is away, and all is safe");
        drop(outcomes(&mut ledger));
        ledger.stop();
        assert_eq!(outcomes(&mut ledger), []);
        assert_eq!(ledger.depth(), expected.len());
    }
}

#[test]
fn a_stop_goes_on_sending_what_can_be_sent() {
    let mut ledger = begin(Ledger::new(with_disk(Delivery::Every), BOOT));
    capture(&mut ledger, 10);
    write(&mut ledger, ms(0));
    ledger.wind_up();
    assert!(!ledger.is_drained());
    assert_eq!(ledger.next_upload(ms(0)), Some(1));
    ledger.uploaded(ms(0), 1, Uploaded::Failed);
    assert!(ledger.is_drained(), "the store is away: it waits on disk");
}

#[test]
fn attempts_of_earlier_boots_count() {
    let mut ledger = Ledger::new(with_disk(Delivery::Every), BOOT);
    ledger.restore(1, 10, Earlier { attempts: 3, ..earlier(1, Duration::ZERO) });
    ledger.restore(2, 10, earlier(2, Duration::ZERO));
    let mut ledger = begin(ledger);
    assert_eq!((ledger.attempts(1), ledger.attempts(2)), (3, 0));
    ledger.set_node_online(false);
    assert_eq!(work(&mut ledger, ms(0)), [(1, 3), (2, 1)], "nobody is there to be harmed");
    assert_eq!((ledger.attempts(1), ledger.attempts(2)), (3, 0));
    ledger.set_node_online(true);
    assert_eq!(work(&mut ledger, ms(1_000)), [(1, 4), (2, 1)]);
    assert_eq!((ledger.attempts(1), ledger.attempts(2)), (4, 1));
}
