//! `model.toml`: what a network is and how to talk to it
//!
//! ```toml
//! name = "my-model-640"
//! file = "my-model-640.onnx"                 # beside model.toml
//! sha256 = "64 hexadecimal digits"           # of that file
//! license = "Apache-2.0"                     # an SPDX expression
//! origin = "https://example.org/my-model"
//! classes = ["cat", "dog"]
//! threshold = 0.4                            # default score from which an object counts
//!
//! [input]
//! width = 640
//! height = 640
//! layout = "nchw"                            # or "nhwc"
//! color = "rgb"                              # or "bgr"
//! mean = [0.0, 0.0, 0.0]                     # value = (byte - mean) / std, per channel in the order of `color`
//! std = [1.0, 1.0, 1.0]
//!
//! [resize]
//! policy = "letterbox"
//! fill = [114, 114, 114]                     # red, green, blue
//!
//! [output]
//! family = "dets"
//! nms_iou = 0.5
//! ```

use serde::Deserialize;

pub use crate::decode::Family;

/// Networks above this side length are refused: a wrong digit must not ask for gigabytes.
const MAX_SIDE: u32 = 4096;

/// The whole of `model.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Manifest {
    /// The model's name, e.g. for logs and results.
    pub name: String,
    /// The ONNX file, a plain file name beside `model.toml`.
    pub file: String,
    /// The SHA-256 of that file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The licence of the weights, an SPDX expression.
    pub license: String,
    /// Where the weights come from.
    pub origin: String,
    /// Class names; [`Detection::class`](crate::Detection::class) is an index into them.
    pub classes: Vec<String>,
    /// The default score from which an object counts, 0 to 1.
    pub threshold: f32,
    /// The tensor that the network takes.
    pub input: Input,
    /// How a picture becomes the network's size.
    pub resize: Resize,
    /// How the network's output becomes boxes.
    pub output: Output,
}

/// The tensor that the network takes: one picture of 32-bit floats.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Input {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The order of the axes.
    pub layout: Layout,
    /// The order of the channels.
    pub color: Color,
    /// Subtracted from each byte, per channel in the order of `color`.
    pub mean: [f32; 3],
    /// Then divided by, per channel in the order of `color`.
    pub std: [f32; 3],
}

/// The order of a tensor's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Layout {
    /// `[1, 3, height, width]`: one plane per channel.
    Nchw,
    /// `[1, height, width, 3]`: the channels of a pixel side by side.
    Nhwc,
}

/// The order of a tensor's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Color {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// How a picture becomes the network's size.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Resize {
    /// What happens to the proportions.
    pub policy: Policy,
    /// The colour of what the picture does not cover: red, green, blue.
    pub fill: [u8; 3],
}

/// What happens to a picture's proportions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Policy {
    /// They stay; the picture lies in the middle and the rest is filled.
    Letterbox,
    /// They stay; the picture lies in the top left corner and the rest is filled.
    LetterboxTopLeft,
}

/// How the network's output becomes boxes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Output {
    /// What the output looks like.
    pub family: Family,
    /// Of two boxes of a class that overlap by more than this (intersection over union), the surer one stays.
    pub nms_iou: f32,
}

/// What is wrong with a `model.toml`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is no TOML, has an unknown or a missing key, or a value of the wrong type.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// A value makes no sense.
    #[error("`{key}` {problem}")]
    Value {
        /// The key, e.g. `input.width`.
        key: &'static str,
        /// What is wrong with its value.
        problem: String,
    },
}

