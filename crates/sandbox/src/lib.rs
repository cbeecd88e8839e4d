//! An MQTT broker, an S3 object store and a faulty network inside this process.
//!
//! Meant for demonstrations that must run without installing anything, and for tests that need a
//! real broker, a real store and an outage at a chosen moment. Everything listens on 127.0.0.1, on a
//! free port unless one is given, keeps that port while it is stopped, and ends when it is dropped.
//!
//! * [`Broker`]: MQTT 3.1.1 and 5 on one port, TLS and WebSocket on others.
//! * [`ObjectStore`]: the part of S3 that applications use, with signature version 4.
//! * [`Proxy`]: stands between a client and either of them and breaks the connection on demand.
//! * [`Certificates`]: an authority, a server and a client, for tests of TLS.
//!
//! ```
//! # async fn example() -> Result<(), iot_sandbox::Error> {
//! use iot_sandbox::{Broker, BrokerOptions, Fault, ObjectStore, Proxy, StoreOptions};
//!
//! let mut broker = Broker::start(BrokerOptions::default()).await?;
//! let store = ObjectStore::start(StoreOptions::default()).await?;
//! let network = Proxy::start(store.addr()).await?;
//! println!("{} {} {}", broker.url(), store.endpoint(), network.addr());
//!
//! broker.stop().await; // connections are closed, the port is refused
//! broker.restart().await?; // the same port again
//! network.set(Fault::HalfOpen).await; // every connection falls silent
//! # Ok(())
//! # }
//! ```
//!
//! # Logs
//!
//! All three log through `tracing`. The libraries underneath are talkative: a client that merely
//! went away is a warning to them. [`QUIET`] is the filter that silences them.
#![deny(missing_docs)]

mod broker;
mod certificates;
mod error;
mod port;
mod proxy;
mod store;

pub use broker::{Broker, BrokerOptions, BrokerTls, User};
pub use certificates::Certificates;
pub use error::Error;
pub use port::free_port;
pub use proxy::{Fault, Proxy};
pub use store::{ObjectStore, StoreOptions};

/// Directives for `tracing_subscriber::EnvFilter` that keep the libraries underneath quiet.
///
/// `mqtt5` warns about every connection that ends without a DISCONNECT and about every message it
/// drops from a full queue; in a test of outages that is the expected course of things. Leave the
/// directive away when messages are missing: the dropped ones are named in the log.
pub const QUIET: &str = "mqtt5=error,s3s=warn,hyper=warn";
