//! [`Used`]: the logins that were answered, so that no answer counts twice.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Most that are remembered at a time.
const MOST: usize = 10_000;

/// The handles of logins that were answered, each until its cookie has ended.
#[derive(Debug, Default)]
pub(super) struct Used(Mutex<HashMap<String, f64>>);

impl Used {
    /// Takes the one answer to a login that ends at `until`; `false` when it was taken before. Of too many, the
    /// login that ends first is forgotten: the provider knows too which of its codes were used.
    pub(super) fn take(&self, handle: &str, until: f64, now: f64) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains_key(handle) {
            return false;
        }
        if used.len() >= MOST {
            used.retain(|_, until| now < *until);
        }
        if used.len() >= MOST
            && let Some(first) = used.iter().min_by(|one, other| one.1.total_cmp(other.1))
        {
            let first = first.0.clone();
            used.remove(&first);
        }
        used.insert(handle.to_owned(), until);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_answered_once_and_the_memory_is_bounded() {
        let used = Used::default();
        assert!(used.take("a", 10.0, 0.0));
        assert!(!used.take("a", 10.0, 0.0));
        assert!(used.take("last", 30.0, 0.0));
        for n in 2..MOST {
            assert!(used.take(&n.to_string(), 20.0, 0.0));
        }
        assert!(used.take("b", 20.0, 9.0), "however many came, a new one is let in");
        assert!(!used.take("b", 20.0, 9.0));
        assert!(used.take("a", 10.0, 9.0), "what ended first was forgotten for it");
        assert!(!used.take("last", 30.0, 10.0));
        assert!(used.0.lock().unwrap().len() <= MOST);
    }
}
