//! How a store is opened, and why it could not be.

use std::{path::PathBuf, time::Duration};

/// Whether an answer waits for the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// An answer follows `fdatasync`.
    #[default]
    Sync,
    /// An answer follows the write alone: a crash of the machine loses it. For tests.
    Memory,
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// The directory; made where it is missing. The store keeps to `db` and `db.lock` in it.
    pub path: PathBuf,
    /// Whether an answer waits for the disk.
    pub durability: Durability,
    /// The most records in one commit; a single larger operation has a commit of its own.
    pub records_max: usize,
    /// How long a commit waits for more to come. Zero: not at all; it takes what arrived while the
    /// last one ran.
    pub linger: Duration,
    /// The most operations that wait for a commit; past it they are refused as saturated.
    pub queue_max: usize,
    /// The most memory for rows of live tokens and for blocks read from disk, in bytes. It fills as
    /// it is used; a token takes about 150 bytes of it.
    pub cache_bytes: u64,
    /// How large the table of recent writes grows before it is written out, in bytes. About three
    /// times as much memory is used under steady writing.
    pub write_buffer_bytes: u64,
}

impl EmbeddedConfig {
    /// The defaults, in `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::Sync,
            records_max: 1000,
            linger: Duration::ZERO,
            queue_max: 8192,
            cache_bytes: 160 << 20,
            write_buffer_bytes: 16 << 20,
        }
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open, or this one twice.
    #[error("the store in {0} is in use by another process")]
    Locked(PathBuf),
    /// The directory belongs to another version of the store.
    #[error("the store in {path} has format {found}, this program reads format {expected}")]
    Format {
        /// The directory.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What this program reads and writes.
        expected: u32,
    },
    /// What is on disk is not what was written.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The disk or the operating system refused.
    #[error("the store cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The storage engine refused.
    #[error("the storage engine refused: {0}")]
    Engine(String),
}
