//! Commands to a device, and their answers.

use std::collections::VecDeque;
use std::time::Duration;

use iot_mqtt::{Confirmation, Delivery, Message, PublishError};
use people_counter_events::{Command, CommandName, CommandReply, Rejected, decode};

use super::job::Job;
use super::worker::Worker;
use crate::config;

/// Answers that wait to be sent. Whoever sends more commands at once gets no answer and no action.
const MAX_WAITING: usize = 16;

/// Longest wait for the broker's confirmation of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest topic for an answer, in bytes.
const MAX_TOPIC: usize = 256;

/// Longest reason in an answer, in characters.
const MAX_ERROR: usize = 200;

/// Answers on their way.
#[derive(Default)]
pub struct Answers {
    waiting: VecDeque<Message>,
    pub job: Job<Result<Confirmation, PublishError>>,
}

impl Answers {
    /// Whether all have been sent.
    pub fn is_idle(&self) -> bool {
        self.job.is_idle() && self.waiting.is_empty()
    }
}

impl Worker {
    /// Somebody wants something of the device.
    pub(super) fn heard_command(&mut self, delivery: Delivery) {
        let device = self.config.device.clone();
        if delivery.retained() || self.answers.waiting.len() >= MAX_WAITING {
            // a retained one would be carried out at every connection
            let reason = if delivery.retained() { "retained" } else { "too-many" };
            tracing::warn!(%device, reason, "a command is ignored");
            self.metrics.rejected(reason);
            delivery.ack();
            return;
        }
        let answer_to = delivery.response_topic().map(str::to_owned);
        let correlation = delivery.correlation().cloned();
        let result = if self.config.commands {
            match decode(&self.around.topics.commands, delivery.topic(), delivery.payload()) {
                Ok(command) => self.carry_out(&command),
                Err(rejected) => Err(self.not_understood(&rejected)),
            }
        } else {
            Err("commands are switched off".into())
        };
        delivery.ack();
        match &result {
            Ok(()) => tracing::info!(%device, "carried out a command"),
            Err(error) => tracing::warn!(%device, "a command is not carried out: {error}"),
        }
        let Some(topic) = answer_to else { return };
        if !self.may_answer_to(&topic) {
            tracing::warn!(%device, "a command wants its answer where none belongs");
            self.metrics.rejected("response-topic");
            return;
        }
        let reply = CommandReply { ok: result.is_ok(), error: result.err() };
        let payload = serde_json::to_vec(&reply).expect("a flag and a text are JSON");
        let mut message =
            Message::new(topic, payload).content_type("application/json").timeout(ANSWER_TIMEOUT);
        if let Some(correlation) = correlation {
            message = message.correlation(correlation);
        }
        self.answers.waiting.push_back(message);
    }

    fn carry_out(&mut self, command: &Command) -> Result<(), String> {
        if !matches!(self.config.source, config::Source::Folder(_)) {
            return Err("the source of this device keeps a pace of its own".into());
        }
        match (command.command, command.interval_seconds) {
            (CommandName::CaptureNow, _) => {
                if let Some(gate) = &mut self.preparation.gate {
                    gate.open();
                }
                self.tempo.capture_now();
                Ok(())
            }
            (CommandName::SetInterval, Some(seconds)) => {
                let interval = Duration::from_secs_f64(seconds);
                config::check_interval(interval).map_err(|error| error.to_string())?;
                self.set_interval(interval);
                Ok(())
            }
            _ => Err("this version does not know the command".into()),
        }
    }

    fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
        self.tempo.set_interval(interval);
        self.ledger.set_drain_pause(self.spool_limits.drain_pause(interval));
        self.pace.set_interval(interval, self.config.keep);
        self.board.change(|status| status.cadence_seconds = interval.as_secs_f64());
    }

    fn not_understood(&mut self, rejected: &Rejected) -> String {
        self.metrics.rejected(rejected.code());
        let text = rejected.to_string();
        text.chars().filter(|letter| !letter.is_control()).take(MAX_ERROR).collect()
    }

    /// An answer is for whoever asked, and must not pass for a message of this contract or of the broker. Below
    /// the root the device has a place for answers.
    fn may_answer_to(&self, topic: &str) -> bool {
        let in_contract =
            topic.strip_prefix(&self.root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let own_place = format!("{}/devices/{}/responses/", self.root, self.config.device);
        let plain = !topic.chars().any(|letter| letter.is_control() || letter == '+' || letter == '#');
        (1..=MAX_TOPIC).contains(&topic.len())
            && plain
            && !topic.starts_with('$')
            && (!in_contract || topic.starts_with(&own_place))
    }

    /// Sends the next answer.
    pub(super) fn start_answer(&mut self) {
        if !self.answers.job.is_idle() || !self.link.is_ready() {
            return;
        }
        let Some(message) = self.answers.waiting.pop_front() else { return };
        let client = self.link.client.clone();
        self.answers.job.start(async move { client.publish(message).await });
    }

    /// An answer has been sent, or not.
    pub(super) fn answered(&mut self, result: Result<Confirmation, PublishError>) {
        if let Err(error) = result {
            tracing::warn!(device = %self.config.device, "an answer to a command was not sent: {error}");
        }
    }
}
