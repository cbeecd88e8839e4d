//! USB/IP, by which the kernel's `vhci-hcd` hands over what it wants of a device: commands of 48 bytes and data.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const ATTACH: &str = "/sys/devices/platform/vhci_hcd.0/attach";
const HEAD: usize = 48;

/// `-EPIPE`: the device refuses.
pub const STALL: i32 = -32;
/// `-ECONNRESET`: taken back.
const TAKEN_BACK: i32 = -104;

/// What the kernel wants.
#[derive(Debug)]
pub enum Command {
    /// A control transfer with its eight bytes of setup and, towards the device, its data.
    Control { sequence: u32, setup: [u8; 8], data: Vec<u8>, length: usize },
    /// Room for data from the device.
    Read { sequence: u32, length: usize },
    /// An earlier command is taken back.
    TakeBack { sequence: u32, victim: u32 },
}

/// A plug in the kernel's socket. Dropping it is unplugging.
pub struct Plug {
    socket: UnixStream,
    buffer: Vec<u8>,
}

impl Plug {
    /// Plugs a high-speed device in.
    pub fn new() -> std::io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let (port, device, speed) = (0, 0x0001_0002, 3);
        // the kernel takes the descriptor over
        std::fs::write(ATTACH, format!("{port} {} {device} {speed}", theirs.as_raw_fd()))?;
        Ok(Self { socket: ours, buffer: Vec::new() })
    }

    /// Waits for commands, no longer than `time`. `None`: the kernel has closed the connection.
    pub fn commands(&mut self, time: Duration) -> Option<Vec<Command>> {
        self.socket.set_read_timeout(Some(time.max(Duration::from_millis(1)))).ok()?;
        let mut piece = [0; 65_536];
        match self.socket.read(&mut piece) {
            Ok(0) => return None,
            Ok(bytes) => self.buffer.extend(&piece[..bytes]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return None,
        }
        Some(std::iter::from_fn(|| self.command()).collect())
    }

    /// The next command, if it is whole.
    fn command(&mut self) -> Option<Command> {
        let head = self.buffer.get(..HEAD)?;
        let word = |at: usize| {
            let bytes = head[at..at + 4].try_into().expect("four bytes");
            u32::from_be_bytes(bytes)
        };
        let (kind, sequence, from_device, endpoint) = (word(0), word(4), word(12) == 1, word(16));
        let setup = head[40..48].try_into().expect("eight bytes");
        if kind == 2 {
            let victim = word(20);
            self.buffer.drain(..HEAD);
            return Some(Command::TakeBack { sequence, victim });
        }
        let length = usize::try_from(word(24)).expect("at least 32 bits");
        let follows = if from_device { 0 } else { length };
        let data = self.buffer.get(HEAD..HEAD + follows)?.to_vec();
        self.buffer.drain(..HEAD + follows);
        Some(match endpoint {
            0 => Command::Control { sequence, setup, data, length },
            _ => Command::Read { sequence, length },
        })
    }

    /// Answers a command: `taken` bytes were moved, which are `data` where they come from the device.
    pub fn answer(&mut self, sequence: u32, status: i32, taken: usize, data: &[u8]) -> std::io::Result<()> {
        let taken = i32::try_from(taken).expect("a transfer is short");
        self.send(&[3, sequence.cast_signed(), 0, 0, 0, status, taken, 0, 0, 0, 0, 0], data)
    }

    /// Answers [`Command::TakeBack`].
    pub fn taken_back(&mut self, sequence: u32, found: bool) -> std::io::Result<()> {
        let status = if found { TAKEN_BACK } else { 0 };
        self.send(&[4, sequence.cast_signed(), 0, 0, 0, status, 0, 0, 0, 0, 0, 0], &[])
    }

    fn send(&mut self, head: &[i32; HEAD / 4], data: &[u8]) -> std::io::Result<()> {
        let mut message: Vec<u8> = head.iter().flat_map(|word| word.to_be_bytes()).collect();
        message.extend(data);
        self.socket.write_all(&message)
    }
}
