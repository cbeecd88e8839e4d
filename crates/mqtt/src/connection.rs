//! The connection task: one connection after the other, each with a fresh event loop.
//!
//! A fresh one, because rumqttc carries state across reconnects that can lock it up. The task only polls and
//! keeps books; it never waits for a user of the client, so it cannot deadlock with one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectProperties, ConnectReturnCode, Filter, LastWill, LastWillProperties, Packet, PubAck,
    PubAckReason, Publish, SubAck, SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{Error as PacketError, QoS};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use rumqttc::{Outgoing, TlsConfiguration, Transport};

use crate::backoff::Backoff;
use crate::client::Shared;
use crate::inbox::Delivery;
use crate::queue::NotTaken;
use crate::{Confirmation, Options, PublishError, drops};

/// How often unconfirmed messages are looked at.
const WATCH_EVERY: Duration = Duration::from_millis(500);

pub(crate) async fn run(shared: Arc<Shared>) {
    let _ending = Ending(shared.clone());
    let config = &shared.options.config;
    let mut backoff = Backoff::new(config.backoff_min, config.backoff_max);
    let mut aborted = shared.aborted.subscribe();
    loop {
        let started = Instant::now();
        let problem = tokio::select! {
            // a connection is dropped as a whole, with its event loop, so cancelling it is safe
            problem = connect_once(&shared) => problem,
            _ = aborted.wait_for(|aborted| *aborted) => return,
        };
        let leaving = {
            let mut inner = shared.lock();
            inner.link = None;
            inner.ready = false;
            inner.acks.clear();
            inner.outbox.connection_lost();
            inner.leaving
        };
        let was_connected = shared.state.borrow().connected;
        shared.state.send_modify(|state| {
            state.connected = false;
            state.subscribed = false;
            state.last_error = Some(problem.clone());
        });
        if was_connected {
            shared.options.metrics.connected.dec();
        }
        if leaving {
            return;
        }
        shared.options.metrics.failures.inc();
        // a connection that is taken over or thrown out at once must not reset the back-off
        if was_connected && started.elapsed() > config.backoff_max {
            backoff.reset();
        }
        let wait = backoff.wait();
        tracing::warn!(
            client = shared.options.client_id,
            "{problem}; next try in {:.1} s",
            wait.as_secs_f64()
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = aborted.wait_for(|aborted| *aborted) => return,
        }
    }
}

/// However the task ends, the readers of its inboxes learn that nothing more will come.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        for route in &self.0.options.routes {
            route.queue.end();
        }
    }
}

/// Lives through one connection and says how it ended.
async fn connect_once(shared: &Arc<Shared>) -> String {
    let connection = {
        let mut inner = shared.lock();
        inner.connection += 1;
        inner.connection
    };
    shared.state.send_modify(|state| state.connection = connection);
    let settings = match settings(&shared.options, connection) {
        Ok(settings) => settings,
        Err(problem) => return problem,
    };
    let (link, events) = AsyncClient::new(settings, request_channel(&shared.options));
    shared.lock().link = Some(link);
    tokio::select! {
        problem = drive(shared, events, connection) => problem,
        problem = watch(shared) => problem,
        problem = subscribe(shared) => problem,
    }
}

/// Subscribes once the broker has accepted the connection and every inbox can take a full receive window, so that
/// none can overflow. Until then the connection serves publishers already: a handler that publishes before it reads
/// on is never waited for. A kept session delivers at once, into the room that was made for it, so it is not waited
/// for readers at all.
async fn subscribe(shared: &Shared) -> String {
    let routes = &shared.options.routes;
    let mut states = shared.state.subscribe();
    // the sender lives as long as `shared`, so waiting cannot fail
    let accepted = states.wait_for(|state| state.connected).await.is_ok();
    let drops = shared.options.config.drops_topic.iter();
    let filters: Vec<Filter> = routes
        .iter()
        .map(|route| &route.filter)
        .chain(drops)
        .map(|filter| Filter::new(filter, QoS::AtLeastOnce))
        .collect();
    if accepted && !filters.is_empty() {
        let (resumed, link) = {
            let inner = shared.lock();
            (inner.resumed, inner.link.clone())
        };
        for route in routes.iter().filter(|_| !resumed) {
            route.queue.room().await;
        }
        if let Some(link) = link
            && let Err(error) = link.try_subscribe_many(filters)
        {
            return format!("cannot subscribe: {error}");
        }
    }
    std::future::pending().await
}

/// Room for every publish, acknowledgement and subscription that can be under way at once.
fn request_channel(options: &Options) -> usize {
    usize::from(options.config.window)
        + usize::from(options.config.receive_maximum)
        + options.routes.len()
        + 16
}

