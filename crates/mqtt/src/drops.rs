//! A broker that tells how many messages it has dropped. MQTT itself does not tell a subscriber that something is
//! missing: not the end of the retained messages, and not a queue that was too short for them.

use rumqttc::v5::mqttbytes::v5::Publish;

use crate::client::Shared;

/// Takes note of the broker's count. Counting starts with what was retained when the client subscribed, or at zero; a
/// smaller one is that of a broker that has been restarted.
pub(crate) fn told(shared: &Shared, publish: &Publish) {
    let Some(count) = parse(&publish.payload) else {
        tracing::debug!("the broker's count of dropped messages is no number");
        return;
    };
    let more = {
        let mut inner = shared.lock();
        let start = if publish.retain { count } else { 0 };
        let before = inner.broker_dropped.replace(count).unwrap_or(start);
        count.checked_sub(before).unwrap_or(count)
    };
    if more == 0 {
        return;
    }
    shared.options.metrics.broker_dropped.inc_by(more);
    shared.state.send_modify(|state| state.broker_dropped += more);
    tracing::error!(
        client = shared.options.client_id,
        "broker at {} dropped {more} messages because queues were full, subscribers may have been told less than \
         they asked for: raise its limit (mosquitto: max_queued_messages 0)",
        shared.options.config.url
    );
}

fn parse(payload: &[u8]) -> Option<u64> {
    std::str::from_utf8(payload).ok()?.trim().parse().ok()
}
