//! `[batch]`: how many writes share one commit.

use std::time::Duration;

use super::{
    key::{Key, Kind},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "batch.records_max",
        Kind::Integer {
            min: 1,
            max: 100_000,
        },
        "1000",
        "the most records of one commit",
    ),
    Key::new(
        "batch.linger",
        Kind::millis(0, 1000),
        "\"0ms\"",
        "how long a commit waits for company",
    ),
];

/// How writes are grouped.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) records_max: usize,
    pub(crate) linger: Duration,
}

impl Batch {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            records_max: reader.size("batch.records_max"),
            linger: reader.duration("batch.linger"),
        }
    }
}
