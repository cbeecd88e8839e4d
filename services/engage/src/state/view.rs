//! What viewers see: [`Device`], [`Summary`] and [`Changes`].

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use people_counter_events::{
    Alert, AnalysisFailed, DeviceID, DeviceStatus, FrameID, Model, PeopleCounted, Person, Picture,
};
use serde::{Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::entry::{CLOCK_TOLERANCE, Entry, stale_after};
use super::failures::Failure;
use super::picture::image_url;

/// The state of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Its count is as fresh as its cadence allows.
    Live,
    /// Nothing was heard for longer than its cadence allows.
    Stale,
    /// Its last will fired.
    Offline,
    /// Its newest frame could not be analysed.
    Failing,
    /// It has never been counted.
    Unknown,
}

impl Condition {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Live, Self::Stale, Self::Offline, Self::Failing, Self::Unknown];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Offline => "offline",
            Self::Failing => "failing",
            Self::Unknown => "unknown",
        }
    }
}

/// Sums over all devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Summary {
    /// People counted by the live devices.
    pub people: u64,
    /// Number of live devices.
    pub live: u64,
    /// Number of stale devices.
    pub stale: u64,
    /// Number of offline devices.
    pub offline: u64,
    /// Number of failing devices.
    pub failing: u64,
    /// Number of devices that were never counted.
    pub unknown: u64,
}

impl Summary {
    /// Number of devices in one state.
    pub fn of(&self, condition: Condition) -> u64 {
        match condition {
            Condition::Live => self.live,
            Condition::Stale => self.stale,
            Condition::Offline => self.offline,
            Condition::Failing => self.failing,
            Condition::Unknown => self.unknown,
        }
    }

    pub(super) fn add(&mut self, condition: Condition, count: u32) {
        *self.slot(condition) += 1;
        if condition == Condition::Live {
            self.people += u64::from(count);
        }
    }

    pub(super) fn remove(&mut self, condition: Condition, count: u32) {
        *self.slot(condition) -= 1;
        if condition == Condition::Live {
            self.people -= u64::from(count);
        }
    }

    /// Number of devices.
    pub fn devices(&self) -> u64 {
        Condition::ALL.iter().map(|condition| self.of(*condition)).sum()
    }

    fn slot(&mut self, condition: Condition) -> &mut u64 {
        match condition {
            Condition::Live => &mut self.live,
            Condition::Stale => &mut self.stale,
            Condition::Offline => &mut self.offline,
            Condition::Failing => &mut self.failing,
            Condition::Unknown => &mut self.unknown,
        }
    }
}

/// One device at one moment. Cheap to make: everything but the age is shared.
#[derive(Debug, Clone)]
pub struct Device {
    /// Age of the count in seconds; `None` without a count, or when no clock can tell.
    pub age_seconds: Option<f64>,
    facts: Arc<Facts>,
}

/// What does not change about a device until its next version.
#[derive(Debug)]
pub struct Facts {
    /// The version of its last change.
    pub version: u64,
    /// Its state.
    pub condition: Condition,
    /// The camera's clock minus the gateway's, seconds, when that is worth telling.
    pub clock_offset_seconds: Option<f64>,
    /// The gateway's clock minus ours, seconds, when it is ahead by more than anybody tolerates.
    pub gateway_ahead_seconds: Option<f64>,
    /// When the scene was last seen to be as in the result, by the camera's clock, Unix seconds.
    pub unchanged: Option<f64>,
    /// Whether there is a picture that may be shown.
    pub has_picture: bool,
    /// The newest status.
    pub status: Arc<DeviceStatus>,
    /// The newest result.
    pub result: Option<Arc<PeopleCounted>>,
    /// The newest failure, while it is newer than the result.
    pub failure: Option<Arc<AnalysisFailed>>,
    text: OnceLock<Text>,
}

/// The JSON of a device without its age, made once however many viewers it goes to.
#[derive(Debug)]
struct Text {
    json: Box<str>,
    age_at: usize,
}

impl Deref for Device {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.facts
    }
}

impl Facts {
    /// `None` for a device that is not shown.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        let noticed = |offset: &f64| offset.abs() > CLOCK_TOLERANCE;
        let shown = entry.shown?;
        Some(Self {
            version: shown.version(),
            condition: shown.condition(),
            clock_offset_seconds: entry.clock_offset().filter(noticed),
            gateway_ahead_seconds: entry.result.as_ref().and_then(|result| result.ahead()),
            unchanged: entry.unchanged(),
            has_picture: entry.pictures.get(None).is_ok(),
            status: Arc::clone(entry.status.as_ref()?),
            result: entry.result.as_ref().map(|result| Arc::clone(&result.message)),
            failure: entry.open_failure().cloned(),
            text: OnceLock::new(),
        })
    }

    /// Its id.
    pub fn id(&self) -> &DeviceID {
        &self.status.device_id
    }

    /// How long a count stays live without another, seconds.
    pub fn stale_after_seconds(&self) -> f64 {
        stale_after(self.status.cadence_seconds)
    }

    /// The newest count, whatever its age; `None` if it was never counted.
    pub fn count(&self) -> Option<u32> {
        self.result.as_ref().map(|result| result.count())
    }
}

impl Device {
    /// `None` for a device that is not shown.
    pub(super) fn of(entry: &Entry, now: f64) -> Option<Self> {
        let facts = entry.facts()?;
        Some(Self { age_seconds: entry.result.as_ref().and_then(|result| result.age(now)), facts })
    }

    /// About how long its JSON is, bytes.
    pub fn size(&self) -> usize {
        self.text().json.len() + 12
    }

    fn text(&self) -> &Text {
        self.facts.text.get_or_init(|| Text::of(self))
    }

