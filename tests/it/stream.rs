//! The stream, followed as a program of somebody else would: by `docs/wire.md` alone.

use std::collections::BTreeMap;

use people_counter_tests::rest::Rest;
use people_counter_tests::stage::{Stage, result, status};
use people_counter_tests::viewer::{Ended, Kind, Message, Subscription, Viewer};
use people_counter_tests::wait::{PATIENCE, eventually};

/// What a viewer holds: a copy, made of the messages alone.
#[derive(Debug, Default)]
struct Mirror {
    epoch: String,
    version: u64,
    people: u64,
    counts: BTreeMap<String, Option<u32>>,
}

impl Mirror {
    /// Takes a message in, if it fits to what is here.
    fn take(&mut self, message: &Message<'_>) {
        match message.kind {
            Kind::Snapshot => {
                assert_eq!(message.since, None);
                self.counts.clear();
            }
            Kind::Delta => {
                assert_eq!(message.epoch, self.epoch, "a delta is of the state that is here");
                assert_eq!(message.since, Some(self.version), "a delta starts where the last message ended");
            }
        }
        for id in &message.removed {
            self.counts.remove(*id);
        }
        let counts = message.devices.iter().map(|device| (device.device_id.to_owned(), device.count));
        self.counts.extend(counts);
        (self.epoch, self.version) = (message.epoch.to_owned(), message.version);
        self.people = message.summary.people;
    }

    /// Takes messages until `there`.
    async fn follow(&mut self, viewer: &mut Viewer, there: impl Fn(&Self) -> bool) -> Result<(), Ended> {
        while !there(self) {
            let text = tokio::time::timeout(PATIENCE, viewer.next()).await.expect("no message came")?;
            let message: Message<'_> = serde_json::from_str(&text).expect("a message of the stream");
            self.take(&message);
            viewer.acknowledge(message.version).await?;
        }
        Ok(())
    }

    /// Whether it is what REST says.
    async fn is_true(&self, rest: &Rest) -> bool {
        let all = rest.devices().await.unwrap();
        let counts = all.devices.iter().map(|device| (device.device_id.as_str(), device.count));
        let mine = self.counts.iter().map(|(id, count)| (id.as_str(), count.map(u64::from)));
        all.epoch == self.epoch && all.summary.people == self.people && counts.eq(mine)
    }
}

fn name(number: usize) -> String {
    format!("cam-{number:02}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_made_of_the_stream_is_what_there_is_over_a_restart() {
    const CAMERAS: usize = 30;
    let mut stage = Stage::start("").await;
    for number in 0..CAMERAS {
        stage.status(&status(&name(number), 600.0)).await;
    }
    eventually("engage is ready", || async { (stage.rest.get("/readyz").await?.0 == 200).then_some(()) })
        .await;
    let mut mirror = Mirror::default();
    let mut viewer = Viewer::connect(stage.rest.address(), None).await.unwrap();
    for round in 1..=10 {
        for number in 0..CAMERAS {
            stage.counted(&result(&name(number), round, (number + round as usize) % 7)).await;
        }
        let last = Some(u32::try_from((CAMERAS - 1 + round as usize) % 7).unwrap());
        mirror
            .follow(&mut viewer, |mirror| mirror.counts.get(&name(CAMERAS - 1)) == Some(&last))
            .await
            .unwrap();
    }
    stage.remove(&name(3)).await;
    mirror.follow(&mut viewer, |mirror| mirror.counts.len() == CAMERAS - 1).await.unwrap();
    assert!(mirror.is_true(&stage.rest).await, "{mirror:?}");

    let epoch = mirror.epoch.clone();
    stage.engage.kill();
    let ended = mirror.follow(&mut viewer, |_| false).await;
    assert!(ended.is_err(), "the replica is gone");
    stage.start_engage();
    eventually("engage is ready again", || async {
        (stage.rest.get("/readyz").await?.0 == 200).then_some(())
    })
    .await;
    let mut viewer = Viewer::connect(stage.rest.address(), None).await.unwrap();
    mirror
        .follow(&mut viewer, |mirror| mirror.epoch != epoch && mirror.counts.len() == CAMERAS - 1)
        .await
        .unwrap();
    assert!(mirror.is_true(&stage.rest).await, "{mirror:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_of_some_devices_is_told_of_these_alone() {
    let stage = Stage::start("").await;
    for number in 0..5 {
        stage.status(&status(&name(number), 600.0)).await;
        stage.counted(&result(&name(number), 1, 2)).await;
    }
    eventually("five counts", || async { (stage.rest.devices().await?.summary.people == 10).then_some(()) })
        .await;
    let mut viewer = Viewer::connect(stage.rest.address(), None).await.unwrap();
    let mut mirror = Mirror::default();
    mirror.follow(&mut viewer, |mirror| mirror.counts.len() == 5).await.unwrap();
    viewer.subscribe(&Subscription::of(&[name(1), name(4)])).await.unwrap();
    mirror.follow(&mut viewer, |mirror| mirror.counts.len() == 2).await.unwrap();
    for number in 0..5 {
        stage.counted(&result(&name(number), 2, 3)).await;
    }
    mirror.follow(&mut viewer, |mirror| mirror.counts.values().all(|count| *count == Some(3))).await.unwrap();
    assert_eq!(mirror.counts.keys().collect::<Vec<_>>(), [&name(1), &name(4)]);
    viewer.subscribe(&Subscription::all()).await.unwrap();
    mirror.follow(&mut viewer, |mirror| mirror.counts.len() == 5 && mirror.people == 15).await.unwrap();
    assert!(mirror.is_true(&stage.rest).await, "{mirror:?}");
}
