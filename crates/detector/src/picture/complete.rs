//! Whether the end of an encoded picture is there
//!
//! Decoders forgive a missing end: the rest of the picture is then grey, and whoever counts in it counts too few.

/// Walks the segments of a JPEG file to its end marker. A thumbnail inside a segment has an end marker as well, so
/// looking for the marker's bytes anywhere would not do.
pub(super) fn jpeg(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;

    // after the start marker
    let mut rest = bytes.get(2..).unwrap_or_default();
    // a marker is 0xff and a code; 0xff 0x00 is a byte of a scan, and 0xff may be repeated
    while let Some(at) = rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xff)) {
        let code = rest[at + 1];
        rest = &rest[at + 2..];
        match code {
            END => return true,
            // these stand alone
            0x01 | 0xd0..=0xd8 => {}
            // all others begin with their length; a scan follows its header up to the next marker
            _ => {
                let length =
                    rest.first_chunk().map_or(usize::MAX, |length| u16::from_be_bytes(*length).into());
                rest = rest.get(length..).unwrap_or_default();
            }
        }
    }
    false
}

/// Walks the chunks of a PNG file to its end chunk.
pub(super) fn png(bytes: &[u8]) -> bool {
    // after the signature
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        if after.starts_with(b"IEND") {
            return true;
        }
        // name and checksum, four bytes each
        let length = (u32::from_be_bytes(*length) as usize).saturating_add(8);
        rest = after.get(length..).unwrap_or_default();
    }
    false
}

/// Compares the size in the RIFF header with what is there.
pub(super) fn webp(bytes: &[u8]) -> bool {
    // "RIFF", then the number of bytes that follow
    match bytes.split_first_chunk::<8>() {
        Some(([_, _, _, _, size @ ..], after)) => after.len() >= u32::from_le_bytes(*size) as usize,
        None => false,
    }
}
