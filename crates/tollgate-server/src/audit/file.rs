//! The file of an audit log: one process has it open, and goes on where its chain ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::{Context as _, bail};

use super::{
    chain::{Break, LineHash},
    verify::{Chain, LINE_BYTES_MAX, Next, Start},
};
use crate::private_file::sync_directory_of;

/// How much of a log is checked before it is gone on with: what a crash may have damaged, and no
/// more than a moment's work however large the log is.
const TAIL_BYTES: u64 = 8 << 20;

/// Opens the log at `path` for this process alone; returns the hash to go on from, too.
///
/// A last line that the death of a server cut off is removed; it was never whole.
///
/// # Errors
///
/// When another process has it open, it cannot be written, or the chain of its last
/// [`TAIL_BYTES`] is broken: nobody should write on as if nothing had happened. The file is as it
/// was then.
pub(super) fn open(path: &Path) -> anyhow::Result<(File, LineHash)> {
    let name = path.display();
    let mut file = append_to(path)?;
    lock(&file).with_context(|| format!("failed to lock {name}"))?;
    let last =
        resume(&mut file, TAIL_BYTES).with_context(|| format!("failed to go on with {name}"))?;
    Ok((file, last))
}

/// The file that is at `path` now, if it is not `current`.
///
/// # Errors
///
/// When it cannot be opened and locked, or has something in it: the lines of another chain.
pub(super) fn next(path: &Path, current: &File) -> anyhow::Result<Option<File>> {
    let file = append_to(path)?;
    let (new, old) = (file.metadata()?, current.metadata()?);
    if (new.dev(), new.ino()) == (old.dev(), old.ino()) {
        return Ok(None);
    }
    lock(&file)?;
    if new.len() > 0 {
        bail!("{} is not empty", path.display());
    }
    Ok(Some(file))
}

fn append_to(path: &Path) -> anyhow::Result<File> {
    let open = || {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        if file.metadata()?.is_file() {
            sync_directory_of(path)?;
        }
        Ok::<_, io::Error>(file)
    };
    open().with_context(|| format!("failed to open {}", path.display()))
}

/// Before anything is read: what another process is about to write looks like a torn line.
fn lock(file: &File) -> anyhow::Result<()> {
    // A device has no chain that two writers could entangle.
    if !file.metadata()?.is_file() {
        return Ok(());
    }
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => bail!("another process writes this audit log"),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Checks the chain of about the last `tail` bytes and cuts off a torn last line; returns the hash
/// to go on from.
fn resume(file: &mut File, tail: u64) -> anyhow::Result<LineHash> {
    // A device has no past to go on from, and may never end.
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(LineHash::start());
    }
    let begin = first_line_from(file, length.saturating_sub(tail))?;
    let mut chain = Chain::new(match begin {
        0 => Start::Begun,
        _ => Start::Within,
    });
    file.seek(SeekFrom::Start(begin))?;
    let mut reader = BufReader::new((&*file).take(length.saturating_sub(begin)));
    loop {
        match chain.next(&mut reader)? {
            Next::Line => {}
            Next::End | Next::Broken(Break::Truncated) if begin > 0 && chain.lines == 0 => {
                bail!("there is no whole line behind byte {begin}")
            }
            Next::End => return Ok(chain.last),
            Next::Broken(Break::Truncated) => break,
            Next::Broken(why) => bail!(
                "the line at byte {} is broken: {why}; move the file away to begin a new one",
                begin + chain.bytes
            ),
        }
    }
    let end = begin + chain.bytes;
    file.set_len(end)?;
    file.seek(SeekFrom::End(0))?;
    file.sync_all()?;
    tracing::warn!(byte = end, "removed the torn last line of the audit log");
    Ok(chain.last)
}