fn settings(options: &Options, connection: u64) -> Result<MqttOptions, String> {
    let config = &options.config;
    let address = config.address().map_err(|error| error.to_string())?;
    let mut settings = MqttOptions::new(&options.client_id, address.host, address.port);
    let mut network = settings.network_options();
    // packets are small and somebody waits for the answer to each
    network.set_tcp_nodelay(true);
    settings.set_network_options(network);
    settings.set_keep_alive(config.keep_alive);
    settings.set_connection_timeout(config.connect_timeout.as_secs().max(1));
    settings.set_clean_start(config.session_expiry.is_zero());
    settings.set_manual_acks(true);
    // one more than we use: at its limit rumqttc holds acknowledgements back too
    settings.set_outgoing_inflight_upper_limit(config.window.saturating_add(1));
    settings.set_connect_properties(ConnectProperties {
        session_expiry_interval: Some(seconds(config.session_expiry)),
        receive_maximum: Some(config.receive_maximum),
        max_packet_size: Some(config.max_packet_bytes),
        ..ConnectProperties::new()
    });
    if let Some((username, password)) = config.credentials().map_err(|error| error.to_string())? {
        settings.set_credentials(username, password);
    }
    let tls = config.tls().map_err(|error| error.to_string())?.map(TlsConfiguration::Rustls);
    settings.set_transport(match (tls, address.websocket) {
        (None, false) => Transport::Tcp,
        (Some(tls), false) => Transport::Tls(tls),
        (None, true) => Transport::Ws,
        (Some(tls), true) => Transport::Wss(tls),
    });
    if let Some(presence) = &options.presence {
        let will = presence.will(connection);
        settings.set_last_will(LastWill {
            topic: will.topic.into(),
            message: will.payload,
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: Some(LastWillProperties {
                delay_interval: Some(seconds(will.delay)),
                payload_format_indicator: None,
                message_expiry_interval: will.expires.map(|after| seconds(after).max(1)),
                content_type: None,
                response_topic: None,
                correlation_data: None,
                user_properties: Vec::new(),
            }),
        });
    }
    Ok(settings)
}

/// Whole seconds as MQTT carries them.
pub(crate) fn seconds(duration: Duration) -> u32 {
    duration.as_secs().try_into().unwrap_or(u32::MAX)
}

/// Ends when a message has waited too long for its confirmation: the connection is dead though it looks open.
async fn watch(shared: &Shared) -> String {
    let limit = shared.options.config.ack_timeout;
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        if shared.lock().outbox.longest_wait(Instant::now()).is_some_and(|wait| wait > limit) {
            return format!("broker at {} confirmed nothing for {limit:?}", shared.options.config.url);
        }
    }
}

