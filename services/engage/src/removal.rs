//! [`Removal`]: takes a device away, for every replica and for good.

use std::sync::{Arc, OnceLock};

use anyhow::Context;
use iot_mqtt::{Client, Message};
use iot_storage::Store;
use people_counter_events::{DeviceID, Topics};

use crate::board::Board;
use crate::push;

/// Clears what the broker keeps of a device and deletes its pictures.
pub struct Removal {
    /// Knows the alerts.
    pub board: Arc<Board>,
    /// First levels of all topics.
    pub root: String,
    /// The topics.
    pub topics: Topics,
    /// Knows what else is kept at the broker, for those who are told.
    pub push: push::Config,
    /// Has the pictures.
    pub store: Store,
    /// The connection to the broker, once it is there.
    pub client: Arc<OnceLock<Client>>,
}

impl Removal {
    /// Removes a device. One that runs comes back with its next birth.
    ///
    /// # Errors
    /// Says what is still there.
    pub async fn remove(&self, id: &DeviceID) -> anyhow::Result<()> {
        let client =
            self.client.get().context("there is no connection to the broker yet, try again later")?;
        for topic in self.retained(id)? {
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

    /// The topics on which the broker keeps something of a device. The status comes first: without it the device
    /// is gone for every reader, whatever becomes of the rest.
    ///
    /// A replica that pushes clears alerts, waits and entries by itself, but it may not run just now.
    fn retained(&self, id: &DeviceID) -> anyhow::Result<Vec<String>> {
        let Topics { status, counts, failure, alerts, waits, .. } = &self.topics;
        let id_text = id.as_str();
        let mut names = vec![status.name(&[id_text]), counts.name(&[id_text]), failure.name(&[id_text])];
        let (raised, waiting) = self.board.read(|state| (state.alerts(), state.alert_waits()));
        let its_own = raised.iter().filter(|alert| !alert.sum && alert.target == id_text);
        names.extend(its_own.map(|alert| alerts.name(&[&alert.rule, id_text])));
        let its_own = waiting.iter().filter(|wait| wait.target == id_text);
        names.extend(its_own.map(|wait| waits.name(&[&wait.rule, id_text])));
        let names: Result<Vec<String>, _> = names.into_iter().collect();
        let mut names = names.context("the device has no topic")?;
        names.extend(self.push.retained(&self.root, id));
        Ok(names)
    }
}
