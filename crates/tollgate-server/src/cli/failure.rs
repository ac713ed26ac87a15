//! How a command fails: each way has its exit code.

use std::{io::Write as _, process::ExitCode};

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was refused, or what it was given is not valid: exit 1.
    Refused(anyhow::Error),
    /// It was not called properly: exit 2.
    Usage(String),
    /// No server answers: exit 3.
    Unreachable(String),
    /// What was asked was printed already, and the answer is no: exit 1 without another word.
    Answered,
    /// Nobody reads what is printed any more, `tollgate client list | head -1`: exit 1, unless the
    /// command takes it for [`enough`](super::output::enough).
    Unread,
}

impl Failure {
    /// A refusal with this reason.
    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(anyhow::Error::msg(reason.into()))
    }

    /// Says why on stderr and picks the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let (text, code) = match self {
            Self::Refused(error) => (format!("error: {error:#}\n"), 1),
            Self::Usage(reason) => (format!("error: {reason}\n"), 2),
            Self::Unreachable(reason) => (format!("error: {reason}\n"), 3),
            Self::Answered => (String::new(), 1),
            Self::Unread => ("error: stdout is closed\n".to_owned(), 1),
        };
        // Nothing is left to tell it to when stderr is gone.
        let _ = std::io::stderr().write_all(text.as_bytes());
        ExitCode::from(code)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Refused(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Refused(error.into())
    }
}