async fn drive(shared: &Arc<Shared>, mut events: EventLoop, connection: u64) -> String {
    loop {
        let event = match events.poll().await {
            Ok(event) => event,
            Err(error) => return explain(&error, shared),
        };
        let handled = match event {
            Event::Incoming(Packet::ConnAck(packet)) => {
                accepted(shared, &packet, connection);
                Ok(())
            }
            Event::Incoming(Packet::SubAck(packet)) => subscribed(shared, &packet),
            Event::Incoming(Packet::Publish(packet)) => arrived(shared, packet, connection),
            Event::Incoming(Packet::PubAck(packet)) => {
                confirmed(shared, &packet);
                Ok(())
            }
            Event::Outgoing(Outgoing::Publish(id)) => {
                shared.lock().outbox.got_packet_id(id);
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(problem) = handled {
            return problem;
        }
        // whatever happened may have made room in the request channel
        shared.lock().catch_up();
    }
}

/// The broker takes the connection: say that we are here, send what waits.
fn accepted(shared: &Shared, packet: &ConnAck, connection: u64) {
    let options = &shared.options;
    let limits = packet.properties.as_ref();
    let receive_maximum = limits.and_then(|limits| limits.receive_max).unwrap_or(u16::MAX);
    {
        let mut inner = shared.lock();
        inner.ready = true;
        inner.resumed = packet.session_present;
        // one less than the broker takes: at its limit rumqttc holds acknowledgements back too
        inner.window = options.config.window.min(receive_maximum.saturating_sub(1)).max(1).into();
        inner.broker_limit = limits.and_then(|limits| limits.max_packet_size).unwrap_or(u32::MAX);
        if let Some(birth) = options.presence.as_ref().and_then(|presence| presence.birth(connection)) {
            inner.outbox.push_birth(birth);
        }
        inner.send_waiting();
    }
    if packet.session_present {
        // the broker sends again what was not acknowledged, so what is left of it here need not be kept
        for route in &options.routes {
            route.queue.make_room();
        }
    }
    options.metrics.connections.inc();
    options.metrics.connected.inc();
    tracing::info!(client = options.client_id, connection, "connected to {}", options.config.url);
    shared.state.send_modify(|state| {
        state.connected = true;
        state.subscribed = options.routes.is_empty();
        state.last_error = None;
    });
}

fn subscribed(shared: &Shared, packet: &SubAck) -> Result<(), String> {
    // a broker that does not tell what it drops can be worked with: the last code may be a refusal
    for (route, code) in shared.options.routes.iter().zip(&packet.return_codes) {
        if !matches!(code, SubscribeReasonCode::Success(_)) {
            return Err(format!(
                "broker at {} refused the subscription to {}: {code:?}, check the access rules of this user",
                shared.options.config.url, route.filter
            ));
        }
    }
    shared.state.send_modify(|state| state.subscribed = true);
    Ok(())
}

fn confirmed(shared: &Shared, packet: &PubAck) {
    let mut inner = shared.lock();
    inner.outbox.answered(packet.pkid, |message| match packet.reason {
        PubAckReason::Success => Ok(Confirmation { had_subscribers: true }),
        PubAckReason::NoMatchingSubscribers => Ok(Confirmation { had_subscribers: false }),
        reason => Err(PublishError::Refused { topic: message.topic.clone(), reason }),
    });
    inner.send_waiting();
    drop(inner);
    shared.progressed();
}

fn arrived(shared: &Arc<Shared>, publish: Publish, connection: u64) -> Result<(), String> {
    let metrics = &shared.options.metrics;
    metrics.received.inc();
    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
    if shared.options.config.drops_topic.as_deref() == Some(&topic) {
        drops::told(shared, &publish);
        if publish.qos != QoS::AtMostOnce {
            shared.ack(&publish, connection);
        }
        return Ok(());
    }
    let route = shared.options.routes.iter().find(|route| iot_topic::matches(&route.filter, &topic));
    let flow_controlled = publish.qos != QoS::AtMostOnce;
    let delivery = Delivery { publish, topic, connection, shared: shared.clone() };
    let Some(route) = route else {
        // left over from an older session's subscriptions
        metrics.unrouted.inc();
        delivery.ack();
        return Ok(());
    };
    match route.queue.push(delivery) {
        Ok(()) => Ok(()),
        Err(NotTaken::Unread(delivery)) => {
            metrics.unrouted.inc();
            delivery.ack();
            Ok(())
        }
        Err(NotTaken::Full) if flow_controlled => {
            Err(format!("broker at {} sends far more than the receive maximum", shared.options.config.url))
        }
        // QoS 0 has no flow control: its loss is part of the bargain, and counted
        Err(NotTaken::Full) => {
            metrics.unrouted.inc();
            Ok(())
        }
    }
}

/// One sentence that says what happened and what to do.
fn explain(error: &ConnectionError, shared: &Shared) -> String {
    let (url, id) = (&shared.options.config.url, &shared.options.client_id);
    match error {
        ConnectionError::ConnectionRefused(
            reason @ (ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized),
        ) => format!(
            "broker at {url} refused the credentials of client {id} ({reason:?}), check username and password of mqtt"
        ),
        ConnectionError::ConnectionRefused(reason) => {
            format!("broker at {url} refused client {id}: {reason:?}")
        }
        ConnectionError::Timeout(_) => {
            let limit = shared.options.config.connect_timeout;
            format!("broker at {url} did not answer within {limit:?}, check address and network")
        }
        ConnectionError::Io(error)
        | ConnectionError::MqttState(
            StateError::Io(error) | StateError::Deserialization(PacketError::Io(error)),
        ) => {
            format!("no connection to the broker at {url}: {error}")
        }
        ConnectionError::Tls(error) => {
            format!("no TLS connection to the broker at {url}: {error}, check ca_file and the host name")
        }
        ConnectionError::Websocket(_) | ConnectionError::ResponseValidation(_) => {
            format!("no WebSocket to the broker at {url}: {error}, check the path of the address")
        }
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            format!("broker at {url} threw client {id} out: {reason_code:?}")
        }
        ConnectionError::MqttState(StateError::Deserialization(PacketError::PayloadSizeLimitExceeded {
            pkt_size,
            max,
        })) => format!(
            "broker at {url} sent client {id} a packet of {pkt_size} bytes although {max} is its limit, raise max_packet_bytes"
        ),
        other => format!("connection to the broker at {url} broke: {other}"),
    }
}
