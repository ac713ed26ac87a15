//! `[store]`: where tokens, clients and keys are kept.

use std::path::PathBuf;

use super::{
    key::{Key, Kind},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "store.kind",
        Kind::Choice(&["embedded"]),
        "\"embedded\"",
        "the kind of store",
    ),
    Key::new(
        "store.embedded.path",
        Kind::Path,
        "\"data\"",
        "the data directory, which also holds master.key and admin.json",
    ),
    Key::new(
        "store.embedded.durability",
        Kind::Choice(&["sync", "memory"]),
        "\"sync\"",
        "sync: a reply follows fdatasync; memory: nothing survives, for tests",
    ),
];

/// Where everything is kept.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) data_dir: PathBuf,
    pub(crate) durability: Durability,
}

/// What a reply promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// What it says is on disk.
    Sync,
    /// Nothing survives the process.
    Memory,
}

impl Store {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        // Read for its check alone: there is one kind.
        let _ = reader.text("store.kind");
        let data_dir = reader.path("store.embedded.path");
        if data_dir.is_none() {
            let what = "it is empty".to_owned();
            reader.refuse("store.embedded.path", what, "the path of a directory");
        }
        let durability = match reader.text("store.embedded.durability").as_str() {
            "memory" => Durability::Memory,
            _ => Durability::Sync,
        };
        Self {
            data_dir: data_dir.unwrap_or_default(),
            durability,
        }
    }
}
