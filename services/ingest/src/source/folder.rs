//! Picture files of a folder, one at each tick, in the order of their names.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::task::spawn_blocking;

use super::arrivals::Arrivals;
use super::file::{Files, Look, MAX_FILES, names};
use super::{Feed, Manner};
use crate::config;
use crate::config::Limits;
use crate::picture::{Picture, Refusal};

/// Most files that are passed over at one tick before the source takes a breath.
const MAX_REFUSED_AT_ONCE: usize = 100;

/// The source.
#[derive(Debug)]
pub struct Folder {
    walk: Walk,
    interval: Duration,
}

/// The way through the folder.
#[derive(Debug)]
enum Walk {
    Passes(Cursor),
    Arrivals(Arrivals),
}

impl Walk {
    fn next(&mut self) -> Step {
        match self {
            Self::Passes(cursor) => cursor.next(),
            Self::Arrivals(arrivals) => arrivals.next(),
        }
    }

    fn take_refused(&mut self) -> Vec<Refusal> {
        match self {
            Self::Passes(cursor) => cursor.files.take_refused(),
            Self::Arrivals(arrivals) => arrivals.take_refused(),
        }
    }
}

impl Folder {
    pub(super) fn open(config: &config::Folder, manner: Manner) -> anyhow::Result<Self> {
        let problem = || {
            format!("cannot read the folder {}, check that it exists and may be read", config.path.display())
        };
        let walk = if config.watch {
            Walk::Arrivals(Arrivals::open(config, manner.limits).with_context(problem)?)
        } else {
            let mut cursor = Cursor::new(config, manner.limits);
            cursor.scan().with_context(problem)?;
            cursor.skip(config.start);
            Walk::Passes(cursor)
        };
        Ok(Self { walk, interval: manner.interval })
    }

    pub(super) async fn run(self, feed: &Feed) {
        let mut walk = self.walk;
        let mut ticks = feed.tempo().ticks(self.interval);
        loop {
            ticks.tick().await;
            let reading = spawn_blocking(move || {
                let step = walk.next();
                (walk, step)
            });
            let step;
            (walk, step) = match reading.await {
                Ok(read) => read,
                Err(panic) => {
                    feed.problem(Some(format!("reading the folder broke off: {panic}")));
                    return;
                }
            };
            for refusal in walk.take_refused() {
                feed.refused(refusal);
            }
            match step {
                Step::Picture(picture) => {
                    feed.problem(None);
                    feed.picture(picture);
                    // what has come since the last tick comes now, or the newest would wait behind it
                    if matches!(walk, Walk::Arrivals(_)) {
                        ticks.tick_again();
                    }
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
pub enum Step {
    Picture(Picture),
    /// No picture this time; the sentence says what is wrong, if anything is.
    Nothing(Option<String>),
    Ended,
}

/// Walks through the folder, blocking.
#[derive(Debug)]
struct Cursor {
    path: PathBuf,
    repeat: bool,
    files: Files,
    /// What is left of this pass.
    names: VecDeque<OsString>,
    /// Files of this pass that were not whole but may become so.
    unsettled: VecDeque<OsString>,
    taken_this_pass: u64,
}

impl Cursor {
    fn new(config: &config::Folder, limits: Limits) -> Self {
        Self {
            path: config.path.clone(),
            repeat: config.repeat,
            files: Files::new(limits),
            names: VecDeque::new(),
            unsettled: VecDeque::new(),
            taken_this_pass: 0,
        }
    }

    /// Starts a pass.
    fn scan(&mut self) -> std::io::Result<()> {
        let mut names = names(&self.path)?;
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
        none.then(|| match self.files.number_of_bad() {
            0 => "there is no picture in the folder".into(),
            bad => format!("none of the {bad} pictures in the folder can be used"),
        })
    }

    fn take(&mut self, name: OsString) -> Option<Picture> {
        match self.files.look(&self.path, &name) {
            Look::Picture { picture, .. } => Some(picture),
            Look::NotYet => {
                self.unsettled.push_back(name);
                None
            }
            Look::Nothing => None,
        }
    }
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
        cursor.files.settled_after = Duration::ZERO;
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
        let mut codes: Vec<_> = cursor.files.take_refused().iter().map(|refusal| refusal.code()).collect();
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
            cursor.files.settled_after = Duration::from_secs(3600);
            assert_eq!(taken(&mut cursor, 1), [2]);
            assert_eq!(cursor.files.take_refused(), []);
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
