//! `[tokens]`: formats, life times and how many may live.

use std::time::Duration;

use tollgate_issuer::clients::ACCESS_TTL_MAX;
use tollgate_protocol::TokenFormat;

use super::{
    key::{Key, Kind},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "tokens.access_format",
        Kind::Choice(&["jwt", "opaque"]),
        "\"jwt\"",
        "format of access tokens; a client may override it",
    ),
    Key::new(
        "tokens.access_ttl",
        Kind::seconds(1, ACCESS_TTL_MAX.as_secs()),
        "\"1h\"",
        "life time of access tokens; a client may override it",
    ),
    Key::new(
        "tokens.one_time_ttl",
        Kind::seconds(1, 24 * 3600),
        "\"2m\"",
        "longest life time of one-time tokens, and their default",
    ),
    Key::new(
        "tokens.active_max",
        Kind::Integer {
            min: 0,
            max: 1_000_000_000,
        },
        "1000000",
        "live opaque tokens; past it issuing answers 503; 0: no cap",
    ),
];

/// Formats and life times.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) access_format: TokenFormat,
    pub(crate) access_ttl: Duration,
    pub(crate) one_time_ttl: Duration,
    pub(crate) active_max: u64,
}

impl Tokens {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            access_format: match reader.text("tokens.access_format").as_str() {
                "opaque" => TokenFormat::Opaque,
                _ => TokenFormat::Jwt,
            },
            access_ttl: reader.duration("tokens.access_ttl"),
            one_time_ttl: reader.duration("tokens.one_time_ttl"),
            active_max: reader.integer("tokens.active_max"),
        }
    }
}
