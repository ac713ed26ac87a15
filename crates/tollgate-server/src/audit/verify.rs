//! Reading an audit log: is it whole, and if not, which line is the first that is not.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read as _},
    path::Path,
};

use anyhow::Context as _;

use super::chain::{Break, LineHash, check, continued, follows};

/// The longest line, in bytes: identifiers and addresses are bounded, and so is what names them.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1024;

/// What an audit log is worth.
pub(crate) enum Verdict {
    /// Every line follows the one before.
    Whole {
        /// How many there are.
        lines: u64,
        /// The hash of the last one.
        last: String,
        /// The hash of the last line of the file before, which the first line here follows; none
        /// when the chain begins here.
        follows: Option<String>,
    },
    /// One does not.
    Broken {
        /// The first such line, from 1.
        line: u64,
        /// What is wrong with it.
        why: Break,
    },
}

/// What the first line of a file must follow.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    /// Nothing, or the last line of a file before: then it says so itself.
    Begun,
    /// The line with this hash.
    After(LineHash),
    /// Whatever it says: it stands in the middle of a file.
    Within,
}

/// Checks the audit log at `path`.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn verify_file(path: &Path, start: Start) -> anyhow::Result<Verdict> {
    let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let mut chain = Chain::new(start);
    let mut reader = BufReader::new(file);
    loop {
        match chain
            .next(&mut reader)
            .with_context(|| format!("failed to read {}", path.display()))?
        {
            Next::Line => {}
            Next::End => {
                return Ok(Verdict::Whole {
                    lines: chain.lines,
                    last: chain.last.to_string(),
                    follows: Some(chain.first)
                        .filter(|first| *first != LineHash::start())
                        .map(|first| first.to_string()),
                });
            }
            Next::Broken(why) => {
                return Ok(Verdict::Broken {
                    line: chain.lines + 1,
                    why,
                });
            }
        }
    }
}

/// How far a log was read.
pub(super) struct Chain {
    pub(super) lines: u64,
    pub(super) bytes: u64,
    pub(super) last: LineHash,
    /// What the first line follows.
    first: LineHash,
    /// How the first line may say itself what it follows.
    told: Option<fn(&str) -> Option<LineHash>>,
    buffer: Vec<u8>,
}

/// What came next.
pub(super) enum Next {
    Line,
    End,
    Broken(Break),
}

impl Chain {
    pub(super) fn new(start: Start) -> Self {
        let (first, told): (_, Option<fn(&str) -> _>) = match start {
            Start::Begun => (LineHash::start(), Some(continued)),
            Start::After(hash) => (hash, None),
            Start::Within => (LineHash::start(), Some(follows)),
        };
        Self {
            lines: 0,
            bytes: 0,
            last: first.clone(),
            first,
            told,
            buffer: Vec::new(),
        }
    }

    /// Reads and checks one line; a broken one is not counted.
    pub(super) fn next(&mut self, reader: &mut impl BufRead) -> std::io::Result<Next> {
        self.buffer.clear();
        let read = reader
            .by_ref()
            .take(LINE_BYTES_MAX as u64)
            .read_until(b'\n', &mut self.buffer)?;
        if read == 0 {
            return Ok(Next::End);
        }
        let Some(line) = self.buffer.strip_suffix(b"\n") else {
            // Cut off is what the file ends with. What is longer than any line never was one, and
            // there may be whole ones after it.
            return Ok(Next::Broken(if self.buffer.len() < LINE_BYTES_MAX {
                Break::Truncated
            } else {
                Break::Malformed
            }));
        };
        let Ok(line) = std::str::from_utf8(line) else {
            return Ok(Next::Broken(Break::Malformed));
        };
        if let Some(told) = self.told.take()
            && let Some(before) = told(line)
        {
            self.first = before.clone();
            self.last = before;
        }
        match check(&self.last, line) {
            Ok(hash) => {
                self.last = hash;
                self.lines += 1;
                self.bytes += u64::try_from(read).unwrap_or(u64::MAX);
                Ok(Next::Line)
            }
            Err(why) => Ok(Next::Broken(why)),
        }
    }
}
