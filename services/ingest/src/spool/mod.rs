//! [`Spool`]: frames of one device in a folder, so that they outlive the process. Blocking.
//!
//! A frame is written aside, forced to the disk and renamed, so a name stands for a whole file whenever the
//! process or the power ends; checksums are for the disk itself. What is decided about frames is decided by
//! the ledger: here is only how they are kept.

mod record;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use people_counter_events::{DeviceID, Order};

use crate::ledger::MAX_BOOT_ID;
pub use record::Record;
use record::{ATTEMPTS_AT, HEADER_BYTES};

const FRAME: &str = "frame";
const PART: &str = "part";
const LOCK: &str = "lock";

/// The folder; clones share it.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
    /// Held while this process uses the folder.
    lock: Arc<Mutex<Option<File>>>,
}

/// A frame that an earlier start left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Left {
    /// Where it stood among all of its device, as far as was known when it was written.
    pub order: Order,
    /// What it is.
    pub record: Record,
}

/// What earlier starts left behind.
#[derive(Debug, Default, PartialEq)]
pub struct Remains {
    /// Whole files, in order, as far as their headers and lengths tell.
    pub frames: Vec<Left>,
    /// Files that were not whole, and are gone now.
    pub damaged: u64,
}

impl Spool {
    /// The folder of `device` within `folder`. Nothing is touched yet.
    pub fn new(folder: &Path, device: &DeviceID) -> Self {
        Self { folder: folder.join(device.as_str()), lock: Arc::default() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder if need be and takes possession of it.
    ///
    /// # Errors
    /// What the system says; [`ErrorKind::WouldBlock`] when another process has it.
    fn open(&self) -> io::Result<()> {
        // nothing inside can panic half-way
        let mut lock = self.lock.lock().unwrap_or_else(|poison| poison.into_inner());
        if lock.is_some() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let path = self.folder.join(LOCK);
        let file = match OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path) {
            // what was left on a disk that became read-only can still be sent
            Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => File::open(path)?,
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        *lock = Some(file);
        Ok(())
    }

    /// Takes possession of the folder and looks for what earlier starts left behind.
    ///
    /// # Errors
    /// When the folder cannot be made, locked or read.
    pub fn recover(&self) -> io::Result<Remains> {
        self.open()?;
        let mut remains = Remains::default();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == PART) {
                // begun, and cut off by the end of the process
                discard(&path);
            }
            let Some(order) = order_of(&path) else { continue };
            match read_record(&path) {
                Ok(record) => remains.frames.push(Left { order, record }),
                Err(error) => {
                    tracing::warn!("{} is not sent: {error}", path.display());
                    discard(&path);
                    remains.damaged += 1;
                }
            }
        }
        remains.frames.sort_unstable_by_key(|left| left.order);
        Ok(remains)
    }

    /// Writes a frame: on return it is there whole, whatever happens.
    ///
    /// # Errors
    /// What the system says; nothing is left behind then.
    pub fn write(&self, order: Order, record: &Record, picture: &[u8]) -> io::Result<()> {
        self.open()?;
        let path = self.path(order);
        let aside = path.with_extension(PART);
        let written = write_file(&aside, record, picture).and_then(|()| fs::rename(&aside, &path));
        if let Err(error) = written {
            if aside.exists() {
                discard(&aside);
            }
            return Err(error);
        }
        // the name too must outlive a power failure
        File::open(&self.folder)?.sync_all()
    }

    /// Notes how often a frame that is there has been announced. Not forced to the disk: most frames are settled and
    /// gone before the system would write it there, and a power failure costs the last counts at most.
    ///
    /// # Errors
    /// What the system says.
    pub fn note_attempts(&self, order: Order, attempts: u32) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(order))?;
        file.write_all_at(&Record::attempts(attempts), ATTEMPTS_AT as u64)
    }

    /// Reads a picture.
    ///
    /// # Errors
    /// When it is not there, cannot be read or is damaged ([`ErrorKind::InvalidData`]).
    pub fn read(&self, order: Order) -> io::Result<Bytes> {
        let file = fs::read(self.path(order))?;
        Record::picture(file).ok_or_else(|| ErrorKind::InvalidData.into())
    }

    /// Removes a frame; it may be gone already.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, order: Order) -> io::Result<()> {
        match fs::remove_file(self.path(order)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn path(&self, order: Order) -> PathBuf {
        // names sort as the frames do
        self.folder.join(format!("{:016}-{:012}.{FRAME}", order.boot_id, order.sequence))
    }
}

/// What is wrong with the folder, in words for everybody who sees the device: paths are for the log.
pub fn complaint(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full",
        ErrorKind::ReadOnlyFilesystem => "the disk is read-only",
        ErrorKind::PermissionDenied => "its folder may not be written",
        ErrorKind::WouldBlock => "another process uses its folder",
        _ => "the disk does not take them",
    }
}

fn order_of(path: &Path) -> Option<Order> {
    let name = path.file_name()?.to_str()?.strip_suffix(FRAME)?.strip_suffix('.')?;
    let (boot, sequence) = name.split_once('-')?;
    let order = Order::new(boot.parse().ok()?, sequence.parse().ok()?);
    (order.boot_id <= MAX_BOOT_ID).then_some(order)
}

