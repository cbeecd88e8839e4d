//! What the broker keeps of alerts: themselves, events that somebody is still to be told, and waits.

use people_counter_events::{AlertEvent, AlertWait, Rejected, Topics, decode};

use crate::board::Board;
use crate::state::Outcome;

/// A topic that names something else than its message.
fn other(name: &str) -> Rejected {
    Rejected::Topic(name.chars().take(100).collect())
}

/// Takes an alert; an empty message clears it.
pub(super) fn alert(topics: &Topics, board: &Board, name: &str, payload: &[u8]) -> Result<Outcome, Rejected> {
    let params = topics.alerts.parse(name).ok_or_else(|| other(name))?;
    let &[rule, target] = params.as_slice() else { return Err(other(name)) };
    if payload.is_empty() {
        return Ok(board.update(|state| state.alert_cleared(rule, target)));
    }
    let alert = decode(&topics.alerts, name, payload)?;
    if (alert.rule.as_str(), alert.target.as_str()) != (rule, target) {
        return Err(other(name));
    }
    Ok(board.update(|state| state.alert(alert)))
}

/// Takes an event that is still to be told; an empty message says that it was.
pub(super) fn event(topics: &Topics, board: &Board, name: &str, payload: &[u8]) -> Result<Outcome, Rejected> {
    let params = topics.events.parse(name).ok_or_else(|| other(name))?;
    let &[rule, target, id] = params.as_slice() else { return Err(other(name)) };
    let id = id.parse::<uuid::Uuid>().map_err(|_| other(name))?;
    if payload.is_empty() {
        return Ok(board.update(|state| state.alert_event_told(&id)));
    }
    let event: AlertEvent = decode(&topics.events, name, payload)?;
    let alert = &event.alert;
    if (alert.rule.as_str(), alert.target.as_str(), event.event_id) != (rule, target, id) {
        return Err(other(name));
    }
    Ok(board.update(|state| state.alert_event(event)))
}

/// Takes a wait; an empty message ends it.
pub(super) fn wait(topics: &Topics, board: &Board, name: &str, payload: &[u8]) -> Result<Outcome, Rejected> {
    let params = topics.waits.parse(name).ok_or_else(|| other(name))?;
    let &[rule, target] = params.as_slice() else { return Err(other(name)) };
    if payload.is_empty() {
        return Ok(board.update(|state| state.alert_wait_over(rule, target)));
    }
    let wait: AlertWait = decode(&topics.waits, name, payload)?;
    if (wait.rule.as_str(), wait.target.as_str()) != (rule, target) {
        return Err(other(name));
    }
    Ok(board.update(|state| state.alert_wait(wait)))
}
