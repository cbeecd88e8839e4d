//! [`Picture`]: what a source delivers, and the check that stands before it.

use std::fmt;
use std::io::Cursor;
use std::time::SystemTime;

use bytes::Bytes;
use image::{ImageError, ImageFormat, ImageReader};

use crate::config::Limits;
use crate::jpeg::{self, Info};
use crate::raw::{Layout, Raw};

/// Quality of a JPEG made from another format: no visible loss at a quarter of the size of a PNG.
const JPEG_QUALITY: u8 = 90;

/// Memory that decoding a picture within the limits may take, per pixel: RGBA of 16 bits.
const DECODED_BYTES_PER_PIXEL: u64 = 8;

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// One picture, whole and within the limits.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// The JPEG file.
    pub jpeg: Bytes,
    /// When it was taken, by this machine's clock.
    pub captured: SystemTime,
    /// Width in pixels, as stored.
    pub width: u32,
    /// Height in pixels, as stored.
    pub height: u32,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({} x {}, {} bytes)", self.width, self.height, self.jpeg.len())
    }
}

/// Why a picture is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// Neither JPEG nor PNG.
    #[error("it is neither a JPEG nor a PNG")]
    NotAPicture,
    /// It ends too early.
    #[error("it is cut off")]
    Truncated,
    /// Its parts contradict each other.
    #[error("it is damaged")]
    Damaged,
    /// A variant that no reader of the pictures can be expected to decode.
    #[error(
        "it is of a kind that is hardly ever supported (lossless, arithmetic coding, more than 8 bits, without tables)"
    )]
    Unsupported,
    /// More bytes or pixels than the limits allow.
    #[error("it is over the limits of bytes, width or height")]
    TooLarge,
    /// The system does not let us read it.
    #[error("it cannot be read")]
    Unreadable,
}

impl Refusal {
    /// A short code for metrics and the device's status.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAPicture => "not-a-picture",
            Self::Truncated => "truncated",
            Self::Damaged => "damaged",
            Self::Unsupported => "unsupported",
            Self::TooLarge => "too-large",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Picture {
    /// The JPEG that [`jpeg`] has found whole at the start of `data`, if it is within the limits.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn from_jpeg(
        data: &[u8],
        info: Info,
        captured: SystemTime,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let (width, height) = (u32::from(info.width), u32::from(info.height));
        if info.bytes as u64 > limits.bytes || width > limits.width || height > limits.height {
            return Err(Refusal::TooLarge);
        }
        let jpeg = info.file(data);
        if jpeg.len() as u64 > limits.bytes {
            return Err(Refusal::TooLarge);
        }
        Ok(Self { jpeg, captured, width, height })
    }

    /// A picture file: a JPEG passes through, cut at its end; a PNG is encoded anew.
    ///
    /// # Errors
    /// [`Refusal`] says what is wrong with it.
    pub fn from_file(file: Vec<u8>, captured: SystemTime, limits: &Limits) -> Result<Self, Refusal> {
        if file.len() as u64 > limits.bytes {
            return Err(Refusal::TooLarge);
        }
        if file.starts_with(PNG_SIGNATURE) {
            return Self::from_png(&file, captured, limits);
        }
        let info = jpeg::scan(&file)?;
        Self::from_jpeg(&file, info, captured, limits)
    }

    fn from_png(file: &[u8], captured: SystemTime, limits: &Limits) -> Result<Self, Refusal> {
        let mut reader = ImageReader::with_format(Cursor::new(file), ImageFormat::Png);
        reader.limits(decoding(limits));
        let pixels = reader.decode().map_err(|error| refusal(&error))?.to_rgb8();
        let raw = Raw::new(Layout::Rgb, pixels.width(), pixels.height(), &pixels)?;
        Self::from_raw(raw, captured, limits)
    }

    /// A JPEG of pixels.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn from_raw(raw: Raw<'_>, captured: SystemTime, limits: &Limits) -> Result<Self, Refusal> {
        let jpeg = raw.jpeg(JPEG_QUALITY)?;
        let info = jpeg::scan(&jpeg)?;
        Self::from_jpeg(&jpeg, info, captured, limits)
    }
}

/// What decoding a picture within the limits may take.
pub fn decoding(limits: &Limits) -> image::Limits {
    let mut bounds = image::Limits::default();
    bounds.max_image_width = Some(limits.width);
    bounds.max_image_height = Some(limits.height);
    bounds.max_alloc = Some(u64::from(limits.width) * u64::from(limits.height) * DECODED_BYTES_PER_PIXEL);
    bounds
}

/// What an error of the decoder means.
pub fn refusal(error: &ImageError) -> Refusal {
    match error {
        ImageError::Limits(_) => Refusal::TooLarge,
        ImageError::Unsupported(_) => Refusal::Unsupported,
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Refusal::Truncated,
        _ => Refusal::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::tests::sample;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut file = Vec::new();
        image::RgbImage::new(width, height).write_to(&mut Cursor::new(&mut file), ImageFormat::Png).unwrap();
        file
    }

    fn take(file: Vec<u8>) -> Result<Picture, Refusal> {
        let limits = Limits { bytes: 100_000, width: 200, height: 200 };
        Picture::from_file(file, SystemTime::UNIX_EPOCH, &limits)
    }

    #[test]
    fn a_jpeg_passes_through_without_what_follows_it() {
        let file = sample(64, 48, 80);
        let mut longer = file.clone();
        longer.extend(b"appended by the camera");
        let picture = take(longer).unwrap();
        assert_eq!((picture.width, picture.height), (64, 48));
        assert_eq!(picture.jpeg, file);
    }

    #[test]
    fn a_png_becomes_a_jpeg() {
        let picture = take(png(64, 48)).unwrap();
        assert_eq!((picture.width, picture.height), (64, 48));
        assert!(jpeg::scan(&picture.jpeg).is_ok());
    }

    #[test]
    fn limits_hold_for_both_formats() {
        assert_eq!(take(sample(208, 48, 80)), Err(Refusal::TooLarge));
        assert_eq!(take(png(48, 201)), Err(Refusal::TooLarge));
        assert_eq!(take(vec![0; 100_001]), Err(Refusal::TooLarge));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        assert_eq!(take(Vec::new()), Err(Refusal::NotAPicture));
        assert_eq!(take(b"<svg/>".to_vec()), Err(Refusal::NotAPicture));
        let half = png(64, 48);
        assert!(matches!(take(half[..half.len() / 2].to_vec()), Err(Refusal::Truncated | Refusal::Damaged)));
        let jpeg = sample(64, 48, 80);
        assert_eq!(take(jpeg[..jpeg.len() / 2].to_vec()), Err(Refusal::Truncated));
    }
}
