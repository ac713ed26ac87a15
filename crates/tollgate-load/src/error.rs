//! Why a load run could not be made. A wrong answer is no error but a count in the report.

use std::io;

/// Why a load run could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The server does not listen.
    #[error("cannot reach {address}: {source}")]
    Unreachable { address: String, source: io::Error },
    /// A socket or the event queue failed.
    #[error("input or output failed: {0}")]
    Io(#[from] io::Error),
    /// An argument makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The scenario could not be prepared.
    #[error("preparing failed: {0}")]
    Preparation(String),
    /// No answer came for too long.
    #[error("the server stalled: no answer for {0} s")]
    Stalled(u64),
    /// A report could not be read or written.
    #[error("report: {0}")]
    Report(#[from] serde_json::Error),
}
