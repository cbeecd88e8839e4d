//! A clock that is set back while the service runs: libfaketime lies to the real program.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use people_counter_events::Delivery;
use people_counter_ingest::config::{Folder, Source};

use crate::node::Node;
use crate::process::{Process, order, write_config};
use crate::world::{World, eventually};

/// No more than stores let requests differ from their own clock.
const BACK: Duration = Duration::from_secs(600);

/// The time that a program sees.
struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    fn new(folder: &Path) -> Self {
        let places = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
        let library = places
            .map(|place| place.join("faketime/libfaketimeMT.so.1"))
            .find(|library| library.exists())
            .expect("libfaketime is missing: apt-get install libfaketime");
        let clock = Self { library, offset: folder.join("clock-offset") };
        clock.set("+0");
        clock
    }

    fn set(&self, offset: &str) {
        // whole or not at all, for it is read all the time
        let aside = self.offset.with_extension("new");
        std::fs::write(&aside, format!("{offset}\n")).unwrap();
        std::fs::rename(aside, &self.offset).unwrap();
    }

    fn set_back(&self) {
        self.set(&format!("-{}", BACK.as_secs()));
    }

    /// What makes a program see this time; how long it waits is measured by the true clock.
    fn environment(&self) -> [(&str, &OsStr); 4] {
        [
            ("LD_PRELOAD", self.library.as_os_str()),
            ("FAKETIME_TIMESTAMP_FILE", self.offset.as_os_str()),
            ("FAKETIME_NO_CACHE", OsStr::new("1")),
            ("FAKETIME_DONT_FAKE_MONOTONIC", OsStr::new("1")),
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_changes_no_order_and_loses_nothing() {
    let mut world = World::start().await;
    world.broker.stop().await;
    world.store.stop().await;
    let clock = Clock::new(world.dir.path());
    let config = write_config(
        &world,
        &world.config(|config, camera| {
            config.spool.folder = Some(world.spool());
            camera.source = Source::Folder(Folder::new(world.pictures(20)));
            camera.delivery = Delivery::Every;
            camera.interval = Duration::from_millis(50);
            camera.keep = 100_000;
        }),
    );
    let more = async |count: usize| {
        let enough = world.spooled().len() + count;
        eventually("frames are written", || world.spooled().len() >= enough).await;
    };
    let process = Process::start(&config, clock.environment());
    more(5).await;
    clock.set_back();
    more(5).await;
    process.kill();
    let process = Process::start(&config, clock.environment());
    more(5).await;
    process.kill();
    let orders: Vec<_> = world.spooled().iter().map(|path| order(path)).collect();
    let boots: Vec<_> = orders.iter().map(|order| order.0).collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!(boots, [boots[0], boots[0] + 1], "the second start cannot go by the clock");
    let of_first = orders.iter().filter(|order| order.0 == boots[0]).count() as u64;
    assert_eq!(orders[of_first as usize - 1].1, of_first, "sequences without a gap");

    world.store.restart().await.unwrap();
    world.broker.restart().await.unwrap();
    let node = Node::online(&world).await.at_work();
    // nothing more is taken
    world.pictures_once(0);
    let process = Process::start(&config, clock.environment());
    eventually("all that was written is settled", || world.spooled().is_empty()).await;
    process.kill();

    let sent: Vec<_> = node.orders().iter().map(|order| (order.boot_id, order.sequence)).collect();
    assert_eq!(sent, orders, "each one, in the order in which it was taken");
    let captured: Vec<_> = node.seen().iter().map(|frame| frame.creation_timestamp).collect();
    let back = captured.windows(2).filter(|pair| pair[0] - pair[1] > BACK.as_secs_f64() / 2.0).count();
    assert_eq!(back, 1, "the clock was set back once: {captured:?}");
}
