//! Files that only their owner may read: keys, tokens, backups. Written whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::bounded;

/// Where the system names the files that a process has open.
const OPEN_FILES: &str = "/proc/self/fd";
/// The longest secret that is read from a file, in bytes.
const SECRET_BYTES_MAX: usize = 64 * 1024;

/// A new file of mode 0600 that appears under its name only once it is finished.
pub(crate) struct PrivateFile {
    writer: BufWriter<File>,
    path: PathBuf,
    until_finished: Unfinished,
}

/// Where a file is until it is finished.
enum Unfinished {
    /// Without a name, and gone with its process. The name that it gets must be free.
    Unnamed,
    /// Under this name, on file systems where each file must have one. Likewise.
    Beside(PathBuf),
    /// Under this name. It takes the place of what has the other.
    Replacing(PathBuf),
}

impl PrivateFile {
    /// Begins a file at `path`, where none may be until it is finished.
    ///
    /// # Errors
    ///
    /// When there is one, or the directory cannot be written.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        ensure!(!path.exists(), "{} exists already", path.display());
        match unnamed(directory(path)) {
            Ok(file) => Ok(Self::new(file, path, Unfinished::Unnamed)),
            Err(_) => Self::named(path, Unfinished::Beside),
        }
    }

    /// Begins a file that will take the place of the one at `path`.
    ///
    /// # Errors
    ///
    /// When the directory cannot be written.
    pub(crate) fn replace(path: &Path) -> anyhow::Result<Self> {
        Self::named(path, Unfinished::Replacing)
    }

    fn named(path: &Path, unfinished: fn(PathBuf) -> Unfinished) -> anyhow::Result<Self> {
        let mut name = path
            .file_name()
            .context("the path names no file")?
            .to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        // Left behind by a process of the same number that died here.
        let _ = fs::remove_file(&temporary);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary);
        let file = file.with_context(|| format!("failed to create {}", temporary.display()))?;
        Ok(Self::new(file, path, unfinished(temporary)))
    }

    fn new(file: File, path: &Path, until_finished: Unfinished) -> Self {
        Self {
            writer: BufWriter::new(file),
            path: path.to_owned(),
            until_finished,
        }
    }

    pub(crate) const fn writer(&mut self) -> &mut BufWriter<File> {
        &mut self.writer
    }

    /// Puts the file under its name, durably.
    ///
    /// # Errors
    ///
    /// When the disk does not take it; then nothing stands under the name. Also when something does
    /// by now that it must not replace.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.publish()
            .with_context(|| format!("failed to write {}", self.path.display()))
    }

    fn publish(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        let file = self.writer.get_ref();
        file.sync_all()?;
        match &self.until_finished {
            Unfinished::Unnamed => {
                let open = format!("{OPEN_FILES}/{}", file.as_raw_fd());
                linkat(CWD, open, CWD, &self.path, AtFlags::SYMLINK_FOLLOW)?;
            }
            Unfinished::Beside(temporary) => fs::hard_link(temporary, &self.path)?,
            Unfinished::Replacing(temporary) => fs::rename(temporary, &self.path)?,
        }
        sync_directory_of(&self.path)
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        match &self.until_finished {
            Unfinished::Unnamed => {}
            Unfinished::Beside(temporary) | Unfinished::Replacing(temporary) => {
                // Renamed, it is gone already.
                let _ = fs::remove_file(temporary);
            }
        }
    }
}

/// Makes the name of the file at `path` last as its content does.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

/// The directory that `path` is in.
fn directory(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// A file in `directory` without a name, where that can be had and named later.
fn unnamed(directory: &Path) -> io::Result<File> {
    fs::metadata(OPEN_FILES)?;
    OpenOptions::new()
        .write(true)
        .mode(0o600)
        .custom_flags(OFlags::TMPFILE.bits().cast_signed())
        .open(directory)
}

/// Reads a secret: the file's text without white space around it.
///
/// # Errors
///
/// When the file cannot be read, is too long or holds nothing.
pub(crate) fn read_secret(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let name = path.display();
    let content = bounded::read_file(path, SECRET_BYTES_MAX);
    let content = content.with_context(|| format!("failed to read {name}"))?;
    let text = bounded::text(&content).with_context(|| format!("failed to read {name}"))?;
    let secret = Zeroizing::new(text.trim().to_owned());
    ensure!(!secret.is_empty(), "{name} is empty");
    Ok(secret)
}

/// `admin.json`: how commands on this machine find the server and what they show it.
#[derive(Deserialize, Serialize)]
pub(crate) struct AdminFile {
    /// The management listener, as bound.
    pub(crate) url: String,
    /// The administrator's token.
    pub(crate) token: Zeroizing<String>,
}

impl AdminFile {
    /// Its name in the data directory.
    pub(crate) const NAME: &str = "admin.json";

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is not what a server writes.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = read_secret(path)?;
        Self::parse(&text).with_context(|| format!("{} is malformed", path.display()))
    }

    /// Reads its text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Writes it to `path`.
    ///
    /// # Errors
    ///
    /// When the disk does not take it.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        write_json(path, self)
    }
}

/// `demo.json`: the demo client of a development server, so that its secret outlives a restart.
#[derive(Deserialize, Serialize)]
pub(crate) struct DemoFile {
    pub(crate) client_id: String,
    pub(crate) client_secret: Zeroizing<String>,
}

impl DemoFile {
    /// Its name in the data directory.
    pub(crate) const NAME: &str = "demo.json";

    /// Reads the file at `path`, if there is one.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        serde_json::from_str(&read_secret(path).ok()?).ok()
    }

    /// Writes it to `path`.
    ///
    /// # Errors
    ///
    /// When the disk does not take it.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        write_json(path, self)
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let text = Zeroizing::new(serde_json::to_string_pretty(value)?);
    let mut file = PrivateFile::replace(path)?;
    writeln!(file.writer(), "{}", text.as_str())?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the file system can do.
    #[test]
    fn nothing_that_came_in_between_is_replaced() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("a.backup");
        let begin = [PrivateFile::create, |path: &Path| {
            PrivateFile::named(path, Unfinished::Beside)
        }];
        for begin in begin {
            let mut file = begin(&path).unwrap();
            file.writer().write_all(b"mine").unwrap();
            fs::write(&path, "another's").unwrap();
            assert!(file.finish().is_err());
            assert_eq!(fs::read(&path).unwrap(), b"another's");
            fs::remove_file(&path).unwrap();

            let mut file = begin(&path).unwrap();
            file.writer().write_all(b"mine").unwrap();
            file.finish().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"mine");
            fs::remove_file(&path).unwrap();
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }
}
