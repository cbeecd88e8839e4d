//! The web server: page, REST, stream, health and metrics.

mod admission;
mod alerts;
mod assets;
mod connection;
mod cookie;
mod devices;
mod events;
mod guard;
mod health;
mod history;
mod identity;
mod image;
mod link;
mod nodes;
mod oidc;
mod openapi;
mod origin;
mod peer;
mod pieces;
mod problem;
mod query;
mod reports;
mod routes;
mod server;
mod session;
mod summary;
mod tls;
mod version;

use std::sync::Arc;

use iot_chassis::{Stop, Telemetry};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Access;
use crate::board::Board;
use crate::config::Http;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::pictures::Pictures;
use crate::removal::Removal;

pub use connection::Deadline;
pub use origin::is_own_host;
pub use pieces::in_pieces;
pub use problem::Problem;
pub use routes::{ENDPOINTS, Endpoint, Needs};
pub use server::{PortTaken, Server, bind};
pub use tls::Certificate;

/// What the handlers share.
pub struct App {
    /// The state.
    pub board: Arc<Board>,
    /// The stream's messages.
    pub feed: Arc<Feed>,
    /// The pictures.
    pub pictures: Pictures,
    /// Who may see what.
    pub access: Access,
    /// Whether browsers may send the session cookie over TLS alone.
    pub secure_cookies: bool,
    /// Takes devices away.
    pub removal: Removal,
    /// A place for each viewer.
    pub viewers: Arc<Semaphore>,
    /// What is counted.
    pub metrics: Metrics,
    /// Health, and everything that is counted.
    pub telemetry: Telemetry,
    /// Settings of the web server.
    pub settings: Http,
    /// Says that the service stops.
    pub stop: Stop,
}

impl App {
    /// A place for one more viewer.
    ///
    /// # Errors
    /// When there is none.
    pub fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.viewers).try_acquire_owned().map_err(|_| {
            self.metrics.viewers_refused.inc();
            Problem::unavailable("viewers", "there are as many viewers as allowed, try again later")
        })
    }
}
