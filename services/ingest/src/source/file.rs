//! [`Files`]: reads picture files that others write at the same time.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::config::Limits;
use crate::picture::{Picture, Refusal};

/// A file that changed within this time and is not whole may still be on its way.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Most files of a folder that are looked at in one go; the others have their turn when it is not so full.
pub const MAX_FILES: usize = 100_000;

/// Most refused files that are remembered so as not to be read and named again.
const MAX_REMEMBERED: usize = 10_000;

/// What tells one version of a file from the next: its size, and when it was changed.
pub type Version = (u64, Option<SystemTime>);

/// What a look at a file brings.
#[derive(Debug)]
pub enum Look {
    /// A picture, and which version of the file it is.
    Picture { picture: Picture, version: Version },
    /// It may become one.
    NotYet,
    /// Nothing: no file, not a good one, or one that was refused before.
    Nothing,
}

/// Reads files, and remembers those that are no good.
#[derive(Debug)]
pub struct Files {
    limits: Limits,
    pub settled_after: Duration,
    /// Files that are no good, so that each version of one is named and counted once.
    bad: HashMap<OsString, Version>,
    refused: Vec<Refusal>,
}

impl Files {
    pub fn new(limits: Limits) -> Self {
        Self { limits, settled_after: SETTLED_AFTER, bad: HashMap::new(), refused: Vec::new() }
    }

    /// The refusals since the last call.
    pub fn take_refused(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.refused)
    }

    pub fn number_of_bad(&self) -> usize {
        self.bad.len()
    }

    /// Looks at the file `name` of `folder`.
    pub fn look(&mut self, folder: &Path, name: &OsStr) -> Look {
        let path = folder.join(name);
        // one that is gone, or a pipe or a device, which would hold the reader for ever
        let Some(version) = version(&path) else { return Look::Nothing };
        if self.bad.get(name) == Some(&version) {
            return Look::Nothing;
        }
        let picture = read(&path, self.limits.bytes)
            .and_then(|file| Picture::from_file(file, SystemTime::now(), &self.limits));
        let refusal = match picture {
            Ok(picture) => {
                self.bad.remove(name);
                return Look::Picture { picture, version };
            }
            Err(refusal) => refusal,
        };
        // nothing but its size speaks against a file that is still being written
        let age = version.1.and_then(|modified| modified.elapsed().ok()).unwrap_or(Duration::ZERO);
        if age < self.settled_after && refusal != Refusal::TooLarge {
            return Look::NotYet;
        }
        tracing::warn!(reason = refusal.code(), "picture {} is not used: {refusal}", path.display());
        if self.bad.len() >= MAX_REMEMBERED {
            self.bad.clear();
        }
        self.bad.insert(name.into(), version);
        self.refused.push(refusal);
        Look::Nothing
    }
}

/// The version of a regular file.
pub fn version(path: &Path) -> Option<Version> {
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((metadata.len(), metadata.modified().ok()))
}

/// The names of the finished pictures in `folder`, in no order.
///
/// # Errors
/// It cannot be read.
pub fn names(folder: &Path) -> std::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if is_picture_name(Path::new(&name)) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Whether the name is that of a finished picture; hidden files are how uploads in progress are called.
fn is_picture_name(name: &Path) -> bool {
    let hidden = name.as_os_str().as_encoded_bytes().starts_with(b".");
    let extension = name.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    !hidden && ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// The whole file, if it is within the limit even when it grows meanwhile.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Refusal> {
    let file = File::open(path).map_err(|_| Refusal::Unreadable)?;
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(|_| Refusal::Unreadable)?;
    if content.len() as u64 > limit { Err(Refusal::TooLarge) } else { Ok(content) }
}
