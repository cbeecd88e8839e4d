//! Buckets and objects in a folder.
//!
//! ```text
//! DIR/lock                                       held while the store runs
//! DIR/uploads/N                                  bodies on their way in; emptied at the start
//! DIR/buckets/NAME/objects/ab/abcdef…            one object; its name is the SHA-256 of its key
//! ```
//!
//! A key never becomes part of a path, so no key can point out of the folder. All methods block.

use super::conditions::Conditions;
use super::failure::Failure;
use super::index::{Bucket, Index};
use super::object::{Headers, Meta};
use super::options::StoreOptions;
use super::upload::Upload;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;
use tempfile::TempDir;
use tokio::sync::mpsc;

#[derive(Debug)]
pub(super) struct Backend {
    index: RwLock<Index>,
    /// Whoever changes files holds it, so that files and index change together. The index itself
    /// is locked only for a moment: a slow disk does not hold up readers.
    writing: Mutex<()>,
    uploads: AtomicU64,
    max_object: u64,
    max_total: u64,
    disk: u64,
    _lock: File,
    folder: Folder,
    /// Last, so that it is closed when the folder is gone: whoever waits for that holds the
    /// other end.
    _gone: mpsc::Sender<()>,
}

/// Where a store keeps its objects.
#[derive(Debug)]
enum Folder {
    Given(PathBuf),
    /// Removed together with the backend, that is: after the last request that writes to it.
    Temporary(TempDir),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

impl Backend {
    /// Opens the folder of the options and reads what is in it. The receiver ends when the backend
    /// is gone, with its folder if that was temporary.
    pub(super) fn open(options: &StoreOptions) -> Result<(Self, mpsc::Receiver<()>), crate::Error> {
        let folder = match &options.dir {
            Some(dir) => Folder::Given(dir.clone()),
            None => Folder::Temporary(tempfile::Builder::new().prefix("sandbox-store-").tempdir().map_err(
                |source| crate::Error::Folder { what: super::WHAT, path: std::env::temp_dir(), source },
            )?),
        };
        let unusable =
            |source| crate::Error::Folder { what: super::WHAT, path: folder.path().to_owned(), source };
        let lock = prepare(folder.path()).map_err(unusable)?;
        let index = read_all(&folder.path().join("buckets")).map_err(unusable)?;
        let (gone, wait) = mpsc::channel(1);
        let max_total = options.max_total.unwrap_or(u64::MAX);
        let backend = Self {
            index: RwLock::new(index),
            writing: Mutex::new(()),
            uploads: AtomicU64::new(0),
            max_object: options.max_object.min(max_total),
            max_total,
            disk: options.disk.unwrap_or(u64::MAX),
            _lock: lock,
            folder,
            _gone: gone,
        };
        Ok((backend, wait))
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Calls `answer` with a bucket.
    pub(super) fn with_bucket<T>(&self, name: &str, answer: impl FnOnce(&Bucket) -> T) -> Result<T, Failure> {
        self.read().bucket(name).map(answer).ok_or(Failure::NoSuchBucket)
    }

    /// Every bucket with the time it was made, in the order of their names.
    pub(super) fn buckets(&self) -> Vec<(String, SystemTime)> {
        self.read().buckets().map(|(name, bucket)| (name.clone(), bucket.created)).collect()
    }

    /// Makes a bucket. Its name has been checked by the protocol; here only that it is no path.
    pub(super) fn create_bucket(&self, name: &str) -> Result<(), Failure> {
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(Failure::InvalidBucketName);
        }
        let _writing = self.writing();
        if self.read().bucket(name).is_some() {
            return Err(Failure::BucketExists);
        }
        fs::create_dir_all(self.bucket_path(name).join("objects"))?;
        self.write().add_bucket(name, SystemTime::now());
        Ok(())
    }

    pub(super) fn delete_bucket(&self, name: &str) -> Result<(), Failure> {
        let _writing = self.writing();
        if !self.with_bucket(name, Bucket::is_empty)? {
            return Err(Failure::BucketNotEmpty);
        }
        fs::remove_dir_all(self.bucket_path(name))?;
        self.write().remove_bucket(name);
        Ok(())
    }

    /// A place for a body that is coming in; see [`put`](Self::put).
    pub(super) fn upload(&self) -> Upload {
        let number = self.uploads.fetch_add(1, Ordering::Relaxed);
        Upload::new(self.folder.path().join("uploads").join(number.to_string()))
    }

    /// May an object have `size` bytes?
    pub(super) fn check_size(&self, size: u64) -> Result<(), Failure> {
        if size > self.max_object { Err(Failure::TooLarge { limit: self.max_object }) } else { Ok(()) }
    }

