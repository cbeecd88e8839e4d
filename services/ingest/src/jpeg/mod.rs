//! The outer form of a JPEG: where it ends, how large its picture is, whether its tables are there. Nothing is
//! decoded.

mod huffman;

use bytes::{Buf, Bytes, BytesMut};

use crate::picture::Refusal;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DHT: u8 = 0xc4;

/// Progressive pictures have about ten. Thousands of empty ones keep a decoder busy for minutes.
const MAX_SCANS: u32 = 100;

/// What [`scan`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Length of the file up to the end of its first picture.
    pub bytes: usize,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Where the Huffman tables belong, if they are missing.
    tables_at: Option<usize>,
}

impl Info {
    /// The file of its own that [`scan`] found at the start of `data`. Cameras that speak MJPEG may leave out the
    /// Huffman tables, which then are the standard ones; a file needs them.
    pub fn file(&self, data: &[u8]) -> Bytes {
        match self.tables_at {
            None => Bytes::copy_from_slice(&data[..self.bytes]),
            Some(at) => {
                let tables = huffman::standard_tables();
                [&data[..at], &tables, &data[at..self.bytes]].concat().into()
            }
        }
    }
}

/// Finds the real end of the JPEG at the start of `data`, whatever follows it.
///
/// # Errors
/// [`Refusal`] when it is none, ends too early, contradicts itself or is of a rare kind.
pub fn scan(data: &[u8]) -> Result<Info, Refusal> {
    match Scanner::default().advance(data)? {
        Some(info) => Ok(info),
        None if data.len() < 2 => Err(Refusal::NotAPicture),
        None => Err(Refusal::Truncated),
    }
}

/// Walks through a JPEG that arrives piece by piece, looking at each byte once.
#[derive(Debug, Default)]
struct Scanner {
    /// Everything before has been looked at.
    at: usize,
    size: Option<(u16, u16)>,
    has_tables: bool,
    is_progressive: bool,
    /// Where the first scan begins.
    first_scan: usize,
    scans: u32,
    in_scan: bool,
}

impl Scanner {
    /// Goes on through `data`, which starts with the picture and has only grown since the last call.
    /// `None`: the end has not come yet.
    fn advance(&mut self, data: &[u8]) -> Result<Option<Info>, Refusal> {
        if self.at == 0 {
            match data {
                [0xff, SOI, ..] => self.at = 2,
                [] | [0xff] => return Ok(None),
                _ => return Err(Refusal::NotAPicture),
            }
        }
        loop {
            if self.in_scan && !self.skip_pixels(data) {
                return Ok(None);
            }
            let Some(&[prefix, marker]) = data.get(self.at..self.at + 2) else { return Ok(None) };
            match (prefix, marker) {
                (0xff, 0xff) => self.at += 1, // fill byte
                (0xff, EOI) => return self.finish().map(Some),
                // stuffing, restarts and a second start have no place between segments; up to 0xbf is reserved, and
                // what looks like it is the next part of a stream after a picture that was cut off
                (0xff, 0x00..=0xbf | 0xd0..=SOI) => return Err(Refusal::Damaged),
                (0xff, _) => {
                    let Some(&[high, low]) = data.get(self.at + 2..self.at + 4) else { return Ok(None) };
                    let length = usize::from(u16::from_be_bytes([high, low]));
                    if length < 2 {
                        return Err(Refusal::Damaged);
                    }
                    let end = self.at + 2 + length;
                    let Some(content) = data.get(self.at + 4..end) else { return Ok(None) };
                    self.segment(marker, content)?;
                    self.at = end;
                }
                _ => return Err(Refusal::Damaged),
            }
        }
    }

