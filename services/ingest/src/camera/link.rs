//! [`Link`]: a device's connection to the broker, and whether the broker has told what it keeps of it.

use std::sync::Arc;
use std::time::Duration;

use iot_mqtt::{Client, ConfigError, Inbox, Options, State};
use people_counter_events::{DeviceID, Topics};
use tokio::sync::watch;

use super::board::{Board, WILL_DELAY};
use crate::ledger::Instant;

/// There is no end mark behind retained messages: silence for this long after the subscription is one.
const QUIET: Duration = Duration::from_millis(250);

/// Longest wait for that silence.
const QUIET_MAX: Duration = Duration::from_secs(2);

/// Names of one device's topics.
#[derive(Debug, Clone)]
pub struct Names {
    pub status: String,
    pub frames: String,
    pub counts: String,
    pub failure: String,
    pub commands: String,
    /// Filter of the statuses of all inference nodes.
    pub nodes: String,
}

impl Names {
    /// Those of `device`.
    ///
    /// # Errors
    /// None for a valid device id.
    pub fn new(topics: &Topics, device: &DeviceID) -> anyhow::Result<Self> {
        let device = [device.as_str()];
        Ok(Self {
            status: topics.status.name(&device)?,
            frames: topics.frames.name(&device)?,
            counts: topics.counts.name(&device)?,
            failure: topics.failure.name(&device)?,
            commands: topics.commands.name(&device)?,
            nodes: topics.nodes.filter_with(&[Some("inference"), None])?,
        })
    }
}

/// What it takes to connect.
#[derive(Debug, Clone)]
pub struct Call {
    /// The broker, and who the device is to it.
    pub config: iot_mqtt::Config,
    pub client_id: String,
    pub names: Names,
    pub metrics: iot_mqtt::Metrics,
}

/// What a change of the connection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing has changed.
    None,
    /// The connection is gone, or is another one.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not connected, or not subscribed yet.
    Away,
    /// The broker is telling what it keeps.
    Listening { quiet_at: Instant, deadline: Instant },
    /// It has told.
    Ready,
}

/// The connection.
pub struct Link {
    pub client: Client,
    pub state: watch::Receiver<State>,
    pub status: Inbox,
    pub counts: Inbox,
    pub failure: Inbox,
    pub commands: Inbox,
    pub nodes: Inbox,
    connection: u64,
    phase: Phase,
}

impl Link {
    /// Starts to connect.
    ///
    /// # Errors
    /// A file that the configuration names cannot be read.
    pub fn open(call: &Call, board: &Arc<Board>) -> Result<Self, ConfigError> {
        let (mut config, names) = (call.config.clone(), &call.names);
        // the delay of a will ends with the session
        config.session_expiry = config.session_expiry.max(2 * WILL_DELAY);
        let mut options = Options::new(config, &call.client_id)?;
        options.metrics(call.metrics.clone());
        let [status, counts, failure, commands, nodes] =
            [&names.status, &names.counts, &names.failure, &names.commands, &names.nodes]
                .map(|filter| options.subscribe(filter));
        options.presence(board.presence());
        let client = options.connect();
        let state = client.state();
        let (connection, phase) = (0, Phase::Away);
        Ok(Self { client, state, status, counts, failure, commands, nodes, connection, phase })
    }

    /// Number of the connection that [`Link::follow`] saw last.
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Whether the broker is there and has told what it keeps.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Why there is no connection, if that is known.
    pub fn last_error(&self) -> Option<String> {
        self.state.borrow().last_error.clone()
    }

    /// Catches up with the connection. To be called before anything that came on it is handled.
    pub fn follow(&mut self, now: Instant) -> Turn {
        let state = self.state.borrow_and_update().clone();
        let another = state.connection != self.connection;
        let lost = another || (!state.subscribed && self.phase != Phase::Away);
        if lost {
            self.connection = state.connection;
            self.phase = Phase::Away;
        }
        if state.subscribed && self.phase == Phase::Away {
            self.phase = Phase::Listening { quiet_at: now + QUIET, deadline: now + QUIET_MAX };
        }
        if lost { Turn::Lost } else { Turn::None }
    }

    /// A retained message came.
    pub fn heard_retained(&mut self, now: Instant) {
        if let Phase::Listening { quiet_at, .. } = &mut self.phase {
            *quiet_at = now + QUIET;
        }
    }

    /// When the broker is taken to have told everything.
    pub fn listens_until(&self) -> Option<Instant> {
        match self.phase {
            Phase::Listening { quiet_at, deadline } => Some(quiet_at.min(deadline)),
            _ => None,
        }
    }

    /// It has.
    pub fn set_ready(&mut self) {
        self.phase = Phase::Ready;
    }
}
