//! The only place that handles signals.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Stop;

/// A stop that SIGTERM or SIGINT triggers; a second one ends the process at once with code 130.
///
/// # Errors
/// When the system refuses the handlers.
pub fn stop_on_signals() -> io::Result<Stop> {
    let stop = Stop::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let triggered = stop.clone();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping; a second signal quits at once");
        triggered.cancel();
        either(&mut terminate, &mut interrupt).await;
        std::process::exit(130);
    });
    Ok(stop)
}

/// Calls `reload` whenever SIGHUP arrives. The handler is in place when this returns, so the signal does not end the
/// process.
pub(crate) fn on_hangup(mut reload: impl FnMut()) -> io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            reload();
        }
    })
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
