//! Which of a device's pictures leave the store.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use iot_storage::{Error, Key, Store};
use people_counter_events::{DeviceID, FrameID};

/// Most objects that are looked at in one go. They come by name, so oldest frames first: what is beyond has
/// its turn the next time.
const MAX_LISTED: usize = 20_000;

/// Which frames stay in any case.
pub struct Protected {
    /// These.
    pub frames: HashSet<FrameID>,
    /// And those that are younger than this moment, by their ids: a listing may take long, and what is stored
    /// meanwhile is in it.
    pub since: FrameID,
}

impl Protected {
    /// Protects `frames`, and all that come from now on.
    pub fn from_now_on(frames: HashSet<FrameID>) -> Self {
        Self { frames, since: FrameID::now_v7() }
    }

    fn contains(&self, frame: &FrameID) -> bool {
        *frame >= self.since || self.frames.contains(frame)
    }
}

/// Deletes the device's frames, originals and previews, but for the newest `keep` by the store's clock and
/// those in `protected`. Returns how many objects went.
///
/// # Errors
/// When the store cannot be listed or keeps some.
pub async fn prune(
    store: &Store,
    device: &DeviceID,
    keep: usize,
    protected: &Protected,
) -> Result<usize, Error> {
    let listed = store.list(&format!("{device}."), MAX_LISTED).await?;
    let objects = listed.into_iter().map(|entry| (entry.key, entry.last_modified)).collect();
    let surplus = surplus(objects, device, keep, protected);
    if surplus.is_empty() { Ok(0) } else { store.delete_many(&surplus).await }
}

/// How often to prune: when about half as many frames as are kept have come.
pub fn pause(interval: Duration, keep: usize) -> Duration {
    let frames = u32::try_from(keep / 2).unwrap_or(u32::MAX).max(1);
    interval.saturating_mul(frames).clamp(Duration::from_secs(1), Duration::from_secs(60))
}

/// A frame with what belongs to it in the store.
struct Stored {
    last_modified: SystemTime,
    keys: Vec<Key>,
}

fn surplus(
    objects: Vec<(Key, SystemTime)>,
    device: &DeviceID,
    keep: usize,
    protected: &Protected,
) -> Vec<Key> {
    let mut frames: HashMap<FrameID, Stored> = HashMap::new();
    for (key, last_modified) in objects {
        // whatever else lies under this prefix is not ours
        let Some(frame) = frame_of(&key, device) else { continue };
        let stored = frames.entry(frame).or_insert(Stored { last_modified, keys: Vec::new() });
        stored.last_modified = stored.last_modified.max(last_modified);
        stored.keys.push(key);
    }
    let mut frames: Vec<_> = frames.into_iter().collect();
    // newest first; of the same second by id, which begins with the time too
    frames.sort_unstable_by_key(|(frame, stored)| std::cmp::Reverse((stored.last_modified, *frame)));
    frames
        .into_iter()
        .skip(keep)
        .filter(|(frame, _)| !protected.contains(frame))
        .flat_map(|(_, stored)| stored.keys)
        .collect()
}

/// The frame whose original or preview this is.
fn frame_of(key: &Key, device: &DeviceID) -> Option<FrameID> {
    let rest = key.as_str().strip_prefix(device.as_str())?.strip_prefix('.')?.strip_suffix(".jpg")?;
    rest.strip_suffix(".preview").unwrap_or(rest).parse().ok()
}

#[cfg(test)]
mod tests {
    use people_counter_events::{frame_key, preview_key};

    use super::*;

    fn device() -> DeviceID {
        "cam-1".parse().unwrap()
    }

    fn frame(number: u128) -> FrameID {
        FrameID::from_u128(number)
    }

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn key(name: String) -> Key {
        Key::new(&name).unwrap()
    }

    fn protected<const N: usize>(frames: [FrameID; N]) -> Protected {
        Protected::from_now_on(HashSet::from(frames))
    }

    #[test]
    fn the_newest_by_the_stores_clock_stay_with_their_previews() {
        let device = device();
        // the camera's clock was set back, so the ids are not in the order of time
        let mut objects = Vec::new();
        for (number, second) in [(1, 40), (2, 10), (3, 20), (4, 30)] {
            objects.push((key(frame_key(&device, frame(number))), at(second)));
            objects.push((key(preview_key(&device, frame(number))), at(second + 1)));
        }
        let mut gone = surplus(objects, &device, 2, &protected([]));
        gone.sort_unstable();
        let mut expected = Vec::new();
        for number in [2, 3] {
            expected.push(key(frame_key(&device, frame(number))));
            expected.push(key(preview_key(&device, frame(number))));
        }
        assert_eq!(gone, expected);
    }

    #[test]
    fn protected_and_foreign_objects_stay() {
        let device = device();
        let objects = vec![
            (key(frame_key(&device, frame(1))), at(1)),
            (key(frame_key(&device, frame(2))), at(2)),
            (key("cam-1.readme.txt".into()), at(0)),
            (key("cam-10.00000000-0000-0000-0000-000000000001.jpg".into()), at(0)),
            (key("cam-1.00000000-0000-0000-0000-000000000001.png".into()), at(0)),
            (key(frame_key(&device, frame(3))), at(3)),
        ];
        let gone = surplus(objects, &device, 1, &protected([frame(1)]));
        assert_eq!(gone, [key(frame_key(&device, frame(2)))]);
    }

    #[test]
    fn frames_that_come_while_the_store_is_listed_stay() {
        let device = device();
        let protected = Protected::from_now_on(HashSet::new());
        let late: Vec<FrameID> = (0..3).map(|_| FrameID::now_v7()).collect();
        let mut objects: Vec<_> = late.iter().map(|id| (key(frame_key(&device, *id)), at(20))).collect();
        objects.push((key(frame_key(&device, frame(1))), at(10)));
        assert_eq!(surplus(objects, &device, 1, &protected), [key(frame_key(&device, frame(1)))]);
    }

    #[test]
    fn pruning_follows_the_pace() {
        assert_eq!(pause(Duration::from_millis(100), 10), Duration::from_secs(1));
        assert_eq!(pause(Duration::from_secs(2), 10), Duration::from_secs(10));
        assert_eq!(pause(Duration::from_secs(3600), 1), Duration::from_secs(60));
    }
}
