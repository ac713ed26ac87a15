//! How far a run has come, on a terminal alone.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Seldom enough that it takes no part in what is measured.
const INTERVAL: Duration = Duration::from_millis(500);

/// A line on stderr that is written over and over.
pub(crate) struct Told {
    /// What is done, and when it is shown next; none without a terminal.
    line: Option<(&'static str, Instant)>,
    shown: bool,
}

impl Told {
    /// Of work called `label`, which begins at `start`.
    pub(crate) fn new(label: &'static str, start: Instant) -> Self {
        let on_terminal = io::stderr().is_terminal();
        Self {
            line: on_terminal.then_some((label, start + INTERVAL)),
            shown: false,
        }
    }

    /// Shows what `text` says, if it is time `now`.
    pub(crate) fn show(&mut self, now: Instant, text: impl FnOnce() -> String) {
        let Some((label, due)) = &mut self.line else {
            return;
        };
        if now < *due {
            return;
        }
        *due = now + INTERVAL;
        self.shown = true;
        // Progress that cannot be shown is no reason to stop the work.
        let _ = write!(io::stderr(), "\r\x1b[2K{label}: {}", text());
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}
