//! The file of an audit log: one process has it open, and goes on where its chain ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::{Context as _, bail};

use super::{
    chain::{Break, LineHash},
    verify::{Chain, Next, Start},
};

/// Opens the log at `path` for this process alone; returns the hash to go on from, too.
///
/// A last line that the death of a server cut off is removed; it was never whole.
///
/// # Errors
///
/// When another process has it open, it cannot be written, or its chain is broken: nobody should
/// write on as if nothing had happened. The file is as it was then.
pub(super) fn open(path: &Path) -> anyhow::Result<(File, LineHash)> {
    let name = path.display();
    let mut file = append_to(path)?;
    lock(&file).with_context(|| format!("failed to lock {name}"))?;
    let last = resume(&mut file).with_context(|| format!("failed to go on with {name}"))?;
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
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("failed to open {}", path.display()))
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

/// Checks the whole chain and cuts off a torn last line; returns the hash to go on from.
fn resume(file: &mut File) -> anyhow::Result<LineHash> {
    let mut chain = Chain::new(Start::Begun);
    // A device has no past to go on from, and may never end.
    let length = file.metadata()?.len();
    let mut reader = BufReader::new((&*file).take(length));
    loop {
        match chain.next(&mut reader)? {
            Next::Line => {}
            Next::End => return Ok(chain.last),
            Next::Broken(Break::Truncated) => break,
            Next::Broken(why) => bail!(
                "line {} is broken: {why}; move the file away to begin a new one",
                chain.lines + 1
            ),
        }
    }
    file.set_len(chain.bytes)?;
    file.seek(SeekFrom::End(0))?;
    file.sync_all()?;
    tracing::warn!(
        line = chain.lines + 1,
        "removed the torn last line of the audit log"
    );
    Ok(chain.last)
}

#[cfg(test)]
mod tests {
    use std::fs;

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
            check(&format!("{two}{}{rest}", zeros(count)), Err("line 3"));
            check(&format!("{two}{}\n{rest}", zeros(count)), Err("line 3"));
        }
        // More than any line has, even at the end: not the line that was being written.
        check(&format!("{two}{}", zeros(70 * 1024)), Err("line 3"));
        check(&format!("{two}{}", zeros(4096)), Ok((&two, &second)));
    }
}
