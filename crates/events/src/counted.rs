//! [`PeopleCounted`]: the result of analysing one frame.

use serde::{Deserialize, Serialize};

use crate::decode::{Invalid, Message, check_picture_size, check_text, check_timestamp};
use crate::{DeviceID, FrameID, ObjectPath, Order};

/// Most people in one result.
const MAX_PEOPLE: usize = 1000;

/// What viewers may see of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Picture {
    /// The original and its preview.
    Original,
    /// A preview in which detected people are blurred. A reduction, not anonymisation.
    Blurred,
    /// Nothing: the count alone.
    #[default]
    Withheld,
}

/// The `type` of [`PeopleCounted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultType {
    /// `"result"`
    #[default]
    Result,
}

/// `[x, y, width, height]` as fractions of the upright picture, origin top left.
pub type BoundingBox = [f64; 4];

/// One detected person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Person {
    /// Where, as fractions of the upright picture.
    #[serde(rename = "box")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<f64>, min_items = 4, max_items = 4))]
    pub bounding_box: BoundingBox,
    /// How sure the model is, 0 to 1.
    pub score: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Results {
    /// Number of people.
    pub count: u32,
    /// Each of them, by falling score; may be shorter than `count` when the message would grow too large.
    #[serde(default)]
    pub people: Vec<Person>,
}

/// Which model counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Model {
    /// Name from the model's manifest.
    pub name: String,
    /// SHA-256 of the model file, hexadecimal.
    pub sha256: String,
}

/// How the result came about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AnalysisMetadata {
    /// What was found.
    pub results: Results,
    /// Which model found it.
    pub model: Model,
    /// Instance name of the inference node.
    pub node: String,
    /// Time from fetching the picture to this result, milliseconds.
    #[serde(rename = "durationMs")]
    pub duration_ms: f64,
}

/// The result of analysing a frame. Topic `devices/{device}/counts`, retained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeopleCounted {
    /// Always `"result"`.
    #[serde(rename = "type")]
    pub kind: ResultType,
    /// The device that took the picture.
    #[serde(rename = "deviceID")]
    pub device_id: DeviceID,
    /// Where the original lies; to be read only when `picture` is [`Picture::Original`].
    #[serde(rename = "filePath")]
    pub file_path: ObjectPath,
    /// When the picture was taken, by the device's clock; Unix seconds.
    #[serde(rename = "creationTimestamp")]
    pub creation_timestamp: f64,
    /// The picture's id.
    #[serde(rename = "frameID")]
    pub frame_id: FrameID,
    /// See [`Order`].
    #[serde(rename = "bootID")]
    pub boot_id: u64,
    /// See [`Order`].
    pub sequence: u64,
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// One sentence for people.
    pub message: String,
    /// When the result was made, by the gateway's clock; Unix seconds.
    #[serde(rename = "analysedTimestamp")]
    pub analysed_timestamp: f64,
    /// What viewers may see.
    pub picture: Picture,
    /// Where the preview lies, if there is one.
    #[serde(rename = "previewPath", default, skip_serializing_if = "Option::is_none")]
    pub preview_path: Option<ObjectPath>,
    /// What was found and how.
    #[serde(rename = "analysisMetadata")]
    pub analysis_metadata: AnalysisMetadata,
}

impl PeopleCounted {
    /// Where the frame stands among those of its device.
    pub fn order(&self) -> Order {
        Order::new(self.boot_id, self.sequence)
    }

    /// Number of people in the picture.
    pub fn count(&self) -> u32 {
        self.analysis_metadata.results.count
    }

    /// The sentence that [`PeopleCounted::message`] carries for a picture.
    pub fn message_for(path: &ObjectPath) -> String {
        format!("The analysis of image '{path}' completed")
    }
}

impl Message for PeopleCounted {
    fn device(&self) -> Option<&DeviceID> {
        Some(&self.device_id)
    }

    fn check(&self) -> Result<(), Invalid> {
        check_timestamp("creationTimestamp", self.creation_timestamp)?;
        check_timestamp("analysedTimestamp", self.analysed_timestamp)?;
        check_picture_size(self.width, self.height)?;
        let meta = &self.analysis_metadata;
        check_text("message", &self.message, 2048)?;
        check_text("analysisMetadata.node", &meta.node, 256)?;
        check_text("analysisMetadata.model.name", &meta.model.name, 256)?;
        check_text("analysisMetadata.model.sha256", &meta.model.sha256, 64)?;
        let people = &meta.results.people;
        if people.len() > MAX_PEOPLE || people.len() > meta.results.count as usize {
            return Err(Invalid::new(
                "analysisMetadata.results.people",
                "has more entries than were counted",
            ));
        }
        for person in people {
            let [x, y, width, height] = person.bounding_box;
            // a box may touch the border, and fractions carry rounding errors
            let inside = |from: f64, size: f64| from >= -0.001 && size >= 0.0 && from + size <= 1.001;
            if !inside(x, width) || !inside(y, height) {
                return Err(Invalid::new("box", "leaves the picture"));
            }
            if !(0.0..=1.0).contains(&person.score) {
                return Err(Invalid::new("score", "is not between 0 and 1"));
            }
        }
        Ok(())
    }
}
