//! Broker and store, in this process.

use anyhow::Context;
use iot_sandbox::{Broker, BrokerOptions, ObjectStore, StoreOptions};

/// The bucket for the pictures.
pub(crate) const BUCKET: &str = "people-counter";

/// The embedded broker and store on free loopback ports; their data goes with them.
pub(crate) struct Backends {
    pub(crate) broker: Broker,
    pub(crate) store: ObjectStore,
}

impl Backends {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let broker =
            Broker::start(BrokerOptions::default()).await.context("cannot start the embedded broker")?;
        let store =
            ObjectStore::start(StoreOptions::default()).await.context("cannot start the embedded store")?;
        Ok(Self { broker, store })
    }

    pub(crate) async fn stop(mut self) {
        self.broker.stop().await;
        self.store.stop().await;
    }
}