    fn segment(&mut self, marker: u8, content: &[u8]) -> Result<(), Refusal> {
        match marker {
            DHT => self.has_tables = true,
            // baseline, extended, progressive
            0xc0..=0xc2 => {
                let &[precision, h1, h0, w1, w0, components, ..] = content else {
                    return Err(Refusal::Damaged);
                };
                let size = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
                if precision != 8 || !matches!(components, 1 | 3 | 4) || size.1 == 0 {
                    return Err(Refusal::Unsupported);
                }
                // two sizes: one reader believes the first, another the second
                if size.0 == 0 || self.size.replace(size).is_some() {
                    return Err(Refusal::Damaged);
                }
                self.is_progressive = marker == 0xc2;
            }
            // lossless, hierarchical, arithmetic
            0xc3 | 0xc5..=0xcf => return Err(Refusal::Unsupported),
            SOS => {
                if self.size.is_none() {
                    return Err(Refusal::Damaged);
                }
                if self.scans == 0 {
                    self.first_scan = self.at;
                }
                self.scans += 1;
                if self.scans > MAX_SCANS {
                    return Err(Refusal::Unsupported);
                }
                self.in_scan = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Goes on to the marker that ends the coded pixels. False: it is not there yet.
    fn skip_pixels(&mut self, data: &[u8]) -> bool {
        while let Some(next) = memchr::memchr(0xff, &data[self.at..]) {
            self.at += next;
            match data.get(self.at + 1) {
                None => return false,
                Some(0x00 | 0xd0..=0xd7) => self.at += 2, // a stuffed 0xff, a restart
                Some(0xff) => self.at += 1,
                Some(_) => {
                    self.in_scan = false;
                    return true;
                }
            }
        }
        self.at = data.len();
        false
    }

    fn finish(&self) -> Result<Info, Refusal> {
        match self.size {
            Some((width, height)) if self.scans > 0 => {
                // there are no standard ones for progressive pictures
                if !self.has_tables && self.is_progressive {
                    return Err(Refusal::Unsupported);
                }
                let tables_at = (!self.has_tables).then_some(self.first_scan);
                Ok(Info { bytes: self.at + 2, width, height, tables_at })
            }
            _ => Err(Refusal::Damaged),
        }
    }
}

/// Cuts a byte stream into JPEGs; what stands between them is skipped.
#[derive(Debug)]
pub struct Splitter {
    buffer: BytesMut,
    scanner: Scanner,
    limit: usize,
}

impl Splitter {
    /// How much room [`Splitter::room`] makes.
    const CHUNK: usize = 64 * 1024;

    /// A splitter for pictures of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), scanner: Scanner::default(), limit }
    }

    /// Where to append what the stream brings; call [`Splitter::picture`] until it is empty before the next.
    pub fn room(&mut self) -> &mut BytesMut {
        self.buffer.reserve(Self::CHUNK);
        &mut self.buffer
    }

    /// The next whole picture, if it is there, still within the buffer: make a [`Info::file`] of it to keep it.
    /// An error stands for one picture that is skipped.
    pub fn picture(&mut self) -> Option<Result<(BytesMut, Info), Refusal>> {
        if self.scanner.at == 0 {
            let start = memchr::memmem::find(&self.buffer, &[0xff, SOI, 0xff]);
            // without one, the last two bytes may be its beginning
            self.buffer.advance(start.unwrap_or(self.buffer.len().saturating_sub(2)));
            start?;
        }
        match self.scanner.advance(&self.buffer) {
            Ok(Some(info)) => {
                self.scanner = Scanner::default();
                Some(Ok((self.buffer.split_to(info.bytes), info)))
            }
            Ok(None) if self.buffer.len() <= self.limit => None,
            Ok(None) => {
                self.scanner = Scanner::default();
                self.buffer.clear();
                Some(Err(Refusal::TooLarge))
            }
            Err(refusal) => {
                self.scanner = Scanner::default();
                self.buffer.advance(2);
                Some(Err(refusal))
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A JPEG with some structure in it.
    pub(crate) fn sample(width: u32, height: u32, quality: u8) -> Vec<u8> {
        let pixels = image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x * 7) as u8, (y * 5) as u8, (x ^ y) as u8])
        });
        let mut file = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, quality).encode_image(&pixels).unwrap();
        file
    }

    /// `(marker, offset, length with marker)` of the segments before the pixels.
    fn segments(file: &[u8]) -> Vec<(u8, usize, usize)> {
        let mut found: Vec<(u8, usize, usize)> = Vec::new();
        let mut at = 2;
        while found.last().is_none_or(|&(marker, ..)| marker != SOS) {
            let length = 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
            found.push((file[at + 1], at, length));
            at += length;
        }
        found
    }

    fn without(file: &[u8], unwanted: u8) -> Vec<u8> {
        let mut rest = file.to_vec();
        for (_, at, length) in segments(file).into_iter().rev().filter(|&(marker, ..)| marker == unwanted) {
            rest.drain(at..at + length);
        }
        rest
    }

    #[test]
    fn the_end_is_found_before_left_overs() {
        let (short, long) = (sample(64, 48, 40), sample(64, 48, 95));
        let mut buffer = long;
        buffer[..short.len()].copy_from_slice(&short);
        let info = scan(&buffer).unwrap();
        assert_eq!(info, Info { bytes: short.len(), width: 64, height: 48, tables_at: None });
        assert_eq!(scan(&short).unwrap(), info);
    }

    #[test]
    fn every_cut_is_seen() {
        let file = sample(32, 24, 60);
        for length in 2..file.len() {
            assert_eq!(scan(&file[..length]), Err(Refusal::Truncated), "{length} of {} bytes", file.len());
        }
        assert_eq!(scan(&[]), Err(Refusal::NotAPicture));
        assert_eq!(scan(b"GIF89a"), Err(Refusal::NotAPicture));
    }

    #[test]
    fn contradictions_and_rare_kinds_are_refused() {
        let file = sample(32, 24, 60);
        let (_, frame, length) = segments(&file).into_iter().find(|&(marker, ..)| marker == 0xc0).unwrap();

        assert_eq!(scan(&without(&file, 0xc0)), Err(Refusal::Damaged), "no size");
        let mut progressive = without(&file, DHT);
        let at = progressive.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
        progressive[at + 1] = 0xc2;
        assert_eq!(scan(&progressive), Err(Refusal::Unsupported), "progressive without tables");
        let mut twice = file.clone();
        twice.splice(frame..frame, file[frame..frame + length].to_vec());
        assert_eq!(scan(&twice), Err(Refusal::Damaged), "two sizes");
        for (offset, value, refusal) in [
            (1, 0xc3, Refusal::Unsupported), // lossless
            (1, 0xc9, Refusal::Unsupported), // arithmetic
            (4, 12, Refusal::Unsupported),   // bits
            (9, 2, Refusal::Unsupported),    // components
        ] {
            let mut changed = file.clone();
            changed[frame + offset] = value;
            assert_eq!(scan(&changed), Err(refusal), "byte {offset} is {value}");
        }
        let mut flat = file.clone();
        flat[frame + 5..frame + 7].fill(0);
        assert_eq!(scan(&flat), Err(Refusal::Unsupported), "no height");
    }

    #[test]
    fn missing_tables_are_put_in() {
        let file = sample(64, 48, 75);
        let cut = without(&file, DHT);
        assert!(image::load_from_memory(&cut).is_err(), "a decoder needs them");
        let repaired = scan(&cut).unwrap().file(&cut);
        let info = scan(&repaired).unwrap();
        assert_eq!(info, Info { bytes: repaired.len(), width: 64, height: 48, tables_at: None });
        let pixels = |file: &[u8]| image::load_from_memory(file).unwrap().to_rgb8();
        assert_eq!(pixels(&repaired), pixels(&file));
    }

    #[test]
    fn thousands_of_scans_are_refused() {
        let file = sample(32, 24, 60);
        let &(_, at, length) = segments(&file).last().unwrap();
        let mut bomb = file[..at].to_vec();
        for _ in 0..1000 {
            bomb.extend(&file[at..at + length]);
        }
        bomb.extend(&file[at + length..]);
        assert_eq!(scan(&bomb), Err(Refusal::Unsupported));
    }

    fn split(stream: &[u8], chunk: usize, limit: usize) -> Vec<Result<Bytes, Refusal>> {
        let mut splitter = Splitter::new(limit);
        let mut found = Vec::new();
        for piece in stream.chunks(chunk) {
            splitter.room().extend_from_slice(piece);
            while let Some(picture) = splitter.picture() {
                found.push(picture.map(|(jpeg, _)| jpeg.freeze()));
            }
            assert!(splitter.buffer.len() <= limit + chunk, "the buffer is bounded");
        }
        found
    }

    #[test]
    fn a_stream_is_split_at_any_chunk_size() {
        let pictures: Vec<_> = (0..5u8).map(|i| sample(40 + u32::from(i) * 8, 32, 50 + i * 10)).collect();
        let mut stream = Vec::new();
        for picture in &pictures {
            stream.extend(format!("\r\n--frame\r\nContent-Length: {}\r\n\r\n", picture.len()).bytes());
            stream.extend(picture);
        }
        for chunk in [1, 7, 1000, stream.len()] {
            let found: Vec<_> = split(&stream, chunk, 1 << 20).into_iter().map(Result::unwrap).collect();
            assert_eq!(found, pictures);
        }
    }

    #[test]
    fn a_part_that_is_cut_off_costs_no_other_picture() {
        let (first, second) = (sample(64, 48, 80), sample(48, 32, 80));
        let part = |picture: &[u8]| [b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n", picture].concat();
        for cut in [3, 20, 200, first.len() - 1] {
            let stream = [part(&first), part(&first[..cut]), part(&second), part(&first)].concat();
            let whole: Vec<_> = split(&stream, 97, 1 << 20).into_iter().flatten().collect();
            assert_eq!(whole, [&first[..], &second, &first], "cut at {cut}");
        }
    }

    #[test]
    fn a_picture_over_the_limit_is_skipped_and_the_next_one_found() {
        let (small, large) = (sample(32, 32, 50), sample(400, 400, 95));
        let stream = [&large[..], &small[..]].concat();
        let found = split(&stream, 512, 4096);
        assert_eq!(found.last(), Some(&Ok(small.into())));
        assert!(found.contains(&Err(Refusal::TooLarge)));
    }

    proptest! {
        #[test]
        fn no_input_breaks_the_scanner(data in prop::collection::vec(any::<u8>(), 0..500), chunk in 1usize..50) {
            let mut start = vec![0xff, SOI, 0xff];
            start.extend(&data);
            if let Ok(info) = scan(&start) {
                prop_assert!(info.bytes <= start.len());
            }
            split(&start, chunk, 64);
        }

        #[test]
        fn a_flipped_byte_never_moves_the_end_beyond_the_data(at in 0usize..2000, value in any::<u8>()) {
            let mut file = sample(32, 24, 60);
            let at = at % file.len();
            file[at] = value;
            if let Ok(info) = scan(&file) {
                prop_assert!(info.bytes <= file.len());
                prop_assert!(info.width > 0 && info.height > 0);
            }
        }
    }
}
