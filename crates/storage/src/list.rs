//! Listing a prefix, and keeping only the newest of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::SystemTime;

use bytes::Bytes;
use s3::command::Command;
use s3::serde_types::ListBucketResult;

use crate::delete::MAX_KEYS;
use crate::key::check_prefix;
use crate::{Entry, Error, Key, Operation, Store, Target};

/// What S3 gives in one page at most.
const PAGE: usize = 1000;
/// A page of 1,000 keys of 1,024 bytes, each character escaped, with room to spare.
const MAX_PAGE_BYTES: u64 = 16 << 20;

struct Page {
    entries: Vec<Entry>,
    /// Where the next page starts, if there is one.
    next: Option<String>,
}

impl Store {
    /// Lists objects whose key starts with `prefix`, in the order of their keys, page by page until
    /// there are `max` of them or no more. Objects whose name is not a [`Key`] (such as the
    /// `folder/` that some tools leave) are passed over.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `prefix` has a control character or is longer than a key, and what all
    /// operations can fail with, see [`put`](Self::put).
    pub async fn list(&self, prefix: &str, max: usize) -> Result<Vec<Entry>, Error> {
        let target = self.listing(Operation::List, prefix)?;
        let mut found = Vec::new();
        let mut from = None;
        while found.len() < max {
            let page = self.page(&target, prefix, from, PAGE.min(max - found.len())).await?;
            found.extend(page.entries);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Deletes what has this prefix except the newest `keep` by the store's own last-modified time
    /// (of the same time: by key) and except every key that `protected` names. Returns how many
    /// were deleted. Protected ones among the newest count towards `keep`.
    ///
    /// Memory grows with `keep`, not with the number of objects. An object that is overwritten
    /// while this runs may be deleted with its new body; use a key once.
    ///
    /// # Errors
    /// [`Error::Undeleted`] if the store keeps some, and those of [`list`](Self::list). Whatever
    /// was deleted before the error stays deleted.
    pub async fn prune(
        &self,
        prefix: &str,
        keep: usize,
        protected: impl Fn(&Key) -> bool,
    ) -> Result<usize, Error> {
        let target = self.listing(Operation::List, prefix)?;
        // The oldest of the newest is on top.
        let mut newest: BinaryHeap<Reverse<(SystemTime, Key)>> = BinaryHeap::new();
        let mut surplus = Vec::new();
        let mut deleted = 0;
        let mut from = None;
        loop {
            let page = self.page(&target, prefix, from, PAGE).await?;
            for entry in page.entries {
                newest.push(Reverse((entry.last_modified, entry.key)));
                if newest.len() > keep
                    && let Some(Reverse((_, key))) = newest.pop()
                    && !protected(&key)
                {
                    surplus.push(key);
                }
            }
            from = page.next;
            if surplus.len() >= MAX_KEYS || from.is_none() {
                deleted += self.delete_many(&std::mem::take(&mut surplus)).await?;
            }
            if from.is_none() {
                return Ok(deleted);
            }
        }
    }

    pub(crate) fn listing(&self, operation: Operation, prefix: &str) -> Result<Target, Error> {
        let target = self.target(operation, Some(prefix));
        match check_prefix(prefix) {
            Ok(()) => Ok(target),
            Err(error) => Err(Error::Invalid { target: Box::new(target), reason: error.to_string() }),
        }
    }

    /// One page of at most `max` keys; fewer if some are no keys of ours.
    async fn page(
        &self,
        target: &Target,
        prefix: &str,
        from: Option<String>,
        max: usize,
    ) -> Result<Page, Error> {
        let bad = |reason: String| Error::Protocol { target: Box::new(target.clone()), reason };
        let document = self.run(target, async |attempt| {
            let command = Command::ListObjectsV2 {
                prefix: prefix.to_owned(),
                delimiter: None,
                continuation_token: from.clone(),
                start_after: None,
                max_keys: Some(max),
            };
            let transport = self.transport();
            let response = transport.send(&attempt.signer, target, "/", command, Bytes::new()).await?;
            transport.read(target, response, MAX_PAGE_BYTES).await
        });
        let document = document.await?;
        let document = std::str::from_utf8(&document).map_err(|error| bad(error.to_string()))?;
        let result: ListBucketResult =
            quick_xml::de::from_str(document).map_err(|error| bad(format!("a listing: {error}")))?;
        let next = result.is_truncated.then_some(result.next_continuation_token).flatten();
        if result.is_truncated && (next.is_none() || next == from) {
            return Err(bad("a listing that goes on but does not say where".into()));
        }
        let mut entries = Vec::with_capacity(result.contents.len());
        for object in result.contents {
            let Ok(key) = Key::new(&object.key) else {
                tracing::debug!(key = ?object.key, "passing over an object whose name is no key");
                continue;
            };
            let time: jiff::Timestamp = object
                .last_modified
                .parse()
                .map_err(|error| bad(format!("last modified {:?}: {error}", object.last_modified)))?;
            entries.push(Entry { key, bytes: object.size, last_modified: time.into() });
        }
        Ok(Page { entries, next })
    }

    /// Lists one key, which needs the bucket, the credentials and the store's index.
    pub(crate) async fn first_page(&self, operation: Operation) -> Result<(), Error> {
        let target = self.target(operation, None);
        self.page(&target, "", None, 1).await.map(drop)
    }
}
