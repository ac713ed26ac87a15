//! Signals: SIGTERM and Ctrl-C end the service, SIGHUP makes it read its files again.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// The signals that end the service.
pub(super) struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    /// Catches them from now on.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(super) fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them; says which it was.
    pub(super) async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Calls `reload` at each SIGHUP. Never ends.
///
/// # Errors
///
/// When the system refuses to hand the signal on.
pub(super) async fn on_hangup(mut reload: impl FnMut()) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    while hangup.recv().await.is_some() {
        reload();
    }
    Ok(())
}

/// Resolves once the service is to end.
pub(super) async fn ended(mut end: watch::Receiver<bool>) {
    // A sender that is gone means the end too.
    let _ = end.wait_for(|end| *end).await;
}
