//! The S3 server.

mod backend;
mod conditions;
mod failure;
mod index;
mod list;
mod object;
mod options;
mod protocol;
mod server;
mod upload;

pub use options::StoreOptions;

use crate::Error;
use crate::port::Port;
use backend::Backend;
use protocol::Protocol;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const WHAT: &str = "object store";

/// An S3 server on 127.0.0.1 with objects in a folder.
///
/// It speaks signature version 4 (any region, path style, also presigned) and: list, create, head,
/// locate and delete buckets; put (`Content-MD5`, `If-Match`, `If-None-Match`, metadata), get
/// (ranges, conditions), head, delete, delete many; list version 2. Not: multipart uploads,
/// versions, policies, tags.
///
/// An upload that breaks off leaves nothing, and a put that was confirmed survives the death of the
/// process (not a power failure: nothing is forced to the disk).
///
/// It ends when it is dropped, connections included, and its temporary folder goes with it.
/// [`ObjectStore::stop`] does the same but waits until it is done, and [`ObjectStore::restart`]
/// brings it back on the same port: with its objects when it was given a folder, else empty.
#[derive(Debug)]
pub struct ObjectStore {
    options: StoreOptions,
    port: Port,
    running: Option<Running>,
}

impl ObjectStore {
    /// Starts a store; it answers as soon as this returns.
    ///
    /// # Errors
    /// A port that is taken, a folder that cannot be used, an option that makes no sense.
    pub async fn start(options: StoreOptions) -> Result<Self, Error> {
        options.check()?;
        let port = Port::reserve(WHAT, options.port)?;
        let mut store = Self { options, port, running: None };
        store.restart().await?;
        Ok(store)
    }

    /// Where it listens. Stays the same while it is stopped.
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The one access key it knows.
    pub fn access_key(&self) -> &str {
        &self.options.access_key
    }

    /// The secret of the access key.
    pub fn secret_key(&self) -> &str {
        &self.options.secret_key
    }

    /// The folder with the objects, while it runs. What is in it is not meant for others.
    pub fn folder(&self) -> Option<&Path> {
        self.running.as_ref().map(|running| running.folder.as_path())
    }

    /// Does it run, or has it been stopped?
    pub fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(|running| !running.task.is_finished())
    }

    /// Closes the port and every connection and returns when that is done. Running requests have a
    /// quarter of a second to finish. Nothing happens when it is stopped already.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// Starts it again on the same port, after stopping it if need be.
    ///
    /// # Errors
    /// As [`ObjectStore::start`]; it is stopped then.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await;
        let options = self.options.clone();
        let (backend, gone) = spawn_blocking(move || Backend::open(&options))
            .await
            .map_err(|panic| Error::Thread { what: WHAT, source: panic.into() })??;
        let listener = self.port.listen(WHAT)?;
        let folder = backend.folder().to_owned();
        let stop = CancellationToken::new();
        let service = self.service(backend);
        let serve = server::serve(listener, service, self.options.max_connections, stop.clone());
        self.running = Some(Running { folder, stop, task: tokio::spawn(serve), gone });
        Ok(())
    }

    fn service(&self, backend: Backend) -> S3Service {
        let mut service = S3ServiceBuilder::new(Protocol(Arc::new(backend)));
        service.set_auth(SimpleAuth::from_single(
            self.options.access_key.clone(),
            self.options.secret_key.clone(),
        ));
        service.build()
    }
}

/// A store at work. The task owns the connections and, through them, the backend with its folder.
#[derive(Debug)]
struct Running {
    folder: PathBuf,
    stop: CancellationToken,
    task: JoinHandle<()>,
    gone: mpsc::Receiver<()>,
}

impl Running {
    async fn stop(mut self) {
        /// Only a disk that hangs keeps a request longer.
        const PATIENCE: Duration = Duration::from_secs(2);
        self.stop.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::warn!(%error, "the object store did not end as it should");
        }
        // requests that were cut may still be writing
        if timeout(PATIENCE, self.gone.recv()).await.is_err() {
            tracing::warn!("a request to the stopped object store does not end");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
