//! Signals: SIGTERM and Ctrl-C end the service, SIGHUP makes it read its files again.
//!
//! Each is caught before anything else is done: one that comes while the service starts waits until
//! it serves. Left to the system, SIGHUP would end it, and service managers take that for an end
//! that was wished for.

use std::convert::Infallible;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// Every signal that the service heeds.
pub(super) struct Signals {
    pub(super) ends: Ends,
    pub(super) hangups: Hangups,
}

impl Signals {
    /// Catches them from now on; needs the runtime that will wait for them.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(super) fn catch() -> std::io::Result<Self> {
        Ok(Self {
            ends: Ends::catch()?,
            hangups: Hangups::catch()?,
        })
    }
}

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
    fn catch() -> std::io::Result<Self> {
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

/// The signal that makes the service read its files again.
pub(super) struct Hangups(Signal);

impl Hangups {
    /// Catches it from now on.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    fn catch() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Calls `reload` for each that came and comes. Never ends.
    pub(super) async fn each(&mut self, mut reload: impl FnMut()) -> Infallible {
        loop {
            // None would mean that the runtime is shutting down; nothing comes any more.
            match self.0.recv().await {
                Some(()) => reload(),
                None => std::future::pending().await,
            }
        }
    }
}

/// Resolves once the service is to end.
pub(super) async fn ended(mut end: watch::Receiver<bool>) {
    // A sender that is gone means the end too.
    let _ = end.wait_for(|end| *end).await;
}