/// Where the first line begins that does not begin before `position`; the position itself where
/// there is no end of a line for longer than any line is.
fn first_line_from(file: &mut File, position: u64) -> io::Result<u64> {
    let Some(before) = position.checked_sub(1) else {
        return Ok(0);
    };
    file.seek(SeekFrom::Start(before))?;
    let mut reader = BufReader::new((&*file).take(LINE_BYTES_MAX as u64));
    let mut skipped = Vec::new();
    reader.read_until(b'\n', &mut skipped)?;
    let whole = skipped.last() == Some(&b'\n');
    Ok(if whole {
        before + skipped.len() as u64
    } else {
        position
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::FileExt as _};

    use super::*;
    use crate::audit::chain::append;

    /// `count` lines, and the hash of the last.
    fn lines(count: usize) -> (String, LineHash) {
        let mut text = String::new();
        let last = (0..count).fold(LineHash::start(), |last, index| {
            append(&mut text, &last, &format!(r#"{{"event":"e{index}"}}"#))
        });
        (text, last)
    }

    #[test]
    fn a_log_that_somebody_writes_is_left_alone() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("audit.jsonl");
        let (first, _) = open(&path).unwrap();
        // The first half of a line: what a writer has got to the disk so far.
        let half = r#"{"event":"a""#;
        fs::write(&path, half).unwrap();
        let error = open(&path).unwrap_err();
        assert!(
            format!("{error:#}").contains("another process"),
            "{error:#}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), half);
        drop(first);
        assert!(open(&path).is_ok());
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }

    /// Only what was never whole may go, and that stands at the end.
    #[test]
    fn nothing_is_cut_off_but_a_torn_end() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("audit.jsonl");
        let (whole, last) = lines(4);
        let (two, second) = lines(2);
        let rest = &whole[two.len()..];
        let third = format!("the line at byte {} is broken", two.len());
        let zeros = |count| "\0".repeat(count);
        let check = |content: &str, expected: Result<(&str, &LineHash), &str>| {
            fs::write(&path, content).unwrap();
            let opened = open(&path).map(|(_, last)| last);
            let left = fs::read_to_string(&path).unwrap();
            match (opened, expected) {
                (Ok(found), Ok((text, hash))) => {
                    assert_eq!(left, text);
                    assert!(found == *hash);
                }
                (Err(error), Err(why)) => {
                    assert!(format!("{error:#}").contains(why), "{error:#}");
                    assert!(left == content, "the file was changed");
                }
                (opened, _) => panic!("{}: {}", opened.is_ok(), content.len()),
            }
        };
        check(&whole, Ok((&whole, &last)));
        check(&format!("{two}{}", &rest[..9]), Ok((&two, &second)));
        // Extents that were lost, of any size, with lines after them.
        for count in [1, 4096, 64 * 1024, 70 * 1024, 200 * 1024] {
            check(&format!("{two}{}{rest}", zeros(count)), Err(&third));
            check(&format!("{two}{}\n{rest}", zeros(count)), Err(&third));
        }
        // More than any line has, even at the end: not the line that was being written.
        check(&format!("{two}{}", zeros(70 * 1024)), Err(&third));
        check(&format!("{two}{}", zeros(4096)), Ok((&two, &second)));
    }

    /// A log of years opens as fast as a new one.
    #[test]
    fn only_the_end_is_read_over() {
        let mut file = tempfile::tempfile().unwrap();
        let (text, last) = lines(100);
        let tail = text.len() as u64 / 4;
        let begin = text.len() / 2;
        let mut check = |content: &str, tail: u64, expected: Option<&LineHash>| {
            file.set_len(0).unwrap();
            file.write_at(content.as_bytes(), 0).unwrap();
            let resumed = resume(&mut file, tail).ok();
            assert!(resumed.as_ref() == expected, "tail of {tail}");
        };
        let line = text.lines().last().unwrap().len() as u64 + 1;
        for tail in (line..text.len() as u64 + 2).step_by(7) {
            check(&text, tail, Some(&last));
        }
        check(&text, line - 1, None);
        let damaged = text.replacen("e1\"", "x1\"", 1);
        check(&damaged, u64::MAX, None);
        check(&damaged, tail, Some(&last));
        let damaged = text.replacen("e90\"", "x90\"", 1);
        check(&damaged, tail, None);
        check(&format!("{text}{}", &text[..9]), tail, Some(&last));
        check(
            &format!("{}{}", &text[..begin], "\0".repeat(200 * 1024)),
            1024,
            None,
        );
    }
}