impl Manifest {
    /// Reads the text of a `model.toml` and checks everything that can be said without the network.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(|error| ManifestError::Syntax {
            line: error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count()),
            message: error.message().replace('\n', " "),
        })?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let refuse = |key, problem: String| Err(ManifestError::Value { key, problem });
        for (key, text) in [("name", &self.name), ("license", &self.license), ("origin", &self.origin)] {
            if text.trim().is_empty() {
                return refuse(key, "is empty".into());
            }
        }
        if self.file.is_empty() || self.file.starts_with('.') || self.file.contains(['/', '\\', '\0']) {
            return refuse(
                "file",
                format!("is {:?}, but must be the name of a file beside model.toml", self.file),
            );
        }
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return refuse("sha256", "must be 64 lower-case hexadecimal digits".into());
        }
        if self.classes.is_empty() || self.classes.iter().any(|class| class.trim().is_empty()) {
            return refuse("classes", "must name at least one class, and none may be empty".into());
        }
        for (n, class) in self.classes.iter().enumerate() {
            if self.classes[..n].contains(class) {
                return refuse("classes", format!("names {class:?} twice"));
            }
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return refuse("threshold", format!("is {}, but must lie between 0 and 1", self.threshold));
        }
        for (key, side) in [("input.width", self.input.width), ("input.height", self.input.height)] {
            if !(1..=MAX_SIDE).contains(&side) {
                return refuse(key, format!("is {side}, but must lie between 1 and {MAX_SIDE}"));
            }
        }
        if self.input.mean.iter().any(|mean| !mean.is_finite()) {
            return refuse("input.mean", "must be three finite numbers".into());
        }
        if self.input.std.iter().any(|std| !std.is_normal()) {
            return refuse("input.std", "must be three finite numbers, none of them 0".into());
        }
        if !(0.0..=1.0).contains(&self.output.nms_iou) {
            return refuse(
                "output.nms_iou",
                format!("is {}, but must lie between 0 and 1", self.output.nms_iou),
            );
        }
        self.output.family.check_classes(self.classes.len()).or_else(|problem| refuse("classes", problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "m"
file = "m.onnx"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
license = "MIT"
origin = "here"
classes = ["cat"]
threshold = 0.5
[input]
width = 64
height = 32
layout = "nchw"
color = "bgr"
mean = [0, 0, 0]
std = [1, 1, 1]
[resize]
policy = "letterbox"
fill = [114, 114, 114]
[output]
family = "dets"
nms_iou = 0.5
"#;

    #[test]
    fn reads_every_key() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!((manifest.input.width, manifest.input.height), (64, 32));
        assert_eq!(manifest.input.color, Color::Bgr);
        assert_eq!(manifest.resize.fill, [114; 3]);
        assert_eq!(manifest.output.family, Family::Dets);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (from, to, expected) in [
            ("width = 64", "widht = 64", "line 10: unknown field `widht`"),
            ("threshold = 0.5\n", "", "missing field `threshold`"),
            ("threshold = 0.5", "threshold = 1.5", "`threshold` is 1.5"),
            ("threshold = 0.5", "threshold = nan", "`threshold` is NaN"),
            ("\"m.onnx\"", "\"../m.onnx\"", "`file` is \"../m.onnx\""),
            ("\"m.onnx\"", "\"/etc/m.onnx\"", "`file`"),
            ("0000\"", "000G\"", "`sha256` must be 64"),
            ("[\"cat\"]", "[]", "`classes` must name"),
            ("[\"cat\"]", "[\"cat\", \"cat\"]", "`classes` names \"cat\" twice"),
            ("[\"cat\"]", "[\"cat\", \"dog\"]", "`classes` "),
            ("height = 32", "height = 0", "`input.height` is 0"),
            ("height = 32", "height = 40000", "`input.height` is 40000"),
            ("std = [1, 1, 1]", "std = [1, 0, 1]", "`input.std`"),
            ("mean = [0, 0, 0]", "mean = [0, inf, 0]", "`input.mean`"),
            ("mean = [0, 0, 0]", "mean = [0, 0]", "line 14"),
            ("\"letterbox\"", "\"crop\"", "line 17: unknown variant `crop`"),
            ("nms_iou = 0.5", "nms_iou = -0.5", "`output.nms_iou`"),
            ("family = \"dets\"", "family = \"unheard-of\"", "unknown variant `unheard-of`"),
            ("name = \"m\"", "name = ", "line 2"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = Manifest::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
