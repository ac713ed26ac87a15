//! The latest time that was seen, noted for the next process: it must not begin earlier, or what has
//! expired would come back to life.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use tollgate_protocol::{Now, UnixMillis};

/// The file that holds the note.
pub(super) struct ClockFile(PathBuf);

impl ClockFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The time as an earlier process noted it last; none when none did, or somebody removed it.
    ///
    /// # Errors
    ///
    /// When the note is there and cannot be read: a time that is too early could revive tokens.
    pub(super) fn read(&self) -> anyhow::Result<Option<Now>> {
        let name = self.0.display();
        let read = match fs::read_to_string(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("failed to read {name}"))?,
        };
        let malformed = || {
            format!("{name} does not hold a time; remove it, and every token issued so far ends")
        };
        let mut times = read.split_ascii_whitespace().map(str::parse);
        let mut next = || times.next().map(|time| time.map(UnixMillis)).transpose();
        let (steady, wall) = (
            next().with_context(malformed)?,
            next().with_context(malformed)?,
        );
        let steady = steady.with_context(malformed)?;
        Ok(Some(Now {
            steady,
            wall: wall.unwrap_or(steady),
        }))
    }

    /// The earliest that it can be while the wall clock shows `wall`: what was noted, and what has
    /// passed since.
    pub(super) fn earliest(noted: Now, wall: UnixMillis) -> UnixMillis {
        noted.steady.plus(wall.since(noted.wall))
    }

    /// Puts `now` in the place of the note before, in one piece.
    ///
    /// # Errors
    ///
    /// When the disk does not take it; the note before stays.
    pub(super) fn write(&self, now: Now) -> io::Result<()> {
        let next = self.0.with_extension("new");
        let mut file = File::create(&next)?;
        writeln!(file, "{} {}", now.steady.0, now.wall.0)?;
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
        let at = |steady, wall| Now {
            steady: UnixMillis(steady),
            wall: UnixMillis(wall),
        };
        for noted in [at(5, 5), at(1_800_000_000_000, 1_700_000_000_000), at(7, 6)] {
            file.write(noted).unwrap();
            assert_eq!(file.read().unwrap(), Some(noted));
        }
        for malformed in ["", "\n", "soon", "-1", "18446744073709551616", "5 soon"] {
            fs::write(&path, malformed).unwrap();
            let error = file.read().unwrap_err().to_string();
            assert!(error.contains("every token issued so far ends"), "{error}");
        }
    }

    #[test]
    fn time_goes_on_while_nothing_runs_and_never_back() {
        let check = |noted: (u64, u64), wall, expected| {
            let noted = Now {
                steady: UnixMillis(noted.0),
                wall: UnixMillis(noted.1),
            };
            let earliest = ClockFile::earliest(noted, UnixMillis(wall));
            assert_eq!(earliest, UnixMillis(expected), "{noted:?} {wall}");
        };
        check((1000, 1000), 1500, 1500);
        check((1000, 1000), 500, 1000);
        // The clock had been ahead and was set right.
        check((9000, 1000), 1500, 9500);
        check((9000, 1000), 9500, 17_500);
        check((9000, 1000), 500, 9000);
    }
}
