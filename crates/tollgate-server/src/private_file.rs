//! Files that only their owner may read: keys, tokens, backups. Written whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::bounded;

/// The longest secret that is read from a file, in bytes.
const SECRET_BYTES_MAX: usize = 64 * 1024;

/// A new file of mode 0600 that appears under its name only once it is finished.
pub(crate) struct PrivateFile {
    writer: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
    is_finished: bool,
}

impl PrivateFile {
    /// Begins a file at `path`, where none may be.
    ///
    /// # Errors
    ///
    /// When there is one, or the directory cannot be written.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        ensure!(!path.exists(), "{} exists already", path.display());
        Self::replace(path)
    }

    /// Begins a file that will take the place of the one at `path`.
    ///
    /// # Errors
    ///
    /// When the directory cannot be written.
    pub(crate) fn replace(path: &Path) -> anyhow::Result<Self> {
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
        let writer = BufWriter::new(file);
        Ok(Self {
            writer,
            temporary,
            path: path.to_owned(),
            is_finished: false,
        })
    }

    pub(crate) const fn writer(&mut self) -> &mut BufWriter<File> {
        &mut self.writer
    }

    /// Puts the file under its name, durably.
    ///
    /// # Errors
    ///
    /// When the disk does not take it; then nothing stands under the name.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.publish()
            .with_context(|| format!("failed to write {}", self.path.display()))?;
        self.is_finished = true;
        Ok(())
    }

    fn publish(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        let directory = self
            .path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = fs::remove_file(&self.temporary);
        }
    }
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
