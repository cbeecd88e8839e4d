//! A USB camera in user space, so that the kernel's own `uvcvideo` serves it and what is tested sees an ordinary
//! `/dev/video0`. It can be unplugged, frozen and made to cut pictures off.

mod descriptors;
mod usbip;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use descriptors::{HEIGHT, INTERVALS, MJPEG, WIDTH, YUY2, agreement, max_picture};
use usbip::{Command, Plug, STALL};

/// How often what the user wants is looked at.
const TICK: Duration = Duration::from_millis(20);

/// The camera, plugged in or not.
pub struct UsbCamera {
    pictures: Vec<Vec<u8>>,
    plug: Option<Plug>,
    wanted: bool,
    frozen: bool,
    cut: u32,
    stream: Stream,
}

/// What goes on while the camera is plugged in.
struct Stream {
    format: u8,
    interval: u32,
    /// Room that the kernel offers: sequence and length.
    offers: VecDeque<(u32, usize)>,
    /// What is left of the picture under way.
    rest: Option<VecDeque<u8>>,
    /// When the next picture is due; `None`: nobody watches.
    due: Option<Instant>,
    number: usize,
}

impl Stream {
    fn new() -> Self {
        Self {
            format: MJPEG,
            interval: INTERVALS[0],
            offers: VecDeque::new(),
            rest: None,
            due: None,
            number: 0,
        }
    }
}

impl UsbCamera {
    /// A camera that shows `pictures`, JPEGs of 640 x 480, over and over. It is plugged in at the first
    /// [`UsbCamera::work`].
    pub fn new(pictures: Vec<Vec<u8>>) -> Self {
        assert!(!pictures.is_empty(), "a camera needs pictures");
        Self { pictures, plug: None, wanted: true, frozen: false, cut: 0, stream: Stream::new() }
    }

    /// Does what `word` says: `plug`, `unplug`, `freeze`, `thaw`, or `cut` (of the next ten pictures, only the first
    /// third arrives). False: it is none of these.
    pub fn obey(&mut self, word: &str) -> bool {
        match word {
            "plug" => self.wanted = true,
            "unplug" => (self.wanted, self.plug) = (false, None),
            "freeze" => self.frozen = true,
            "thaw" => self.frozen = false,
            "cut" => self.cut = 10,
            _ => return false,
        }
        true
    }

    /// Works for about a tick.
    ///
    /// # Errors
    /// It cannot be plugged in.
    pub fn work(&mut self) -> std::io::Result<()> {
        if !self.wanted {
            std::thread::sleep(TICK);
            return Ok(());
        }
        if self.plug.is_none() {
            self.stream = Stream::new();
            self.plug = Some(Plug::new()?);
        }
        let Some(mut plug) = self.plug.take() else { return Ok(()) };
        let due = self.stream.due.filter(|_| !self.frozen && !self.stream.offers.is_empty());
        let wait = due.map_or(TICK, |due| due.saturating_duration_since(Instant::now()).min(TICK));
        let Some(commands) = plug.commands(wait) else {
            // the kernel has let go, which is how it pulls the plug
            self.wanted = false;
            return Ok(());
        };
        for command in commands {
            self.follow(&mut plug, command)?;
        }
        self.show(&mut plug)?;
        self.plug = Some(plug);
        Ok(())
    }

    fn follow(&mut self, plug: &mut Plug, command: Command) -> std::io::Result<()> {
        match command {
            Command::Read { sequence, length } => {
                self.stream.offers.push_back((sequence, length));
                Ok(())
            }
            Command::TakeBack { sequence, victim } => {
                let before = self.stream.offers.len();
                self.stream.offers.retain(|(offer, _)| *offer != victim);
                plug.taken_back(sequence, self.stream.offers.len() < before)
            }
            Command::Control { sequence, setup, data, length } => match self.control(setup, &data) {
                Some(mut answer) if setup[0] & 0x80 != 0 => {
                    answer.truncate(length);
                    plug.answer(sequence, 0, answer.len(), &answer)
                }
                Some(_) => plug.answer(sequence, 0, data.len(), &[]),
                None => plug.answer(sequence, STALL, 0, &[]),
            },
        }
    }

