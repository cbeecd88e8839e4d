//! What the store holds, in memory: every listing, every "is it there?", and the order of age.

use super::object::Meta;
use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;
use std::time::SystemTime;

/// Counts the objects as they come, so that the oldest is known even when the clock is set back.
type Age = u64;

#[derive(Debug, Default)]
pub(super) struct Index {
    buckets: BTreeMap<String, Bucket>,
    /// Bucket and key of every object, the oldest first.
    ages: BTreeMap<Age, (String, String)>,
    next: Age,
    bytes: u64,
}

#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) created: SystemTime,
    objects: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    meta: Arc<Meta>,
    age: Age,
}

impl Index {
    /// Bytes of all bodies.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn buckets(&self) -> impl Iterator<Item = (&String, &Bucket)> {
        self.buckets.iter()
    }

    pub(super) fn bucket(&self, name: &str) -> Option<&Bucket> {
        self.buckets.get(name)
    }

    /// Says whether it is new.
    pub(super) fn add_bucket(&mut self, name: &str, created: SystemTime) -> bool {
        match self.buckets.entry(name.to_owned()) {
            btree_map::Entry::Occupied(_) => false,
            btree_map::Entry::Vacant(place) => {
                place.insert(Bucket { created, objects: BTreeMap::new() });
                true
            }
        }
    }

    /// Forgets a bucket that is empty.
    pub(super) fn remove_bucket(&mut self, name: &str) {
        if self.bucket(name).is_some_and(Bucket::is_empty) {
            self.buckets.remove(name);
        }
    }

    /// Adds an object, now the youngest, in place of one of the same key. Nothing happens when
    /// there is no such bucket.
    pub(super) fn insert(&mut self, bucket: &str, meta: Meta) {
        self.remove(bucket, &meta.key);
        let Some(objects) = self.buckets.get_mut(bucket).map(|bucket| &mut bucket.objects) else { return };
        let age = self.next;
        self.next += 1;
        self.bytes += meta.size;
        self.ages.insert(age, (bucket.to_owned(), meta.key.clone()));
        objects.insert(meta.key.clone(), Entry { meta: Arc::new(meta), age });
    }

    /// Says whether it was there.
    pub(super) fn remove(&mut self, bucket: &str, key: &str) -> bool {
        let removed = self.buckets.get_mut(bucket).and_then(|bucket| bucket.objects.remove(key));
        if let Some(entry) = &removed {
            self.ages.remove(&entry.age);
            self.bytes -= entry.meta.size;
        }
        removed.is_some()
    }

    /// Bucket and key of the oldest object.
    pub(super) fn oldest(&self) -> Option<&(String, String)> {
        self.ages.values().next()
    }
}

impl Bucket {
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Arc<Meta>> {
        self.objects.get(key).map(|entry| &entry.meta)
    }

    /// The objects from `key` on, in the order of their keys.
    pub(super) fn from<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a Arc<Meta>> + use<'a> {
        self.objects.range(key.to_owned()..).map(|(_, entry)| &entry.meta)
    }
}

#[cfg(test)]
impl Bucket {
    pub(super) fn with_keys(keys: &[&str]) -> Self {
        let mut index = Index::default();
        index.add_bucket("bucket", SystemTime::UNIX_EPOCH);
        for key in keys {
            index.insert("bucket", tests::meta(key, 1));
        }
        index.buckets.remove("bucket").unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn meta(key: &str, size: u64) -> Meta {
        Meta::new(key.into(), size, "etag".into(), Default::default(), SystemTime::UNIX_EPOCH)
    }

    fn index() -> Index {
        let mut index = Index::default();
        assert!(index.add_bucket("one", SystemTime::UNIX_EPOCH));
        assert!(index.add_bucket("two", SystemTime::UNIX_EPOCH));
        index
    }

    #[test]
    fn bytes_and_age_follow_what_is_put_replaced_and_removed() {
        let mut index = index();
        index.insert("one", meta("a", 10));
        index.insert("two", meta("b", 20));
        assert_eq!((index.bytes(), index.oldest().unwrap().1.as_str()), (30, "a"));
        index.insert("one", meta("a", 5));
        assert_eq!((index.bytes(), index.oldest().unwrap().1.as_str()), (25, "b"));
        assert!(index.remove("two", "b"));
        assert!(!index.remove("two", "b"));
        assert_eq!((index.bytes(), index.oldest().unwrap().1.as_str()), (5, "a"));
        assert!(index.remove("one", "a"));
        assert_eq!((index.bytes(), index.oldest()), (0, None));
    }

    #[test]
    fn a_bucket_is_added_once_and_goes_only_when_empty() {
        let mut index = index();
        assert!(!index.add_bucket("one", SystemTime::UNIX_EPOCH));
        index.insert("one", meta("a", 1));
        index.remove_bucket("one");
        assert!(index.bucket("one").is_some());
        index.remove("one", "a");
        index.remove_bucket("one");
        assert!(index.bucket("one").is_none());
        index.insert("one", meta("a", 1));
        assert_eq!(index.bytes(), 0);
    }
}
