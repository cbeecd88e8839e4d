//! [`Shared`]: messages that are made once for all who need the same.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::interest::Interest;
use super::make::{Cursor, Message};
use super::pages::Window;

/// How long a message may be handed to further viewers: its ages are true at its server time.
const SHARED_FOR: Duration = Duration::from_millis(200);

/// Messages in each shard.
const SHARD_MOST: usize = 16;

/// So that viewers with different interests do not wait for each other.
const SHARDS: usize = 16;

/// What makes two messages the same.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    interest: Arc<Interest>,
    known: Option<u64>,
    window: Option<Same>,
}

/// A window by its identity; being held here, no other can take its address.
#[derive(Debug)]
struct Same(Arc<Window>);

impl PartialEq for Same {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Same {}

impl std::hash::Hash for Same {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        Arc::as_ptr(&self.0).hash(hasher);
    }
}

/// Messages and when they were made.
type Shard = HashMap<Key, (Instant, Arc<Message>)>;

/// The messages of the last moments.
#[derive(Debug, Default)]
pub(super) struct Shared {
    shards: [Mutex<Shard>; SHARDS],
    hashing: RandomState,
}

impl Shared {
    /// Forgets all of them.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// The message for who needs this, made by `make` unless there is one that is `usable` still.
    pub(super) fn get(
        &self,
        interest: &Arc<Interest>,
        cursor: &Cursor,
        usable: impl Fn(&Message) -> bool,
        make: impl FnOnce() -> Message,
    ) -> Arc<Message> {
        let window = cursor.window.clone().map(Same);
        let key = Key { interest: Arc::clone(interest), known: cursor.known, window };
        let shard = &self.shards[self.hashing.hash_one(&key) as usize % SHARDS];
        // held while a message is made, so that a thousand viewers in need of the same wait for one
        let mut messages = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh =
            |(made, message): &(Instant, Arc<Message>)| made.elapsed() < SHARED_FOR && usable(message);
        if let Some((_, message)) = messages.get(&key).filter(|entry| fresh(entry)) {
            return Arc::clone(message);
        }
        let message = Arc::new(make());
        messages.retain(|_, entry| fresh(entry));
        if messages.len() < SHARD_MOST {
            messages.insert(key, (Instant::now(), Arc::clone(&message)));
        }
        message
    }
}
