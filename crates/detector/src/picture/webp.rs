//! The sizes of the pictures inside a WebP container

/// Width and height of every picture in the file, as its own bitstream says. Decoders allocate by these, not by the
/// container's header.
pub(super) fn inner_sizes(bytes: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    // "RIFF", size, "WEBP"
    chunks(bytes.get(12..).unwrap_or_default()).flat_map(|(name, body)| {
        // a frame of an animation has 16 bytes of its own, then chunks like a still picture
        let frame = if name == *b"ANMF" { body.get(16..).unwrap_or_default() } else { &[] };
        size(name, body).into_iter().chain(chunks(frame).filter_map(|(name, body)| size(name, body)))
    })
}

/// Name and content of one chunk after the other; the last may be cut short.
fn chunks(mut rest: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (name, after) = rest.split_first_chunk()?;
        let (length, after) = after.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        // chunks are padded to an even length
        rest = after.get(length.saturating_add(length & 1)..).unwrap_or_default();
        Some((*name, &after[..length.min(after.len())]))
    })
}

fn size(name: [u8; 4], body: &[u8]) -> Option<(u32, u32)> {
    match &name {
        b"VP8 " => lossy(body),
        b"VP8L" => lossless(body),
        _ => None,
    }
}

/// RFC 6386, section 9.1: three bytes of frame tag, three of start code, then 14 bits each of width and height.
fn lossy(body: &[u8]) -> Option<(u32, u32)> {
    let [_, _, _, _, _, _, w0, w1, h0, h1] = *body.first_chunk()?;
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Some((side(w0, w1), side(h0, h1)))
}

/// RFC 9649, section 3.4: a signature byte, then 14 bits each of width - 1 and height - 1.
fn lossless(body: &[u8]) -> Option<(u32, u32)> {
    let [_, a, b, c, d] = *body.first_chunk()?;
    let bits = u32::from_le_bytes([a, b, c, d]);
    Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
}
