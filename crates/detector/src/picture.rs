//! Encoded pictures (JPEG, PNG, WebP) to pixels, within limits
//!
//! Bytes from a network are not trusted: the limits are checked against the header before anything of the picture's
//! size is allocated, and a picture of which a part is missing is an error, not a half grey picture.

mod complete;
mod webp;

use std::io::Cursor;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

/// What a picture may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Size of the encoded picture in bytes.
    pub max_bytes: usize,
    /// Width times height.
    pub max_pixels: u64,
}

impl Default for Limits {
    /// 16 MiB and 36 million pixels, which is a little more than 8K (7680x4320).
    fn default() -> Self {
        Self { max_bytes: 16 << 20, max_pixels: 36_000_000 }
    }
}

impl Limits {
    /// This with `change` made: what a struct expression would say if fields could not be added later.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// Why there are no pixels. None of these passes by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// No bytes at all.
    #[error("cannot decode the picture: it is empty")]
    Empty,
    /// More bytes than [`Limits::max_bytes`].
    #[error("cannot decode the picture: its {bytes} bytes are more than the limit of {limit}")]
    TooManyBytes {
        /// Size of the encoded picture.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// More pixels than [`Limits::max_pixels`].
    #[error("cannot decode the picture: {width}x{height} pixels are more than the limit of {limit}")]
    TooManyPixels {
        /// Width as the header says.
        width: u32,
        /// Height as the header says.
        height: u32,
        /// The limit.
        limit: u64,
    },
    /// More working memory than a picture within the limits needs.
    #[error("cannot decode the picture: it asks for more memory than pictures within the limits need")]
    TooMuchMemory,
    /// Neither JPEG nor PNG nor WebP.
    #[error("cannot decode the picture: it is neither JPEG nor PNG nor WebP")]
    UnknownFormat,
    /// The end is missing.
    #[error("cannot decode the picture: its end is missing")]
    Truncated,
    /// The decoder does not understand it.
    #[error("cannot decode the picture: it is damaged, or of an unusual kind")]
    Damaged {
        /// What the decoder said.
        source: ImageError,
    },
}

impl PictureError {
    /// A stable name of the reason, for messages between programs: `too-large` for what is above a limit,
    /// `undecodable` for everything else.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooManyBytes { .. } | Self::TooManyPixels { .. } | Self::TooMuchMemory => "too-large",
            Self::Empty | Self::UnknownFormat | Self::Truncated | Self::Damaged { .. } => "undecodable",
        }
    }

    fn from_image(error: ImageError) -> Self {
        match error {
            ImageError::Limits(_) => Self::TooMuchMemory,
            ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Self::Truncated,
            source => Self::Damaged { source },
        }
    }
}

/// The pixels of an encoded picture, upright: the EXIF orientation is applied. Transparency is dropped, 16-bit
/// channels are reduced to 8, of an animation the first picture is taken.
///
/// # Errors
/// See [`PictureError`]; each has a stable [`code`](PictureError::code).
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<RgbImage, PictureError> {
    let mut picture = RgbImage::default();
    decode_into(bytes, limits, &mut picture)?;
    Ok(picture)
}

/// As [`decode`], into the memory of an earlier picture: between 8-bit colour pictures of the same size that are
/// stored upright, nothing of the picture's size is allocated. `picture` is empty after an error.
pub fn decode_into(bytes: &[u8], limits: &Limits, picture: &mut RgbImage) -> Result<(), PictureError> {
    let buffer = std::mem::take(picture).into_raw();
    let format = check(bytes, limits)?;

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(memory(limits));
    let mut decoder = reader.into_decoder().map_err(PictureError::from_image)?;
    let (width, height) = decoder.dimensions();
    within(width, height, limits)?;
    let orientation = decoder.orientation().map_err(PictureError::from_image)?;

    *picture = if decoder.color_type() == ColorType::Rgb8 && orientation == Orientation::NoTransforms {
        read_plain(decoder, buffer)?
    } else {
        let mut decoded = DynamicImage::from_decoder(decoder).map_err(PictureError::from_image)?;
        decoded.apply_orientation(orientation);
        decoded.into_rgb8()
    };
    Ok(())
}

/// Everything that can be said about the bytes without decoding them.
fn check(bytes: &[u8], limits: &Limits) -> Result<ImageFormat, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    if bytes.len() > limits.max_bytes {
        return Err(PictureError::TooManyBytes { bytes: bytes.len(), limit: limits.max_bytes });
    }
    let format = image::guess_format(bytes).map_err(|_| PictureError::UnknownFormat)?;
    let complete = match format {
        ImageFormat::Jpeg => complete::jpeg(bytes),
        ImageFormat::Png => complete::png(bytes),
        ImageFormat::WebP => complete::webp(bytes),
        _ => return Err(PictureError::UnknownFormat),
    };
    if !complete {
        return Err(PictureError::Truncated);
    }
    if format == ImageFormat::WebP {
        // the size in a WebP's outer header says nothing about the pictures inside
        for (width, height) in webp::inner_sizes(bytes) {
            within(width, height, limits)?;
        }
    }
    Ok(format)
}

fn within(width: u32, height: u32, limits: &Limits) -> Result<(), PictureError> {
    match u64::from(width) * u64::from(height) > limits.max_pixels {
        true => Err(PictureError::TooManyPixels { width, height, limit: limits.max_pixels }),
        false => Ok(()),
    }
}

/// The decoder's own limit: 8 bytes a pixel hold the largest kind (four channels of 16 bits).
fn memory(limits: &Limits) -> image::Limits {
    let mut memory = image::Limits::no_limits();
    memory.max_alloc = Some(limits.max_pixels.saturating_mul(8).saturating_add(1 << 20));
    memory
}

/// Decodes 8-bit RGB straight into `buffer`.
fn read_plain(decoder: impl ImageDecoder, mut buffer: Vec<u8>) -> Result<RgbImage, PictureError> {
    let (width, height) = decoder.dimensions();
    let bytes = usize::try_from(decoder.total_bytes()).map_err(|_| PictureError::TooMuchMemory)?;
    buffer.resize(bytes, 0);
    decoder.read_image(&mut buffer).map_err(PictureError::from_image)?;
    Ok(RgbImage::from_raw(width, height, buffer).expect("the decoder's sizes agree with each other"))
}
