//! [`Removal`]: takes a device away, for every replica and for good.

use std::sync::{Arc, OnceLock};

use anyhow::Context;
use iot_mqtt::{Client, Message};
use iot_storage::Store;
use people_counter_events::{DeviceID, Topics};

/// Clears what the broker keeps of a device and deletes its pictures.
pub struct Removal {
    topics: Topics,
    store: Store,
    client: Arc<OnceLock<Client>>,
}

impl Removal {
    /// Removes by this connection, once it is there.
    pub fn new(topics: Topics, store: Store, client: Arc<OnceLock<Client>>) -> Self {
        Self { topics, store, client }
    }

    /// Removes a device. One that runs comes back with its next birth.
    ///
    /// # Errors
    /// Says what is still there.
    pub async fn remove(&self, id: &DeviceID) -> anyhow::Result<()> {
        let client =
            self.client.get().context("there is no connection to the broker yet, try again later")?;
        // the status first: without it the device is gone for every reader, whatever becomes of the rest
        let Topics { status, counts, failure, .. } = &self.topics;
        let names = [status.name(&[id.as_str()]), counts.name(&[id.as_str()]), failure.name(&[id.as_str()])];
        for name in names {
            let topic = name.context("the device has no topic")?;
            let cleared = client.publish(Message::clear(&topic)).await;
            cleared.with_context(|| format!("cannot clear {topic}, remove the device again"))?;
        }
        let pictures = self.store.prune(&format!("{id}."), 0, |_| false).await;
        let pictures = pictures.with_context(|| {
            format!(
                "device {id} is removed, but its pictures are not: allow engage to list and delete in the bucket, or \
                 delete {id}.* there"
            )
        })?;
        tracing::info!(%id, pictures, "removed a device");
        Ok(())
    }
}
