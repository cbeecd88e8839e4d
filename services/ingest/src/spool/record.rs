//! [`Record`]: how a frame lies in a file, so that a torn or damaged one is never taken for a whole one.
//!
//! ```text
//! magic 8 | frame id 16 | captured f64 | width u32 | height u32 | length u64 | CRC-32 of these 48 bytes
//! attempts u32 | CRC-32 of the attempts
//! the picture | CRC-32 of the picture
//! ```
//! All numbers are big endian. The attempts alone change while a frame waits: they are written over in place, with
//! a sum of their own, so that no power failure in that moment costs a picture.

use bytes::Bytes;
use people_counter_events::FrameID;

const MAGIC: &[u8; 8] = b"PCFRAME2";

/// Length of what stands before the picture.
pub const HEADER_BYTES: usize = 60;
/// Where the attempts stand.
pub const ATTEMPTS_AT: usize = 52;
const SUM_BYTES: usize = 4;

/// A frame without its picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: FrameID,
    /// When it was captured, Unix seconds.
    pub captured: f64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Length of the picture.
    pub bytes: u64,
    /// How often it has been announced while a node was online.
    pub attempts: u32,
}

impl Record {
    /// The bytes that stand before the picture.
    pub fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(MAGIC);
        header[8..24].copy_from_slice(self.id.as_bytes());
        header[24..32].copy_from_slice(&self.captured.to_be_bytes());
        header[32..36].copy_from_slice(&self.width.to_be_bytes());
        header[36..40].copy_from_slice(&self.height.to_be_bytes());
        header[40..48].copy_from_slice(&self.bytes.to_be_bytes());
        let sum = crc32fast::hash(&header[..48]);
        header[48..ATTEMPTS_AT].copy_from_slice(&sum.to_be_bytes());
        header[ATTEMPTS_AT..].copy_from_slice(&Self::attempts(self.attempts));
        header
    }

    /// The bytes that stand at [`ATTEMPTS_AT`].
    pub fn attempts(attempts: u32) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&attempts.to_be_bytes());
        let sum = crc32fast::hash(&bytes[..4]);
        bytes[4..].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// The bytes that stand behind the picture.
    pub fn trailer(picture: &[u8]) -> [u8; SUM_BYTES] {
        crc32fast::hash(picture).to_be_bytes()
    }

    /// Reads a header; `None` when it is none or damaged.
    pub fn read(header: &[u8; HEADER_BYTES]) -> Option<Self> {
        let number = |range: std::ops::Range<usize>| {
            header[range].iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte))
        };
        let sum = u64::from(crc32fast::hash(&header[..48]));
        if header[..8] != *MAGIC || number(48..52) != sum {
            return None;
        }
        let attempts = u32::try_from(number(52..56)).ok()?;
        let attempts_are_whole = header[ATTEMPTS_AT..] == Self::attempts(attempts);
        Some(Self {
            id: FrameID::from_slice(&header[8..24]).ok()?,
            captured: f64::from_bits(number(24..32)),
            width: u32::try_from(number(32..36)).ok()?,
            height: u32::try_from(number(36..40)).ok()?,
            bytes: number(40..48),
            // a count that a power failure tore begins anew; the picture is worth more
            attempts: if attempts_are_whole { attempts } else { 0 },
        })
    }

    /// Length of the whole file.
    pub fn file_bytes(&self) -> Option<u64> {
        self.bytes.checked_add((HEADER_BYTES + SUM_BYTES) as u64)
    }

    /// The picture in a whole file; `None` when it is damaged.
    pub fn picture(file: Vec<u8>) -> Option<Bytes> {
        let record = Self::read(file.first_chunk()?)?;
        if record.file_bytes()? != file.len() as u64 {
            return None;
        }
        let end = file.len() - SUM_BYTES;
        if file[end..] != Self::trailer(&file[HEADER_BYTES..end]) {
            return None;
        }
        Some(Bytes::from(file).slice(HEADER_BYTES..end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(picture: &[u8]) -> (Record, Vec<u8>) {
        let id = FrameID::from_u128(0x0190_b5a2_7c3e_7d10_9f3a_5b6f_1c2d_3e4f);
        let bytes = picture.len() as u64;
        let captured = 1_789_000_000.25;
        let record = Record { id, captured, width: 640, height: 480, bytes, attempts: 3 };
        (record, [&record.header()[..], picture, &Record::trailer(picture)].concat())
    }

    #[test]
    fn what_is_written_is_read() {
        let (record, file) = file(b"picture");
        assert_eq!(Record::read(file.first_chunk().unwrap()), Some(record));
        assert_eq!(record.file_bytes(), Some(file.len() as u64));
        assert_eq!(Record::picture(file).unwrap(), "picture");
    }

    proptest! {
        #[test]
        fn no_cut_and_no_changed_bit_goes_unseen(
            picture in prop::collection::vec(any::<u8>(), 0..200), at in any::<usize>(), bit in 0..8,
        ) {
            let (_, file) = file(&picture);
            prop_assert_eq!(Record::picture(file[..at % file.len()].to_vec()), None);
            let mut changed = file;
            let at = at % changed.len();
            changed[at] ^= 1u8 << bit;
            if (ATTEMPTS_AT..HEADER_BYTES).contains(&at) {
                prop_assert_eq!(Record::read(changed.first_chunk().unwrap()).unwrap().attempts, 0);
                prop_assert_eq!(Record::picture(changed).unwrap(), picture);
            } else {
                prop_assert_eq!(Record::picture(changed), None);
            }
        }
    }
}
