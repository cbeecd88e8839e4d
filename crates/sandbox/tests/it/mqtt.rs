//! An MQTT 5 client that does one thing after the other.

use crate::soon;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

pub struct Client {
    requests: AsyncClient,
    events: EventLoop,
    inbox: VecDeque<Publish>,
}

impl Client {
    pub async fn connect(addr: SocketAddr, id: &str) -> Self {
        Self::try_connect(options(addr, id)).await.unwrap()
    }

    pub async fn try_connect(options: MqttOptions) -> Result<Self, ConnectionError> {
        let (requests, events) = AsyncClient::new(options, 100);
        let mut client = Self { requests, events, inbox: VecDeque::new() };
        client.wait("CONNACK", |packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await?;
        Ok(client)
    }

    /// Polls the connection until `wanted` finds what it wants.
    async fn wait<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&Incoming) -> Option<T>,
    ) -> Result<T, ConnectionError> {
        soon(what, async {
            loop {
                let Event::Incoming(packet) = self.events.poll().await? else { continue };
                let found = wanted(&packet);
                if let Packet::Publish(publish) = packet {
                    self.inbox.push_back(publish);
                }
                if let Some(found) = found {
                    return Ok(found);
                }
            }
        })
        .await
    }

    /// Publishes with QoS 1 and returns the answer.
    pub async fn publish(&mut self, topic: &str, payload: &str, retain: bool) -> PubAckReason {
        self.requests.publish(topic, QoS::AtLeastOnce, retain, payload.to_owned()).await.unwrap();
        let answer = |packet: &Packet| match packet {
            Packet::PubAck(ack) => Some(ack.reason),
            _ => None,
        };
        self.wait("PUBACK", answer).await.unwrap()
    }

    /// Subscribes with QoS 1 and returns the answer.
    pub async fn subscribe(&mut self, filter: &str) -> SubscribeReasonCode {
        self.requests.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        let answer = |packet: &Packet| match packet {
            Packet::SubAck(ack) => Some(ack.return_codes[0]),
            _ => None,
        };
        self.wait("SUBACK", answer).await.unwrap()
    }

    /// The next message: topic, payload, and whether it was retained.
    pub async fn message(&mut self) -> (String, String, bool) {
        if self.inbox.is_empty() {
            let publish = |packet: &Packet| matches!(packet, Packet::Publish(_)).then_some(());
            self.wait("a message", publish).await.unwrap();
        }
        let publish = self.inbox.pop_front().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&publish.topic), text(&publish.payload), publish.retain)
    }

    /// Waits for the connection to end.
    pub async fn end(&mut self) -> ConnectionError {
        let never: Result<(), _> = self.wait("the end of the connection", |_| None).await;
        never.unwrap_err()
    }
}

pub fn options(addr: SocketAddr, id: &str) -> MqttOptions {
    let mut options = MqttOptions::new(id, addr.ip().to_string(), addr.port());
    options.set_keep_alive(Duration::from_secs(30));
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    options
}
