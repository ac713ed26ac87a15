//! Progress of long work, on a terminal alone.

use std::{
    io::{self, IsTerminal as _, Read, Write as _},
    time::{Duration, Instant},
};

const INTERVAL: Duration = Duration::from_millis(100);

/// A reader that tells on stderr how far it has come, when that is a terminal.
pub(crate) struct Progress<R> {
    inner: R,
    label: &'static str,
    total: Option<u64>,
    done: u64,
    shown: Option<Instant>,
    on_terminal: bool,
}

impl<R> Progress<R> {
    pub(crate) fn new(inner: R, label: &'static str, total: Option<u64>) -> Self {
        let on_terminal = io::stderr().is_terminal();
        Self {
            inner,
            label,
            total,
            done: 0,
            shown: None,
            on_terminal,
        }
    }

    /// How many bytes went through.
    pub(crate) const fn done(&self) -> u64 {
        self.done
    }

    fn show(&mut self) {
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= INTERVAL);
        if !self.on_terminal || !due {
            return;
        }
        self.shown = Some(Instant::now());
        let text = match self.total {
            Some(total) if total > 0 => {
                let percent = self.done.saturating_mul(100) / total;
                format!(
                    "{}: {} of {total} bytes, {percent} %",
                    self.label, self.done
                )
            }
            _ => format!("{}: {} bytes", self.label, self.done),
        };
        // Progress that cannot be shown is no reason to stop the work.
        let _ = write!(io::stderr(), "\r\x1b[2K{text}");
    }
}

impl<R: Read> Read for Progress<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.done = self.done.saturating_add(u64::try_from(read).unwrap_or(0));
        self.show();
        Ok(read)
    }
}

impl<R> Drop for Progress<R> {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = writeln!(io::stderr());
        }
    }
}
