//! `[overload]`: how much work is taken in before requests are refused.

use std::time::Duration;

use super::{
    key::{Key, Kind},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "overload.in_flight_max",
        Kind::Integer {
            min: 1,
            max: 1_000_000,
        },
        "1000",
        "requests worked on at once",
    ),
    Key::new(
        "overload.queue_max",
        Kind::Integer {
            min: 0,
            max: 1_000_000,
        },
        "1000",
        "requests that wait for that; past it 503",
    ),
    Key::new(
        "overload.queue_wait",
        Kind::millis(0, 60_000),
        "\"100ms\"",
        "how long they wait; past it 503",
    ),
];

/// How much work is taken in.
#[derive(Debug)]
pub(crate) struct Overload {
    pub(crate) in_flight_max: usize,
    pub(crate) queue_max: usize,
    pub(crate) queue_wait: Duration,
}

impl Overload {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            in_flight_max: reader.size("overload.in_flight_max"),
            queue_max: reader.size("overload.queue_max"),
            queue_wait: reader.duration("overload.queue_wait"),
        }
    }
}