    /// Puts a received body in its place, if the conditions hold at that moment, and removes the
    /// oldest objects above the limit. Returns the ETag.
    pub(super) fn put(
        &self,
        bucket: &str,
        key: &str,
        upload: Upload,
        headers: Headers,
        conditions: &Conditions,
    ) -> Result<String, Failure> {
        self.check_size(upload.size())?;
        let _writing = self.writing();
        let replaced = {
            let index = self.read();
            let bucket = index.bucket(bucket).ok_or(Failure::NoSuchBucket)?;
            let existing = bucket.get(key);
            conditions.check_write(existing.map(AsRef::as_ref))?;
            existing.map_or(0, |meta| meta.size)
        };
        if self.read().bytes() - replaced + upload.size() > self.disk {
            return Err(Failure::Full);
        }
        let etag = hex::encode(upload.md5());
        let meta = Meta::new(key.to_owned(), upload.size(), etag.clone(), headers, SystemTime::now());
        let place = self.object_path(bucket, key);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        upload.place(&meta.trailer()?, &place)?;
        self.write().insert(bucket, meta);
        self.remove_oldest();
        Ok(etag)
    }

    /// What is known about an object, if the conditions hold.
    pub(super) fn head(&self, bucket: &str, key: &str, conditions: &Conditions) -> Result<Meta, Failure> {
        let meta = self.with_bucket(bucket, |bucket| bucket.get(key).cloned())?.ok_or(Failure::NoSuchKey)?;
        conditions.check_read(&meta)?;
        Ok((*meta).clone())
    }

    /// An object's file, body first, and what is known about it. Both stay what they are even if
    /// the object is replaced or removed meanwhile.
    pub(super) fn open_object(&self, bucket: &str, key: &str) -> Result<(Meta, File), Failure> {
        self.with_bucket(bucket, |bucket| bucket.get(key).map(|_| ()))?.ok_or(Failure::NoSuchKey)?;
        let mut file = match File::open(self.object_path(bucket, key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Failure::NoSuchKey),
            opened => opened?,
        };
        Ok((Meta::read(&mut file)?, file))
    }

    /// Removes an object; it is no failure if there is none.
    pub(super) fn remove(&self, bucket: &str, key: &str) -> Result<(), Failure> {
        let _writing = self.writing();
        self.with_bucket(bucket, |_| ())?;
        self.remove_file(bucket, key)?;
        Ok(())
    }

    fn remove_file(&self, bucket: &str, key: &str) -> io::Result<()> {
        match fs::remove_file(self.object_path(bucket, key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => self.write().remove(bucket, key),
        };
        Ok(())
    }

    fn remove_oldest(&self) {
        loop {
            let (bucket, key) = match &*self.read() {
                index if index.bytes() <= self.max_total => return,
                index => match index.oldest() {
                    Some(oldest) => oldest.clone(),
                    None => return,
                },
            };
            if let Err(error) = self.remove_file(&bucket, &key) {
                tracing::warn!(%bucket, key, %error, "cannot remove the oldest object");
                return;
            }
        }
    }

    fn bucket_path(&self, bucket: &str) -> PathBuf {
        self.folder.path().join("buckets").join(bucket)
    }

    fn object_path(&self, bucket: &str, key: &str) -> PathBuf {
        let name = file_name(key);
        self.bucket_path(bucket).join("objects").join(&name[..2]).join(name)
    }

    // A panic while a lock is held leaves the index as consistent as a failed request does: every
    // change of it is one call that cannot panic half way.
    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the folders, takes the lock and clears what interrupted uploads have left.
fn prepare(folder: &Path) -> io::Result<File> {
    fs::create_dir_all(folder.join("buckets"))?;
    let lock = File::create(folder.join("lock"))?;
    lock.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => {
            io::Error::new(io::ErrorKind::ResourceBusy, "another object store uses it")
        }
        fs::TryLockError::Error(error) => error,
    })?;
    let uploads = folder.join("uploads");
    match fs::remove_dir_all(&uploads) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir(&uploads)?,
    }
    Ok(lock)
}

/// Reads the index from the files, the oldest object first.
fn read_all(buckets: &Path) -> io::Result<Index> {
    let mut index = Index::default();
    let mut found = Vec::new();
    for (name, bucket) in subfolders(buckets)? {
        let objects = bucket.join("objects");
        // missing if the process died while it made the bucket
        fs::create_dir_all(&objects)?;
        let metadata = fs::metadata(&bucket)?;
        index.add_bucket(&name, metadata.created().or_else(|_| metadata.modified())?);
        for (_, folder) in subfolders(&objects)? {
            for file in fs::read_dir(folder)? {
                let path = file?.path();
                match read_object(&path) {
                    Ok(meta) => found.push((name.clone(), meta)),
                    Err(error) => {
                        tracing::warn!(path = %path.display(), %error, "leaving out a damaged object");
                    }
                }
            }
        }
    }
    found.sort_by_key(|(_, meta)| meta.modified());
    for (bucket, meta) in found {
        index.insert(&bucket, meta);
    }
    Ok(index)
}

fn read_object(path: &Path) -> io::Result<Meta> {
    let meta = Meta::read(&mut File::open(path)?)?;
    if path.file_name().is_none_or(|name| *name != *file_name(&meta.key)) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not where its key belongs"));
    }
    Ok(meta)
}

/// Names and paths of the folders in a folder; what else lies there is nobody's business.
fn subfolders(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let (true, Ok(name)) = (entry.file_type()?.is_dir(), entry.file_name().into_string()) {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

fn file_name(key: &str) -> String {
    hex::encode(Sha256::digest(key))
}
