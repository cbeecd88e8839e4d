//! H.264 by openh264, built from source: Cisco pays the patent fees of the binaries it ships itself, not of this.

use std::time::SystemTime;

use openh264::formats::YUVSource;

use super::group::Group;
use crate::config::Limits;
use crate::picture::{Picture, Refusal};
use crate::raw::{Layout, Raw};
use crate::source::Trouble;

/// A decoder that looks at each coded picture once, and at none of a group that nobody asks for.
pub struct H264 {
    decoder: openh264::decoder::Decoder,
    /// Number of the group it is in, and how many of its coded pictures it has seen.
    seen: (u64, usize),
}

impl H264 {
    pub fn new() -> Result<Self, Trouble> {
        Ok(Self { decoder: new_decoder()?, seen: (0, 0) })
    }

    pub fn decode(
        &mut self,
        group: &Group,
        captured: SystemTime,
        limits: Limits,
    ) -> Result<Picture, Refusal> {
        let units = group.units();
        let from = match self.seen {
            (number, seen) if number == group.number() && seen < units.len() => seen,
            _ => 0,
        };
        self.seen = (group.number(), units.len());
        let outcome = self.decode_units(&units[from..], captured, limits);
        if outcome.is_err() {
            // begins anew with the next group
            self.seen = (0, 0);
            self.decoder = new_decoder().map_err(|_| Refusal::Damaged)?;
        }
        outcome
    }

    fn decode_units(
        &mut self,
        units: &[Vec<u8>],
        captured: SystemTime,
        limits: Limits,
    ) -> Result<Picture, Refusal> {
        let Some((last, before)) = units.split_last() else { return Err(Refusal::Truncated) };
        for unit in before {
            self.decoder.decode(unit).map_err(refusal)?;
        }
        let pixels = self.decoder.decode(last).map_err(refusal)?.ok_or(Refusal::Truncated)?;
        let (width, height) = pixels.dimensions();
        let size = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        if size(width) > limits.width || size(height) > limits.height {
            return Err(Refusal::TooLarge);
        }
        let mut rgb = vec![0; width * height * 3];
        pixels.write_rgb8(&mut rgb);
        Picture::from_raw(Raw::new(Layout::Rgb, size(width), size(height), &rgb)?, captured, &limits)
    }
}

fn new_decoder() -> Result<openh264::decoder::Decoder, Trouble> {
    openh264::decoder::Decoder::new()
        .map_err(|error| Trouble::new(format!("the H.264 decoder cannot be started: {error}")))
}

fn refusal(error: openh264::Error) -> Refusal {
    tracing::debug!("openh264: {error}");
    Refusal::Damaged
}
