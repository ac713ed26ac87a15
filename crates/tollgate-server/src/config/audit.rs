//! `[audit]`: the hash-chained record of who did what.

use std::path::PathBuf;

use super::{
    key::{Key, Kind},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[Key::new(
    "audit.path",
    Kind::Path,
    "\"\"",
    "append-only file of hash-chained JSON lines; empty: none",
)];

/// The audit log.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) path: Option<PathBuf>,
}

impl Audit {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            path: reader.path("audit.path"),
        }
    }
}
