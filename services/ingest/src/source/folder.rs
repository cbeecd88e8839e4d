//! Picture files of a folder, one at each tick, in the order of their names.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::task::spawn_blocking;

use super::{Feed, Manner};
use crate::config;
use crate::config::Limits;
use crate::picture::{Picture, Refusal};

/// A file that changed within this time and is not whole may still be on its way.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Most files of one pass; what comes after them has its turn in a folder that is not so full.
const MAX_FILES: usize = 100_000;

/// Most files that are passed over at one tick before the source takes a breath.
const MAX_REFUSED_AT_ONCE: usize = 100;

/// Most refused files that are remembered so as not to be read and named again.
const MAX_REMEMBERED: usize = 10_000;

/// The source.
#[derive(Debug)]
pub struct Folder {
    cursor: Cursor,
    interval: Duration,
}

impl Folder {
    pub(super) fn open(config: &config::Folder, manner: Manner) -> anyhow::Result<Self> {
        let mut cursor = Cursor::new(config, manner.limits);
        cursor.scan().with_context(|| {
            format!("cannot read the folder {}, check that it exists and may be read", config.path.display())
        })?;
        cursor.skip(config.start);
        Ok(Self { cursor, interval: manner.interval })
    }

    pub(super) async fn run(self, feed: &Feed) {
        let mut cursor = self.cursor;
        let mut ticks = feed.tempo().ticks(self.interval);
        loop {
            ticks.tick().await;
            let reading = spawn_blocking(move || {
                let step = cursor.next();
                (cursor, step)
            });
            let step;
            (cursor, step) = match reading.await {
                Ok(read) => read,
                Err(panic) => {
                    feed.problem(Some(format!("reading the folder broke off: {panic}")));
                    return;
                }
            };
            for refusal in cursor.refused.drain(..) {
                feed.refused(refusal);
            }
            match step {
                Step::Picture(picture) => {
                    feed.problem(None);
                    feed.picture(picture);
                }
                Step::Nothing(problem) => feed.problem(problem),
                Step::Ended => {
                    feed.problem(Some("the folder has been read to its end".into()));
                    return;
                }
            }
        }
    }
}

/// What a tick brings.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Picture(Picture),
    /// No picture this time; the sentence says what is wrong, if anything is.
    Nothing(Option<String>),
    Ended,
}

/// What tells one version of a file from the next.
type Version = (u64, Option<SystemTime>);

/// Walks through the folder, blocking.
#[derive(Debug)]
struct Cursor {
    path: PathBuf,
    repeat: bool,
    limits: Limits,
    settled_after: Duration,
    /// What is left of this pass.
    names: VecDeque<OsString>,
    /// Files of this pass that were not whole but may become so.
    unsettled: VecDeque<OsString>,
    /// Files that are no good, so that each version of one is named and counted once.
    known: HashMap<OsString, Version>,
    taken_this_pass: u64,
    /// Refusals since the caller took them.
    refused: Vec<Refusal>,
}

impl Cursor {
    fn new(config: &config::Folder, limits: Limits) -> Self {
        Self {
            path: config.path.clone(),
            repeat: config.repeat,
            limits,
            settled_after: SETTLED_AFTER,
            names: VecDeque::new(),
            unsettled: VecDeque::new(),
            known: HashMap::new(),
            taken_this_pass: 0,
            refused: Vec::new(),
        }
    }

