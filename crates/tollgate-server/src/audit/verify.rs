//! Reading an audit log: is it whole, and if not, which line is the first that is not.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read as _},
    path::Path,
};

use anyhow::Context as _;

use super::chain::{Break, LineHash, check};

/// The longest line, in bytes: identifiers and addresses are bounded, and so is what names them.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// What an audit log is worth.
pub(crate) enum Verdict {
    /// Every line follows the one before.
    Whole {
        /// How many there are.
        lines: u64,
        /// The hash of the last one.
        last: String,
    },
    /// One does not.
    Broken {
        /// The first such line, from 1.
        line: u64,
        /// What is wrong with it.
        why: Break,
    },
}

/// Checks the audit log at `path`.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn verify_file(path: &Path) -> anyhow::Result<Verdict> {
    let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let mut chain = Chain::new();
    let mut reader = BufReader::new(file);
    loop {
        match chain
            .next(&mut reader)
            .with_context(|| format!("failed to read {}", path.display()))?
        {
            Next::Line => {}
            Next::End => {
                let last = chain.last.to_string();
                return Ok(Verdict::Whole {
                    lines: chain.lines,
                    last,
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
    buffer: Vec<u8>,
}

/// What came next.
pub(super) enum Next {
    Line,
    End,
    Broken(Break),
}

impl Chain {
    pub(super) fn new() -> Self {
        Self {
            lines: 0,
            bytes: 0,
            last: LineHash::start(),
            buffer: Vec::new(),
        }
    }

    /// Reads and checks one line; a broken one is not counted.
    pub(super) fn next(&mut self, reader: &mut impl BufRead) -> std::io::Result<Next> {
        self.buffer.clear();
        let read = reader
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut self.buffer)?;
        if read == 0 {
            return Ok(Next::End);
        }
        let Some(line) = self.buffer.strip_suffix(b"\n") else {
            return Ok(Next::Broken(Break::Truncated));
        };
        let checked = std::str::from_utf8(line).map_err(|_| Break::Malformed);
        match checked.and_then(|line| check(&self.last, line)) {
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
