use crate::Error;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

const THREADS: usize = 2;

/// A tokio runtime that takes everything in it along when it is dropped, without blocking.
#[derive(Debug)]
pub(super) struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    pub(super) fn new() -> Result<Self, Error> {
        Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("sandbox-broker")
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
            .map_err(|source| Error::Thread { what: super::WHAT, source })
    }

    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.0.as_ref().expect("there until it is dropped").spawn(future)
    }

    /// Ends every task and returns when they are gone.
    pub(super) async fn end(mut self) {
        /// Tasks end where they wait next; only a disk that hangs can take longer.
        const PATIENCE: Duration = Duration::from_secs(2);
        if let Some(runtime) = self.0.take() {
            let end = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE));
            if end.await.is_err() {
                tracing::debug!("the caller's runtime ends too, so nobody waits for the broker's end");
            }
        }
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
