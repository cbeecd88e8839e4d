//! What the camera says of itself: USB 2.0, chapter 9, and the USB Video Class 1.0.

/// Pixels, and the size that the camera declares for its largest JPEG.
pub const WIDTH: u16 = 640;
/// Rows of pixels.
pub const HEIGHT: u16 = 480;

/// Number of the MJPEG format.
pub const MJPEG: u8 = 1;
/// Number of the YUY2 format.
pub const YUY2: u8 = 2;

/// Times between two pictures, in units of 100 ns: 30, 15, 10 and 5 pictures per second.
pub const INTERVALS: [u32; 4] = [333_333, 666_666, 1_000_000, 2_000_000];

/// Bytes of the largest picture: of a raw one. Many cameras say the same of their JPEGs.
pub fn max_picture() -> u32 {
    u32::from(WIDTH) * u32::from(HEIGHT) * 2
}

/// Bytes, least significant first.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u8(mut self, values: &[u8]) -> Self {
        self.0.extend(values);
        self
    }

    fn u16(self, value: u16) -> Self {
        self.u8(&value.to_le_bytes())
    }

    fn u32(self, value: u32) -> Self {
        self.u8(&value.to_le_bytes())
    }

    /// One descriptor: its length comes first.
    fn descriptor(self) -> Vec<u8> {
        let length = u8::try_from(self.0.len() + 1).expect("a descriptor is short");
        [&[length], &self.0[..]].concat()
    }
}

fn bytes() -> Bytes {
    Bytes::default()
}

/// The device descriptor: high speed, class "miscellaneous" because of the interface association.
pub fn device() -> Vec<u8> {
    bytes()
        .u8(&[1])
        .u16(0x0200)
        .u8(&[0xef, 2, 1, 64])
        .u16(0x1209)
        .u16(1)
        .u16(0x0100)
        .u8(&[1, 2, 3, 1])
        .descriptor()
}

/// The configuration descriptor with all that follows it.
pub fn configuration() -> Vec<u8> {
    let association = bytes().u8(&[0x0b, 0, 2, 0x0e, 3, 0, 0]).descriptor();
    let control = bytes().u8(&[4, 0, 0, 0, 0x0e, 1, 0, 0]).descriptor();
    let streaming = bytes().u8(&[4, 1, 0, 1, 0x0e, 2, 0, 0]).descriptor();
    let endpoint = bytes().u8(&[5, 0x81, 2]).u16(512).u8(&[0]).descriptor();
    let content =
        [association, control, control_interface(), streaming, streaming_interface(), endpoint].concat();
    let total = u16::try_from(content.len() + 9).expect("a configuration is short");
    let head = bytes().u8(&[2]).u16(total).u8(&[2, 1, 0, 0x80, 250]).descriptor();
    [head, content].concat()
}

/// Lens, processing (brightness) and output, one after the other.
fn control_interface() -> Vec<u8> {
    let lens =
        bytes().u8(&[0x24, 2, 1]).u16(0x0201).u8(&[0, 0]).u16(0).u16(0).u16(0).u8(&[3, 0, 0, 0]).descriptor();
    let processing = bytes().u8(&[0x24, 5, 2, 1]).u16(0).u8(&[2, 1, 0, 0]).descriptor();
    let output = bytes().u8(&[0x24, 3, 3]).u16(0x0101).u8(&[0, 2, 0]).descriptor();
    let content = [lens, processing, output].concat();
    let total = u16::try_from(content.len() + 13).expect("an interface is short");
    let head = bytes().u8(&[0x24, 1]).u16(0x0100).u16(total).u32(1_000_000).u8(&[1, 1]).descriptor();
    [head, content].concat()
}

/// Two formats of one size each.
fn streaming_interface() -> Vec<u8> {
    let colours = bytes().u8(&[0x24, 0x0d, 1, 1, 4]).descriptor();
    let mjpeg = bytes().u8(&[0x24, 6, MJPEG, 1, 1, 1, 0, 0, 0, 0]).descriptor();
    // the GUID of YUY2: the four letters and Microsoft's suffix
    let guid = b"YUY2\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71";
    let yuy2 = bytes().u8(&[0x24, 4, YUY2, 1]).u8(guid).u8(&[16, 1, 0, 0, 0, 0]).descriptor();
    let content = [mjpeg, size(7), colours.clone(), yuy2, size(5), colours].concat();
    let total = u16::try_from(content.len() + 15).expect("an interface is short");
    let head = bytes().u8(&[0x24, 1, 2]).u16(total).u8(&[0x81, 0, 3, 0, 0, 0, 1, 0, 0]).descriptor();
    [head, content].concat()
}

/// The one size of a format, whose kind is the subtype.
fn size(subtype: u8) -> Vec<u8> {
    let head = bytes()
        .u8(&[0x24, subtype, 1, 0])
        .u16(WIDTH)
        .u16(HEIGHT)
        .u32(max_picture() * 8 * 5)
        .u32(max_picture() * 8 * 30)
        .u32(max_picture())
        .u32(INTERVALS[0])
        .u8(&[4]);
    INTERVALS.iter().fold(head, |bytes, interval| bytes.u32(*interval)).descriptor()
}

/// A string descriptor; the one of number 0 lists languages.
pub fn string(number: u16) -> Option<Vec<u8>> {
    let text = match number {
        0 => return Some(bytes().u8(&[3]).u16(0x0409).descriptor()),
        1 => "People Counter",
        2 => "Test Camera",
        3 => "0001",
        _ => return None,
    };
    Some(text.encode_utf16().fold(bytes().u8(&[3]), Bytes::u16).descriptor())
}

/// What is agreed on before streaming ("probe and commit").
pub fn agreement(format: u8, interval: u32) -> Vec<u8> {
    bytes().u16(1).u8(&[format, 1]).u32(interval).u8(&[0; 10]).u32(max_picture()).u32(max_picture() + 2).0
}
