//! [`Health`]: is the service ready, and if not, why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// The checks of one service instance; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Health {
    checks: Arc<Mutex<BTreeMap<String, Option<String>>>>,
}

/// One thing that must be well for the service to be ready.
#[derive(Debug, Clone)]
pub struct Check {
    name: String,
    health: Health,
}

/// A check that is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Name of the check.
    pub check: String,
    /// What is wrong, in one sentence.
    pub problem: String,
}

impl Health {
    /// Adds a check that is not well until it is set.
    pub fn check(&self, name: impl Into<String>) -> Check {
        let name = name.into();
        self.lock().insert(name.clone(), Some("not known yet".into()));
        Check { name, health: self.clone() }
    }

    /// Ready means that every check is well.
    ///
    /// # Errors
    /// All that is not well.
    pub fn ready(&self) -> Result<(), Vec<Problem>> {
        let problems: Vec<Problem> = self
            .lock()
            .iter()
            .filter_map(|(check, problem)| {
                let problem = problem.clone()?;
                Some(Problem { check: check.clone(), problem })
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        self.checks.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

impl Check {
    /// Says how it is.
    pub fn set(&self, state: Result<(), impl Into<String>>) {
        self.health.lock().insert(self.name.clone(), state.err().map(Into::into));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_check_is_well() {
        let health = Health::default();
        assert!(health.ready().is_ok());
        let (broker, store) = (health.check("broker"), health.check("store"));
        assert_eq!(health.ready().unwrap_err().len(), 2);
        broker.set(Ok::<(), String>(()));
        store.set(Err("no answer"));
        let problem = Problem { check: "store".into(), problem: "no answer".into() };
        assert_eq!(health.ready(), Err(vec![problem]));
        store.set(Ok::<(), String>(()));
        assert!(health.ready().is_ok());
    }
}
