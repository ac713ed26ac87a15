//! Reading files whole that have a bound: what turns out longer is refused, never cut.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use zeroize::Zeroizing;

/// All of the file at `path`, which may be a secret. Its length alone would say little: that of a
/// pipe is 0.
///
/// # Errors
///
/// When it has more than `bytes_max` bytes, or cannot be read.
pub(crate) fn read_file(path: &Path, bytes_max: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let limit = bytes_max.saturating_add(1);
    // With room for all of it: growing would leave copies of a secret behind.
    let mut content = Zeroizing::new(Vec::with_capacity(limit));
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    File::open(path)?.take(limit).read_to_end(&mut content)?;
    if content.len() > bytes_max {
        let what = format!("it is longer than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(content)
}

/// What was read, as text.
///
/// # Errors
///
/// When it is not UTF-8.
pub(crate) fn text(content: &[u8]) -> io::Result<&str> {
    str::from_utf8(content).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
