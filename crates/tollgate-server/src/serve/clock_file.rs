//! The latest time that was seen, noted for the next process: it must not begin earlier, or what has
//! expired would come back to life.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use tollgate_protocol::UnixMillis;

/// The file that holds the note.
pub(super) struct ClockFile(PathBuf);

impl ClockFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The latest time that an earlier process noted; none when none did, or somebody removed it.
    ///
    /// # Errors
    ///
    /// When the note is there and cannot be read: a time that is too early could revive tokens.
    pub(super) fn read(&self) -> anyhow::Result<Option<UnixMillis>> {
        let name = self.0.display();
        let read = match fs::read_to_string(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("failed to read {name}"))?,
        };
        let millis = read.trim().parse();
        let malformed = || {
            format!("{name} does not hold a time; remove it, and every token issued so far ends")
        };
        Ok(Some(UnixMillis(millis.with_context(malformed)?)))
    }

    /// Puts `latest` in the place of the note before, in one piece.
    ///
    /// # Errors
    ///
    /// When the disk does not take it; the note before stays.
    pub(super) fn write(&self, latest: UnixMillis) -> io::Result<()> {
        let next = self.0.with_extension("new");
        let mut file = File::create(&next)?;
        writeln!(file, "{}", latest.0)?;
        // Or a power failure may leave the new name without the content.
        file.sync_data()?;
        fs::rename(&next, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_and_what_is_not_a_time_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("clock");
        let file = ClockFile::new(path.clone());
        assert_eq!(file.read().unwrap(), None);
        for noted in [5, 1_800_000_000_000, 7] {
            file.write(UnixMillis(noted)).unwrap();
            assert_eq!(file.read().unwrap(), Some(UnixMillis(noted)));
        }
        for malformed in ["", "\n", "soon", "-1", "18446744073709551616"] {
            fs::write(&path, malformed).unwrap();
            let error = file.read().unwrap_err().to_string();
            assert!(error.contains("every token issued so far ends"), "{error}");
        }
    }
}
