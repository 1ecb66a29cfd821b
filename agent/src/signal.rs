//! When to end.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// A future that is ready at the first SIGINT or SIGTERM, with its name.
/// From this call on the signals no longer end the process by themselves.
pub fn shutdown() -> io::Result<impl Future<Output = &'static str>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    })
}