/// The header of a file that has the length it should have.
fn read_record(path: &Path) -> io::Result<Record> {
    let mut file = File::open(path)?;
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header)?;
    let length = file.metadata()?.len();
    let record = Record::read(&header).filter(|record| record.file_bytes() == Some(length));
    record.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "it is not whole"))
}

/// Removes what is of no use; a disk that does not let it go is no reason to stop.
fn discard(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!("cannot remove {}: {error}", path.display());
    }
}

fn write_file(path: &Path, record: &Record, picture: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(&record.header())?;
    file.write_all(picture)?;
    file.write_all(&Record::trailer(picture))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use people_counter_events::FrameID;
    use tempfile::TempDir;

    use super::*;

    fn spool() -> (TempDir, Spool) {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(&dir.path().join("not/there/yet"), &"cam-1".parse().unwrap());
        (dir, spool)
    }

    fn record(number: u64, picture: &[u8]) -> Record {
        let id = FrameID::from_u128(number.into());
        Record { id, captured: 7.5, width: 4, height: 3, bytes: picture.len() as u64, attempts: 0 }
    }

    fn write(spool: &Spool, order: Order, picture: &[u8]) {
        spool.write(order, &record(order.sequence, picture), picture).unwrap();
    }

    /// The spool as the next process finds it.
    fn next(spool: Spool) -> Spool {
        let (folder, device) = (spool.folder.parent().unwrap().to_owned(), "cam-1".parse().unwrap());
        drop(spool);
        Spool::new(&folder, &device)
    }

    #[test]
    fn frames_are_found_again_in_their_order() {
        let (_dir, spool) = spool();
        let orders = [(20, 2), (20, 1), (3, 100), (20, 10)].map(|(boot, at)| Order::new(boot, at));
        for order in orders {
            write(&spool, order, format!("{order:?}").as_bytes());
        }
        let spool = next(spool);
        let remains = spool.recover().unwrap();
        let found: Vec<_> = remains.frames.iter().map(|left| left.order).collect();
        assert_eq!(found, [orders[2], orders[1], orders[0], orders[3]]);
        assert_eq!(remains.frames[0].record.id, FrameID::from_u128(100));
        for order in orders {
            assert_eq!(spool.read(order).unwrap(), format!("{order:?}"));
            spool.remove(order).unwrap();
            spool.remove(order).unwrap();
        }
        assert_eq!(next(spool).recover().unwrap(), Remains::default());
    }

    #[test]
    fn what_is_not_whole_is_removed_and_counted() {
        let (_dir, spool) = spool();
        for sequence in 1..=4 {
            write(&spool, Order::new(1, sequence), b"picture");
        }
        let path = |sequence| spool.path(Order::new(1, sequence));
        // cut off behind the header, and within it
        for (sequence, length) in [(1, HEADER_BYTES as u64 + 3), (2, 10)] {
            File::options().write(true).open(path(sequence)).unwrap().set_len(length).unwrap();
        }
        let mut content = fs::read(path(3)).unwrap();
        content[HEADER_BYTES] ^= 1;
        fs::write(path(3), content).unwrap();
        fs::write(path(9).with_extension(PART), "begun").unwrap();
        for foreign in ["notes.txt", "x-1.frame", "1.frame", "99999999999999999999-1.frame"] {
            fs::write(spool.folder.join(foreign), "foreign").unwrap();
        }
        let spool = next(spool);
        let remains = spool.recover().unwrap();
        assert_eq!((remains.frames.len(), remains.damaged), (2, 2));
        assert_eq!(spool.read(Order::new(1, 3)).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(spool.read(Order::new(1, 4)).unwrap(), "picture");
        assert_eq!(spool.read(Order::new(1, 1)).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(!spool.path(Order::new(1, 9)).with_extension(PART).exists());
        assert!(spool.folder.join("notes.txt").exists());
    }

    #[test]
    fn attempts_are_kept_with_the_frame() {
        let (_dir, spool) = spool();
        let order = Order::new(1, 1);
        write(&spool, order, b"picture");
        for attempts in [1, 70_000] {
            spool.note_attempts(order, attempts).unwrap();
        }
        let spool = next(spool);
        assert_eq!(spool.recover().unwrap().frames[0].record.attempts, 70_000);
        assert_eq!(spool.read(order).unwrap(), "picture");
        let gone = spool.note_attempts(Order::new(1, 2), 1).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound, "nothing is made of a frame that has ended");
        assert_eq!(spool.recover().unwrap().frames.len(), 1);
    }

    #[test]
    fn two_do_not_share_a_folder() {
        let (dir, spool) = spool();
        spool.recover().unwrap();
        let other = Spool::new(&dir.path().join("not/there/yet"), &"cam-1".parse().unwrap());
        let error = other.recover().unwrap_err();
        assert_eq!(complaint(&error), "another process uses its folder");
        drop(spool);
        assert!(other.recover().is_ok(), "it has gone");
    }

    #[test]
    fn pictures_are_nobody_elses() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, spool) = spool();
        write(&spool, Order::new(1, 1), b"picture");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&spool.folder), 0o700);
        assert_eq!(mode(&spool.path(Order::new(1, 1))), 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let spool = Spool::new(&dir.path().join("file"), &"cam-1".parse().unwrap());
        assert!(spool.recover().is_err());
        assert!(spool.write(Order::new(1, 1), &record(1, b"x"), b"x").is_err());
    }
}
