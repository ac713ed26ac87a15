//! `[cache]`: the bounded near cache of tokens, clients and keys.

use std::time::Duration;

use super::{
    key::{Key, Kind},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "cache.entries_max",
        Kind::Integer {
            min: 0,
            max: 100_000_000,
        },
        "10000",
        "the most entries of each cache: clients, tokens, signatures; rounded up to 16; 0: none",
    ),
    Key::new(
        "cache.ttl",
        Kind::seconds(0, 24 * 3600),
        "\"5m\"",
        "how long an entry stays; a revoked token's goes at once",
    ),
];

/// The near cache.
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) entries_max: usize,
    pub(crate) ttl: Duration,
}

impl Cache {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            entries_max: reader.size("cache.entries_max"),
            ttl: reader.duration("cache.ttl"),
        }
    }
}
