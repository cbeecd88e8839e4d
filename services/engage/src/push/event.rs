//! [`Event`]: what sinks tell other systems.

use people_counter_events::{Alert, AlertEvent, AlertState, AlertType, Happened, Severity};
use uuid::Uuid;

use super::rules::Change;

/// Something that happened to an alert, or a test.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// The same whenever the same thing is told again.
    pub(super) id: Uuid,
    pub(super) kind: Kind,
    /// The alert after it; one that was cleared as it was last.
    pub(super) alert: Alert,
    /// When, Unix seconds.
    pub(super) at: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Alert(Happened),
    /// An operator looks whether it arrives.
    Test,
}

impl Kind {
    /// A name for programs.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Alert(happened) => happened.as_str(),
            Self::Test => "test",
        }
    }
}

impl Event {
    pub(super) fn of(change: &Change) -> Self {
        let alert = change.alert.clone();
        let derived = |text: String| Uuid::new_v5(&alert.event_id, text.as_bytes());
        let id = match change.happened {
            // an alert begins and ends once, but may become unknown and active again many times
            Happened::Raised => alert.event_id,
            Happened::Cleared => derived("cleared".into()),
            Happened::Unknown | Happened::Active => {
                derived(format!("{} {:.3}", change.happened.as_str(), change.at))
            }
        };
        Self { id, kind: Kind::Alert(change.happened), alert, at: change.at }
    }

    /// One that a predecessor has left.
    pub(super) fn left(event: &AlertEvent) -> Self {
        let kind = Kind::Alert(event.happened);
        Self { id: event.event_id, kind, alert: event.alert.clone(), at: event.timestamp }
    }

    /// A test, marked as such.
    pub(super) fn test(now: f64) -> Self {
        let id = Uuid::new_v4();
        let alert = Alert {
            kind: AlertType::Alert,
            rule: "test".into(),
            target: "test".into(),
            sum: true,
            state: AlertState::Active,
            severity: Severity::Info,
            message: "This is a test of People Counter, nothing has happened".into(),
            since_timestamp: (now * 1000.0).round() / 1000.0,
            value: None,
            event_id: id,
        };
        Self { id, kind: Kind::Test, alert, at: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::samples::alert;

    #[test]
    fn an_event_told_again_has_its_id_again_and_no_other_has() {
        let mut alert = alert("rule", "cam-1");
        alert.event_id = Uuid::new_v4();
        let id = |happened, at| Event::of(&Change { happened, alert: alert.clone(), at }).id;
        assert_eq!(id(Happened::Raised, 1.0), alert.event_id);
        assert_eq!(id(Happened::Cleared, 1.0), id(Happened::Cleared, 2.0), "an alert ends once");
        assert_eq!(id(Happened::Unknown, 1.0), id(Happened::Unknown, 1.0));
        let all = [
            id(Happened::Raised, 1.0),
            id(Happened::Unknown, 1.0),
            id(Happened::Active, 1.0),
            id(Happened::Unknown, 2.0),
            id(Happened::Cleared, 2.0),
        ];
        let different: std::collections::BTreeSet<_> = all.into_iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
