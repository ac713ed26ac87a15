//! What commands read: secrets and tokens from files and stdin, never from arguments alone.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _, StdinLock},
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
};

use anyhow::Context as _;
use clap::Args;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::{Failure, output};
use crate::bounded;

/// The longest line that is read as a token or a secret, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// The longest file that is read as a JWK Set, in bytes.
const KEY_SET_BYTES_MAX: usize = 1 << 20;

/// Which tokens a command is about.
#[derive(Args, Debug)]
pub(crate) struct Tokens {
    /// The token; `-` reads one a line from stdin, which keeps it out of the list of processes
    #[arg(value_name = "TOKEN|-", required_unless_present = "token_file")]
    token: Option<String>,
    /// Read the tokens from this file, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<std::path::PathBuf>,
}

impl Tokens {
    /// What the operand alone says.
    pub(crate) const fn one(token: Option<String>) -> Self {
        Self {
            token,
            token_file: None,
        }
    }

    /// Calls `work` with each token, in order, and goes on after a token that it turns down.
    pub(crate) fn for_each(
        &self,
        mut work: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match (self.token.as_deref(), &self.token_file) {
            (Some("-") | None, None) => {
                if io::stdin().is_terminal() {
                    output::remark("reading tokens from the terminal, one a line; Ctrl-D ends");
                }
                each_line(io::stdin().lock(), work)
            }
            (_, Some(path)) => {
                let file = std::fs::File::open(path);
                let file = file.with_context(|| format!("failed to open {}", path.display()))?;
                each_line(io::BufReader::new(file), work)
            }
            (Some(token), None) => work(token),
        }
    }
}

/// Calls `work` with each line that is not blank, and says of each that it turns down which it was.
fn each_line(
    reader: impl io::BufRead,
    mut work: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut outcome = Ok(());
    let mut number = 0_u64;
    each_raw_line(reader, |line| {
        number = number.saturating_add(1);
        let token = line.trim();
        let done = match token {
            "" => Ok(()),
            token => work(token),
        };
        match done {
            Ok(()) => {}
            Err(Failure::Refused(error)) => {
                output::remark(&format!("error: line {number}: {error:#}"));
                outcome = Err(Failure::Answered);
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    })?;
    outcome
}

/// Calls `work` with each line, without its line end. A line longer than the bound is cut, and a
/// cut token is no token.
pub(super) fn each_raw_line(
    mut reader: impl io::BufRead,
    mut work: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut line = Zeroizing::new(Vec::new());
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line);
        if read.context("failed to read the tokens")? == 0 {
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else {
            reader
                .skip_until(b'\n')
                .context("failed to read the tokens")?;
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        work(&String::from_utf8_lossy(&line))?;
    }
}

/// Reads the secret on stdin, without the line end.
pub(crate) fn secret_from_stdin() -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let stdin = io::stdin().lock();
    let hidden = Hidden::when_typed(&stdin).context("failed to hide what is typed")?;
    let read = stdin.take(LINE_BYTES_MAX).read_line(&mut text);
    drop(hidden);
    read.context("failed to read the secret from stdin")?;
    let secret = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if secret.is_empty() {
        return Err(Failure::refused("no secret on stdin"));
    }
    Ok(secret)
}

/// A terminal that does not show what is typed, until this is dropped. Shells set one right again
/// whose command was interrupted.
struct Hidden {
    terminal: OwnedFd,
    before: Termios,
}

impl Hidden {
    /// Hides what is typed if `stdin` is a terminal, and asks for the secret.
    fn when_typed(stdin: &StdinLock<'_>) -> io::Result<Option<Self>> {
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let terminal = stdin.as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &modes)?;
        output::remark("reading the secret from the terminal, one line, which is not shown");
        Ok(Some(Self { terminal, before }))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing either.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Reads the file of a JWK Set, whatever is in it.
pub(crate) fn key_set(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    bounded::read_file(path, KEY_SET_BYTES_MAX)
        .with_context(|| format!("failed to read {}", path.display()))
}

/// Reads a JSON file.
pub(crate) fn json_file(path: &Path) -> Result<serde_json::Value, Failure> {
    let text = key_set(path)?;
    let value =
        serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    Ok(value)
}
