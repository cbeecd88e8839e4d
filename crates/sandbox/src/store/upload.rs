//! An object on its way in.

use md5::{Digest, Md5};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What is collected in memory before it goes to the disk.
const BUFFER: usize = 256 << 10;

/// A body that is being received, written aside. Dropped before it is placed, it leaves nothing.
#[derive(Debug)]
pub(super) struct Upload {
    path: PathBuf,
    /// Made when the buffer is full for the first time: a small body is written in one go.
    file: Option<File>,
    buffer: Vec<u8>,
    size: u64,
    digest: Md5,
}

impl Upload {
    /// An upload that will use the file at `path`, which must not exist.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, buffer: Vec::new(), size: 0, digest: Md5::new() }
    }

    /// Bytes received so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next part of the body, in memory.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.size += chunk.len() as u64;
        self.digest.update(chunk);
        self.buffer.extend_from_slice(chunk);
    }

    /// Is it time to [`flush`](Self::flush)?
    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() >= BUFFER
    }

    /// MD5 of what was received so far.
    pub(super) fn md5(&self) -> [u8; 16] {
        self.digest.clone().finalize().into()
    }

    /// Writes what is in memory to the disk; blocks.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::create_new(&self.path)?),
        };
        file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Completes the file with `trailer` and moves it to its place; blocks.
    pub(super) fn place(mut self, trailer: &[u8], place: &Path) -> io::Result<()> {
        self.buffer.extend_from_slice(trailer);
        self.flush()?;
        std::fs::rename(&self.path, place)?;
        self.file = None;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.file.take().is_some()
            && let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove an unfinished upload");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_many_buffers_arrives_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut upload = Upload::new(dir.path().join("aside"));
        let chunk = vec![7; BUFFER / 2 + 1];
        for _ in 0..5 {
            upload.push(&chunk);
            if upload.is_full() {
                upload.flush().unwrap();
            }
        }
        assert_eq!(upload.size(), 5 * chunk.len() as u64);
        upload.place(b"end", &dir.path().join("place")).unwrap();
        let file = std::fs::read(dir.path().join("place")).unwrap();
        assert_eq!((file.len(), &file[file.len() - 3..]), (5 * chunk.len() + 3, b"end".as_slice()));
        assert!(!dir.path().join("aside").exists());
    }

    #[test]
    fn an_upload_that_is_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut upload = Upload::new(dir.path().join("aside"));
        upload.push(b"half");
        upload.flush().unwrap();
        assert!(dir.path().join("aside").exists());
        drop(upload);
        assert!(!dir.path().join("aside").exists());
    }
}
