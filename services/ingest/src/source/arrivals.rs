//! [`Arrivals`]: picture files that a camera uploads into a folder, each once, as they come.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::SystemTime;

use super::file::{Files, Look, MAX_FILES, Version, names, version};
use super::folder::Step;
use crate::config;
use crate::config::Limits;
use crate::picture::Refusal;

/// Waits for files, without holding anybody up.
#[derive(Debug)]
pub struct Arrivals {
    path: PathBuf,
    /// Files are removed when they were taken.
    remove: bool,
    files: Files,
    /// The files that are there and were taken, or were there at the start.
    done: HashMap<OsString, Version>,
    /// Files that have come, oldest first.
    come: VecDeque<OsString>,
}

impl Arrivals {
    /// Looks at what is there.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(config: &config::Folder, limits: Limits) -> std::io::Result<Self> {
        let mut arrivals = Self {
            path: config.path.clone(),
            remove: config.remove,
            files: Files::new(limits),
            done: HashMap::new(),
            come: VecDeque::new(),
        };
        let there = names(&arrivals.path)?;
        if !arrivals.remove {
            for name in there.into_iter().take(MAX_FILES) {
                if let Some(version) = version(&arrivals.path.join(&name)) {
                    arrivals.done.insert(name, version);
                }
            }
        }
        Ok(arrivals)
    }

    /// The refusals since the last call.
    pub fn take_refused(&mut self) -> Vec<Refusal> {
        self.files.take_refused()
    }

    /// The next file that has come.
    pub fn next(&mut self) -> Step {
        if self.come.is_empty()
            && let Err(error) = self.scan()
        {
            return Step::Nothing(Some(format!("the folder cannot be read: {error}")));
        }
        while let Some(name) = self.come.pop_front() {
            if let Look::Picture { mut picture, version } = self.files.look(&self.path, &name) {
                // the camera's clock may be wrong, but the file was written by ours
                picture.captured = version.1.unwrap_or(picture.captured).min(SystemTime::now());
                let problem = self.remove(&name);
                self.done.insert(name, version);
                if let Some(problem) = problem {
                    tracing::warn!("{problem}");
                }
                return Step::Picture(picture);
            }
        }
        Step::Nothing(None)
    }

    /// Finds the files that are new or were changed, and forgets those that are gone.
    fn scan(&mut self) -> std::io::Result<()> {
        let mut done = HashMap::new();
        let mut come = Vec::new();
        for name in names(&self.path)?.into_iter().take(MAX_FILES) {
            let Some(version) = version(&self.path.join(&name)) else { continue };
            if self.done.get(&name) == Some(&version) {
                done.insert(name, version);
            } else {
                come.push((version.1, name));
            }
        }
        come.sort();
        self.done = done;
        self.come = come.into_iter().map(|(_, name)| name).collect();
        Ok(())
    }

    fn remove(&self, name: &OsString) -> Option<String> {
        if !self.remove {
            return None;
        }
        let path = self.path.join(name);
        let error = std::fs::remove_file(&path).err()?;
        Some(format!("cannot remove {}: {error}; let this service write to its folder", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;
    use crate::jpeg::tests::sample;

    fn write(dir: &TempDir, name: &str, width: u32, age: u64) {
        let path = dir.path().join(name);
        std::fs::write(&path, sample(width, 8, 60)).unwrap();
        let time = SystemTime::now() - Duration::from_secs(age);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    fn arrivals(dir: &TempDir, remove: bool) -> Arrivals {
        let config = config::Folder { watch: true, remove, ..config::Folder::new(dir.path()) };
        Arrivals::open(&config, Limits::default()).unwrap()
    }

    /// The widths of what has come.
    fn come(arrivals: &mut Arrivals) -> Vec<u32> {
        let steps = std::iter::from_fn(|| match arrivals.next() {
            Step::Picture(picture) => Some(picture.width),
            Step::Nothing(_) | Step::Ended => None,
        });
        steps.collect()
    }

    #[test]
    fn what_comes_is_taken_once_and_oldest_first() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir, "old.jpg", 8, 1000);
        let mut arrivals = arrivals(&dir, false);
        assert!(come(&mut arrivals).is_empty(), "what was there is old");
        write(&dir, "a.jpg", 24, 10);
        write(&dir, "b.jpg", 16, 20);
        assert_eq!(come(&mut arrivals), [16, 24]);
        assert!(come(&mut arrivals).is_empty());
        write(&dir, "a.jpg", 32, 0);
        assert_eq!(come(&mut arrivals), [32], "a camera that always uses the same name");
    }

    #[test]
    fn a_picture_is_as_old_as_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut arrivals = arrivals(&dir, false);
        write(&dir, "a.jpg", 16, 500);
        let Step::Picture(picture) = arrivals.next() else { panic!("nothing came") };
        let age = picture.captured.elapsed().unwrap().as_secs();
        assert!((499..600).contains(&age), "{age} s");
        let path = dir.path().join("b.jpg");
        std::fs::write(&path, sample(16, 8, 60)).unwrap();
        let future = SystemTime::now() + Duration::from_secs(5000);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(future).unwrap();
        let Step::Picture(picture) = arrivals.next() else { panic!("nothing came") };
        assert!(picture.captured <= SystemTime::now());
    }

    #[test]
    fn a_file_that_is_half_written_waits() {
        let dir = tempfile::tempdir().unwrap();
        let mut arrivals = arrivals(&dir, false);
        let whole = sample(16, 8, 60);
        let path = dir.path().join("a.jpg");
        for part in [0, 1, 10, whole.len() - 1] {
            std::fs::write(&path, &whole[..part]).unwrap();
            assert!(come(&mut arrivals).is_empty(), "{part} of {} bytes", whole.len());
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(come(&mut arrivals), [16]);
        assert_eq!(arrivals.take_refused(), []);
    }

    #[test]
    fn a_file_that_stays_half_is_counted_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut arrivals = arrivals(&dir, true);
        arrivals.files.settled_after = Duration::ZERO;
        let whole = sample(16, 8, 60);
        std::fs::write(dir.path().join("a.jpg"), &whole[..whole.len() / 2]).unwrap();
        assert!(come(&mut arrivals).is_empty());
        assert!(come(&mut arrivals).is_empty());
        assert_eq!(arrivals.take_refused(), [Refusal::Truncated]);
        assert!(dir.path().join("a.jpg").exists(), "what was not taken stays");
    }

    #[test]
    fn files_are_removed_where_that_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir, "old.jpg", 16, 1000);
        let mut arrivals = arrivals(&dir, true);
        write(&dir, "new.jpg", 24, 0);
        assert_eq!(come(&mut arrivals), [16, 24], "what was there has not been taken yet");
        assert_eq!(names(dir.path()).unwrap().len(), 0);
    }

    #[test]
    fn a_folder_that_vanishes_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut arrivals = arrivals(&dir, false);
        drop(dir);
        assert!(matches!(arrivals.next(), Step::Nothing(Some(text)) if text.contains("cannot be read")));
    }
}
