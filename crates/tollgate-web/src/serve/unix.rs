//! Unix sockets: made under another name, so that nobody connects before the mode is set, and
//! removed at the end.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A socket's file; removed when dropped, unless somebody else has put another in its place.
#[derive(Debug)]
pub(super) struct UnixPath {
    path: PathBuf,
    /// Device and number of the file.
    identity: (u64, u64),
}

/// Listens at a path, with these permissions (`0o660`, say).
///
/// A socket that nobody serves any more is replaced.
///
/// # Errors
/// When somebody serves at this path, or something else than a socket stands there.
pub(super) fn listen(path: &Path, mode: u32) -> io::Result<(UnixListener, UnixPath)> {
    refuse_if_taken(path)?;
    let made = Unfinished(beside(path)?);
    let listener = UnixListener::bind(&made.0)?;
    fs::set_permissions(&made.0, Permissions::from_mode(mode))?;
    listener.set_nonblocking(true)?;
    let file = fs::symlink_metadata(&made.0)?;
    fs::rename(&made.0, path)?;
    let path = UnixPath {
        path: path.to_owned(),
        identity: (file.dev(), file.ino()),
    };
    Ok((listener, path))
}

/// The name under which the socket is made; removed if that is as far as it comes.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Renamed, usually.
        let _ = fs::remove_file(&self.0);
    }
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = name.to_owned();
    name.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(name))
}

fn refuse_if_taken(path: &Path) -> io::Result<()> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !file.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "something else than a socket stands there",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

impl UnixPath {
    /// Nobody finds the socket any more.
    pub(super) fn remove(&self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "failed to remove a socket's file");
        }
    }
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        self.remove();
    }
}