    /// Adds the device's JSON to `text`.
    pub fn write(&self, text: &mut String) {
        let made = self.text();
        text.push_str(&made.json[..made.age_at]);
        match self.age_seconds {
            // writing to a text cannot fail
            Some(age) => drop(write!(text, "{}", to_millis(age))),
            None => text.push_str(NO_AGE),
        }
        text.push_str(&made.json[made.age_at..]);
    }
}

const NO_AGE: &str = "null";

impl Text {
    fn of(device: &Device) -> Self {
        let ageless = Device { age_seconds: None, facts: Arc::clone(&device.facts) };
        let mut json = serde_json::to_string(&ageless).expect("a device has text keys and finite numbers");
        // what stands before it are the id, the state and the count, so this is the first such text
        let key = "\"ageSeconds\":";
        let age_at = json.find(key).expect("a device has an age") + key.len();
        json.replace_range(age_at..age_at + NO_AGE.len(), "");
        Self { json: json.into(), age_at }
    }
}

/// What changed between two versions.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The version they start from; `None` if this is everything there is.
    pub since: Option<u64>,
    /// The version they lead to.
    pub version: u64,
    /// The sums at that version.
    pub summary: Summary,
    /// The devices that changed; all of them, by id, if this is everything there is.
    pub devices: Vec<Device>,
    /// The devices that went.
    pub removed: Vec<Arc<DeviceID>>,
    /// Whether that is all that changed until now.
    pub whole: bool,
    /// All alerts by rule and target, if they changed.
    pub alerts: Option<Vec<Arc<Alert>>>,
}

/// One device at the `serverTime` of the document it stands in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    #[serde(rename = "deviceID")]
    device_id: &'a DeviceID,
    state: Condition,
    /// People; `null` when never counted.
    count: Option<u32>,
    /// Age of the count; `null` when there is none, or no clock can tell.
    age_seconds: Option<f64>,
    /// When it was counted, by the gateway's clock; Unix seconds.
    analysed_timestamp: Option<f64>,
    /// When the picture was taken, by the camera's clock; Unix seconds.
    creation_timestamp: Option<f64>,
    /// When the scene was last compared with the picture of this result and had not changed, by the camera's clock.
    unchanged: Option<f64>,
    /// The camera's clock minus the gateway's, only when over 5 s.
    clock_offset_seconds: Option<f64>,
    /// The gateway's clock minus this replica's, only when over 5 s.
    gateway_ahead_seconds: Option<f64>,
    #[serde(rename = "frameID")]
    #[schema(value_type = Option<String>, format = "uuid")]
    frame_id: Option<FrameID>,
    /// The run of the device that took the picture.
    #[serde(rename = "bootID")]
    boot_id: Option<u64>,
    /// Number of the picture in that run.
    sequence: Option<u64>,
    /// Of the picture, pixels.
    width: Option<u32>,
    /// Of the picture, pixels.
    height: Option<u32>,
    /// What may be seen of the picture.
    picture: Option<Picture>,
    /// Where the picture is; `null` when there is nothing to see.
    image: Option<String>,
    /// Those who were counted, where the model told.
    people: &'a [Person],
    model: Option<&'a Model>,
    /// The inference node that counted.
    node: Option<&'a str>,
    /// How long that took, milliseconds.
    duration_ms: Option<f64>,
    /// Kind of the camera's source.
    source: &'a str,
    /// Usual time between two pictures.
    cadence_seconds: f64,
    /// How long a count stays live without another.
    stale_after_seconds: f64,
    labels: &'a BTreeMap<String, String>,
    /// What is wrong with the camera, for people.
    problem: Option<&'a str>,
    /// Pictures that wait in the device.
    spool_depth: u64,
    /// Pictures that the device gave up, by reason.
    dropped: &'a BTreeMap<String, u64>,
    /// The newest failure, only while newer than the result.
    failure: Option<Failure<'a>>,
}

/// A device is described by what it is written as.
impl PartialSchema for Device {
    fn schema() -> RefOr<Schema> {
        Json::schema()
    }
}

impl ToSchema for Device {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Json::schemas(schemas);
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let status = &*self.status;
        let result = self.result.as_deref();
        let meta = result.map(|result| &result.analysis_metadata);
        Json {
            device_id: &status.device_id,
            state: self.condition,
            count: self.count(),
            age_seconds: self.age_seconds.map(to_millis),
            analysed_timestamp: result.map(|result| result.analysed_timestamp),
            creation_timestamp: result.map(|result| result.creation_timestamp),
            unchanged: self.unchanged,
            clock_offset_seconds: self.clock_offset_seconds.map(to_millis),
            gateway_ahead_seconds: self.gateway_ahead_seconds.map(to_millis),
            frame_id: result.map(|result| result.frame_id),
            boot_id: result.map(|result| result.boot_id),
            sequence: result.map(|result| result.sequence),
            width: result.map(|result| result.width),
            height: result.map(|result| result.height),
            picture: result.map(|result| result.picture),
            image: result
                .filter(|_| self.has_picture)
                .map(|result| image_url(&status.device_id, result.frame_id)),
            people: meta.map_or(&[], |meta| &meta.results.people),
            model: meta.map(|meta| &meta.model),
            node: meta.map(|meta| meta.node.as_str()),
            duration_ms: meta.map(|meta| meta.duration_ms),
            source: &status.source,
            cadence_seconds: status.cadence_seconds,
            stale_after_seconds: stale_after(status.cadence_seconds),
            labels: &status.labels,
            problem: status.problem.as_deref(),
            spool_depth: status.spool_depth,
            dropped: &status.dropped,
            failure: self.failure.as_deref().map(Failure::from),
        }
        .serialize(serializer)
    }
}

/// Seconds, to the millisecond.
pub(super) fn to_millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