    /// The answer to a control transfer; `None`: not supported.
    fn control(&mut self, setup: [u8; 8], data: &[u8]) -> Option<Vec<u8>> {
        let [kind, request, low, high, interface, unit, ..] = setup;
        match (kind, request) {
            // descriptors
            (0x80, 6) => match high {
                1 => Some(descriptors::device()),
                2 => Some(descriptors::configuration()),
                3 => descriptors::string(u16::from(low)),
                _ => None,
            },
            // status, configuration, interface
            (0x80..=0x82, 0) => Some(vec![0, 0]),
            (0x80, 8) => Some(vec![1]),
            (0x81, 10) => Some(vec![0]),
            // "clear halt" is how the driver ends a stream
            (0x02, 1) => {
                (self.stream.due, self.stream.rest) = (None, None);
                Some(Vec::new())
            }
            (0x00..=0x02, _) => Some(Vec::new()),
            // probe and commit, on the streaming interface
            (0x21, 1) if interface == 1 && data.len() >= 8 => {
                self.agree(data, high == 2);
                Some(Vec::new())
            }
            (0xa1, 0x81..=0x83 | 0x87) if interface == 1 => {
                Some(agreement(self.stream.format, self.stream.interval))
            }
            (0xa1, 0x85) if interface == 1 => Some(vec![26, 0]),
            (_, 0x86) if kind == 0xa1 => Some(vec![3]),
            // brightness, on the processing unit: current, least, most, step, length, default
            (0x21, 1) if unit == 2 => Some(Vec::new()),
            (0xa1, _) if unit == 2 => Some(match request {
                0x82 => vec![0, 0],
                0x83 => vec![255, 0],
                0x84 => vec![1, 0],
                0x85 => vec![2, 0],
                _ => vec![128, 0],
            }),
            _ => None,
        }
    }

    /// The driver asks for a format and a rate, and at the end wants the stream.
    fn agree(&mut self, data: &[u8], is_final: bool) {
        let wanted = u32::from_le_bytes(data[4..8].try_into().expect("four bytes"));
        let nearest = INTERVALS.iter().min_by_key(|interval| interval.abs_diff(wanted));
        self.stream.interval = *nearest.expect("there are intervals");
        self.stream.format = data[2].clamp(MJPEG, YUY2);
        if is_final {
            (self.stream.due, self.stream.rest) = (Some(Instant::now()), None);
        }
    }

    /// Fills the room that the kernel offers with the picture that is due.
    fn show(&mut self, plug: &mut Plug) -> std::io::Result<()> {
        while let Some(&(sequence, length)) = self.stream.offers.front() {
            if self.stream.rest.is_none() {
                let now = Instant::now();
                match self.stream.due {
                    Some(due) if due <= now && !self.frozen => {
                        let interval = Duration::from_nanos(u64::from(self.stream.interval) * 100);
                        self.stream.due = Some((due + interval).max(now));
                        self.stream.rest = Some(self.payload().into());
                    }
                    _ => return Ok(()),
                }
            }
            let Some(rest) = &mut self.stream.rest else { return Ok(()) };
            let piece: Vec<u8> = rest.drain(..length.min(rest.len())).collect();
            // a piece that does not fill its room ends the picture
            if piece.len() < length {
                self.stream.rest = None;
            }
            self.stream.offers.pop_front();
            plug.answer(sequence, 0, piece.len(), &piece)?;
        }
        Ok(())
    }

    /// The next picture behind its two bytes of header, whose lowest bit changes with every picture.
    fn payload(&mut self) -> Vec<u8> {
        let toggle = u8::from(self.stream.number.is_multiple_of(2));
        let mut payload = vec![2, 0x80 | 0x02 | toggle];
        if self.stream.format == MJPEG {
            let picture = &self.pictures[self.stream.number % self.pictures.len()];
            let end = if self.cut > 0 { picture.len() / 3 } else { picture.len() };
            self.cut = self.cut.saturating_sub(1);
            payload.extend(&picture[..end]);
        } else {
            // a bright bar that moves over a dark picture
            let bar = self.stream.number * 8 % usize::from(WIDTH);
            let row: Vec<u8> = (0..usize::from(WIDTH))
                .flat_map(|x| [if x.abs_diff(bar) < 16 { 235 } else { 60 }, 128])
                .collect();
            payload.extend(row.repeat(usize::from(HEIGHT)));
        }
        self.stream.number += 1;
        assert!(payload.len() <= usize::try_from(max_picture() + 2).expect("32 bits"), "a picture fits");
        payload
    }
}
