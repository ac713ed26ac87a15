//! `[cleanup]`: how often and in what steps expired records are removed.

use std::time::Duration;

use super::{
    key::{Key, Kind},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "cleanup.interval",
        Kind::millis(100, 7 * 24 * 3_600_000),
        "\"10m\"",
        "how often expired records are removed",
    ),
    Key::new(
        "cleanup.batch_max",
        Kind::Integer {
            min: 1,
            max: 100_000,
        },
        "1000",
        "the most records removed in one step",
    ),
];

/// The removal of expired records.
#[derive(Debug)]
pub(crate) struct Cleanup {
    pub(crate) interval: Duration,
    pub(crate) batch_max: usize,
}

impl Cleanup {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            interval: reader.duration("cleanup.interval"),
            batch_max: reader.size("cleanup.batch_max"),
        }
    }
}
