//! [`Used`]: the logins that were answered, so that no answer counts twice.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Most that are remembered at a time.
const MOST: usize = 10_000;

/// The handles of logins that were answered, each until its cookie has ended.
#[derive(Debug, Default)]
pub(super) struct Used(Mutex<HashMap<String, f64>>);

impl Used {
    /// Takes the one answer to a login that ends at `until`; `false` when it was taken before, or too many are
    /// remembered to tell.
    pub(super) fn take(&self, handle: &str, until: f64, now: f64) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MOST {
            used.retain(|_, until| now < *until);
        }
        used.len() < MOST && used.insert(handle.to_owned(), until).is_none()
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
        for n in 1..MOST {
            assert!(used.take(&n.to_string(), 20.0, 0.0));
        }
        assert!(!used.take("b", 20.0, 9.0), "nothing can be forgotten yet");
        assert!(used.take("b", 20.0, 10.0));
        assert!(!used.take("1", 20.0, 19.0));
    }
}
