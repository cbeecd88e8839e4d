//! One page of a listing.

use super::index::Bucket;
use super::object::Meta;
use std::sync::Arc;

/// What is to be listed.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    pub(super) prefix: &'a str,
    /// Keys that have it after the prefix are not listed one by one but by what they share up to
    /// and including it. Empty: every key for itself.
    pub(super) delimiter: &'a str,
    /// Only keys after this one.
    pub(super) start_after: &'a str,
    /// Where the page before ended: its [`Page::next`].
    pub(super) from: Option<&'a str>,
    /// Objects and common prefixes together.
    pub(super) max: usize,
}

#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Arc<Meta>>,
    pub(super) prefixes: Vec<String>,
    /// The first key that is not on this page, if there is one.
    pub(super) next: Option<String>,
}

impl Query<'_> {
    pub(super) fn run(&self, bucket: &Bucket) -> Page {
        let mut page = Page::default();
        let mut from = self.from.unwrap_or_default().max(self.prefix).max(self.start_after).to_owned();
        // A shared prefix ends the inner loop, which goes on behind all keys that share it.
        while let Some(behind) = self.fill(&mut page, bucket, &from) {
            from = behind;
        }
        page
    }

    /// Fills the page from key `from` on, up to and including the next common prefix. Returns where
    /// to go on, if there is more to come.
    fn fill(&self, page: &mut Page, bucket: &Bucket, from: &str) -> Option<String> {
        for meta in bucket.from(from) {
            let rest = meta.key.strip_prefix(self.prefix)?;
            if meta.key == self.start_after {
                continue;
            }
            let shared = self.shared(&meta.key, rest);
            if shared.is_some_and(|shared| self.start_after.starts_with(shared)) {
                continue; // the caller has had this prefix
            }
            if page.objects.len() + page.prefixes.len() >= self.max {
                page.next = (self.max > 0).then(|| meta.key.clone());
                return None;
            }
            let Some(shared) = shared else {
                page.objects.push(Arc::clone(meta));
                continue;
            };
            page.prefixes.push(shared.to_owned());
            return Some(format!("{shared}{}", char::MAX));
        }
        None
    }

    fn shared<'k>(&self, key: &'k str, rest: &str) -> Option<&'k str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let length = rest.find(self.delimiter)? + self.delimiter.len();
        Some(&key[..key.len() - rest.len() + length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(page: &Page) -> Vec<&str> {
        page.objects.iter().map(|meta| meta.key.as_str()).collect()
    }

    /// Every page of the query, as keys and prefixes.
    fn pages(bucket: &Bucket, query: Query<'_>) -> Vec<(Vec<String>, Vec<String>)> {
        let mut pages = Vec::new();
        let mut from: Option<String> = None;
        loop {
            let page = Query { from: from.as_deref(), ..query }.run(bucket);
            pages.push((keys(&page).into_iter().map(str::to_owned).collect(), page.prefixes));
            match page.next {
                Some(next) => from = Some(next),
                None => return pages,
            }
        }
    }

    #[test]
    fn pages_join_to_the_whole_list_with_nothing_twice() {
        let names: Vec<String> = (0..25).map(|n| format!("a/{n:02}")).collect();
        let bucket = Bucket::with_keys(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for max in [1, 2, 7, 24, 25, 26] {
            let pages = pages(&bucket, Query { prefix: "a/", max, ..Default::default() });
            assert_eq!(pages.len(), names.len().div_ceil(max), "max {max}");
            assert_eq!(pages.concat_keys(), names);
        }
    }

    trait ConcatKeys {
        fn concat_keys(&self) -> Vec<String>;
    }

    impl ConcatKeys for Vec<(Vec<String>, Vec<String>)> {
        fn concat_keys(&self) -> Vec<String> {
            self.iter().flat_map(|(keys, _)| keys.clone()).collect()
        }
    }

    #[test]
    fn common_prefixes_stand_once_on_whatever_page() {
        let bucket = Bucket::with_keys(&["a", "b/1", "b/2", "b/3/x", "c", "d/1", "e"]);
        let whole = Query { delimiter: "/", max: 100, ..Default::default() }.run(&bucket);
        assert_eq!(keys(&whole), ["a", "c", "e"]);
        assert_eq!(whole.prefixes, ["b/", "d/"]);
        for max in 1..6 {
            let pages = pages(&bucket, Query { delimiter: "/", max, ..Default::default() });
            assert_eq!(pages.concat_keys(), ["a", "c", "e"], "max {max}");
            let prefixes: Vec<String> = pages.into_iter().flat_map(|(_, prefixes)| prefixes).collect();
            assert_eq!(prefixes, ["b/", "d/"], "max {max}");
        }
        let inner = Query { prefix: "b/", delimiter: "/", max: 100, ..Default::default() }.run(&bucket);
        assert_eq!((keys(&inner), inner.prefixes.clone()), (vec!["b/1", "b/2"], vec!["b/3/".to_owned()]));
    }

    #[test]
    fn start_after_is_exclusive() {
        let bucket = Bucket::with_keys(&["a", "b", "c/1", "c/2", "d"]);
        let after = |start_after| {
            let page = Query { start_after, delimiter: "/", max: 100, ..Default::default() }.run(&bucket);
            (keys(&page).join(" "), page.prefixes.join(" "))
        };
        assert_eq!(after("a"), ("b d".into(), "c/".into()));
        assert_eq!(after("aa"), ("b d".into(), "c/".into()));
        assert_eq!(after("c/"), ("d".into(), "".into()));
        assert_eq!(after("c/1"), ("d".into(), "".into()));
        assert_eq!(after("d"), ("".into(), "".into()));
    }

    #[test]
    fn a_page_of_nothing_promises_nothing() {
        let bucket = Bucket::with_keys(&["a", "b"]);
        let page = Query { max: 0, ..Default::default() }.run(&bucket);
        assert!(page.objects.is_empty() && page.next.is_none());
    }
}