    /// Starts a pass.
    fn scan(&mut self) -> std::io::Result<()> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            if is_picture_name(Path::new(&name)) {
                names.push(name);
            }
        }
        names.sort();
        if names.len() > MAX_FILES {
            tracing::warn!(
                "{} has {} pictures, the first {MAX_FILES} are taken",
                self.path.display(),
                names.len()
            );
            names.truncate(MAX_FILES);
        }
        self.names = names.into();
        self.taken_this_pass = 0;
        Ok(())
    }

    /// Passes over the first files of this pass.
    fn skip(&mut self, files: usize) {
        if !self.names.is_empty() {
            let files = if self.repeat { files % self.names.len() } else { files.min(self.names.len()) };
            self.names.drain(..files);
        }
    }

    fn next(&mut self) -> Step {
        if self.names.is_empty()
            && let Some(step) = self.next_pass()
        {
            return step;
        }
        for _ in 0..MAX_REFUSED_AT_ONCE {
            let Some(name) = self.names.pop_front() else { break };
            if let Some(picture) = self.take(name) {
                self.taken_this_pass += 1;
                return Step::Picture(picture);
            }
        }
        Step::Nothing(self.problem())
    }

    /// Goes on after the last file; a step when there is nothing to go on with.
    fn next_pass(&mut self) -> Option<Step> {
        if !self.repeat {
            self.names = std::mem::take(&mut self.unsettled);
            return self.names.is_empty().then_some(Step::Ended);
        }
        self.unsettled.clear();
        match self.scan() {
            Ok(()) => None,
            Err(error) => Some(Step::Nothing(Some(format!("the folder cannot be read: {error}")))),
        }
    }

    fn problem(&self) -> Option<String> {
        let none = self.taken_this_pass == 0 && self.names.is_empty();
        none.then(|| match self.known.len() {
            0 => "there is no picture in the folder".into(),
            bad => format!("none of the {bad} pictures in the folder can be used"),
        })
    }

    fn take(&mut self, name: OsString) -> Option<Picture> {
        let path = self.path.join(&name);
        let (version, modified) = match std::fs::metadata(&path) {
            // a pipe or a device would hold the reader for ever
            Ok(metadata) if !metadata.is_file() => return None,
            Ok(metadata) => {
                let modified = metadata.modified().ok();
                ((metadata.len(), modified), modified)
            }
            // deleted since the pass began
            Err(_gone) => return None,
        };
        if self.known.get(&name) == Some(&version) {
            return None;
        }
        let refusal = match read(&path, self.limits.bytes) {
            Ok(file) => match Picture::from_file(file, SystemTime::now(), &self.limits) {
                Ok(picture) => {
                    self.known.remove(&name);
                    return Some(picture);
                }
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        };
        // nothing but its size speaks against a file that is still being written
        let age = modified.and_then(|modified| modified.elapsed().ok()).unwrap_or(Duration::ZERO);
        if age < self.settled_after && refusal != Refusal::TooLarge {
            self.unsettled.push_back(name);
            return None;
        }
        tracing::warn!(reason = refusal.code(), "picture {} is not used: {refusal}", path.display());
        if self.known.len() >= MAX_REMEMBERED {
            self.known.clear();
        }
        self.known.insert(name, version);
        self.refused.push(refusal);
        None
    }
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

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::jpeg::tests::sample;

    /// A folder whose picture number `n` has a width of `10 n`.
    fn folder(numbers: &[u32]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for &number in numbers {
            write(&dir, &format!("{number}.jpg"), &sample(number * 10, 8, 60));
        }
        dir
    }

    fn write(dir: &TempDir, name: &str, content: &[u8]) {
        std::fs::write(dir.path().join(name), content).unwrap();
    }

    fn cursor(dir: &TempDir, repeat: bool, start: usize) -> Cursor {
        let config = config::Folder { repeat, start, ..config::Folder::new(dir.path()) };
        let mut cursor = Cursor::new(&config, Limits { bytes: 20_000, ..Limits::default() });
        cursor.settled_after = Duration::ZERO;
        cursor.scan().unwrap();
        cursor.skip(start);
        cursor
    }

    /// The numbers of the pictures of `ticks` ticks, 0 for none.
    fn taken(cursor: &mut Cursor, ticks: usize) -> Vec<u32> {
        let number = |step| match step {
            Step::Picture(picture) => picture.width / 10,
            Step::Nothing(_) | Step::Ended => 0,
        };
        (0..ticks).map(|_| number(cursor.next())).collect()
    }

    #[test]
    fn files_come_by_name_and_over_again() {
        let dir = folder(&[3, 1, 2]);
        assert_eq!(taken(&mut cursor(&dir, true, 0), 5), [1, 2, 3, 1, 2]);
        assert_eq!(taken(&mut cursor(&dir, true, 2), 3), [3, 1, 2]);
        assert_eq!(taken(&mut cursor(&dir, true, 7), 3), [2, 3, 1], "the start counts on from the first");
    }

    #[test]
    fn once_means_once() {
        let dir = folder(&[1, 2]);
        let mut cursor = cursor(&dir, false, 1);
        assert_eq!(taken(&mut cursor, 1), [2]);
        assert_eq!(cursor.next(), Step::Ended);
    }

    #[test]
    fn new_files_are_found_in_the_next_pass() {
        let dir = folder(&[1]);
        let mut cursor = cursor(&dir, true, 0);
        assert_eq!(taken(&mut cursor, 1), [1]);
        write(&dir, "2.JPEG", &sample(20, 8, 60));
        std::fs::remove_file(dir.path().join("1.jpg")).unwrap();
        assert_eq!(taken(&mut cursor, 2), [2, 2]);
    }

    #[test]
    fn hostile_files_are_passed_over_named_and_counted_once() {
        let dir = folder(&[5]);
        let good = sample(40, 8, 60);
        write(&dir, "1.jpg", &good[..good.len() / 2]);
        write(&dir, "2.jpg", b"#!/bin/sh\n");
        write(&dir, "3.png", b"\x89PNG\r\n\x1a\nnot really");
        write(&dir, "4.jpg", &vec![0; 20_001]);
        write(&dir, "6.jpg", b"");
        write(&dir, ".7.jpg", &good);
        write(&dir, "notes.txt", &good);
        std::fs::create_dir(dir.path().join("8.jpg")).unwrap();
        let mut cursor = cursor(&dir, true, 0);
        assert_eq!(taken(&mut cursor, 6), [5, 0, 5, 0, 5, 0]);
        let mut codes: Vec<_> = cursor.refused.iter().map(|refusal| refusal.code()).collect();
        codes.sort_unstable();
        assert_eq!(codes.len(), 5, "each once: {codes:?}");
        for code in ["truncated", "not-a-picture", "too-large"] {
            assert!(codes.contains(&code), "{codes:?}");
        }
    }

    #[test]
    fn a_file_that_is_being_written_is_taken_when_it_is_whole() {
        for repeat in [true, false] {
            let dir = folder(&[2]);
            let file = sample(10, 8, 60);
            write(&dir, "1.jpg", &file[..file.len() - 10]);
            let mut cursor = cursor(&dir, repeat, 0);
            cursor.settled_after = Duration::from_secs(3600);
            assert_eq!(taken(&mut cursor, 1), [2]);
            assert_eq!(cursor.refused, []);
            write(&dir, "1.jpg", &file);
            let next = taken(&mut cursor, 2);
            assert!(next.contains(&1), "repeat {repeat}: {next:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let dir = folder(&[]);
        let mut cursor = cursor(&dir, true, 0);
        assert!(matches!(cursor.next(), Step::Nothing(Some(text)) if text.contains("no picture in")));
        write(&dir, "1.jpg", b"nonsense");
        assert!(
            matches!(cursor.next(), Step::Nothing(Some(text)) if text.contains("none of the 1 pictures"))
        );
        drop(dir);
        assert!(matches!(cursor.next(), Step::Nothing(Some(text)) if text.contains("cannot be read")));
    }

    #[test]
    fn a_missing_folder_is_an_error_at_the_start() {
        let config = config::Folder::new("/nowhere/at/all");
        let manner = Manner { interval: Duration::from_secs(1), limits: Limits::default() };
        let problem = Folder::open(&config, manner).unwrap_err();
        assert!(problem.to_string().contains("/nowhere/at/all"), "{problem}");
    }
}
