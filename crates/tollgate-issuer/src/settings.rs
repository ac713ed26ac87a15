//! What the operator decides once: names, life times, bounds.

use std::time::Duration;

use tollgate_jose::Algorithm;
use tollgate_protocol::TokenFormat;

/// The settings of an issuer.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer identifier, `iss`: an https URL, or a loopback one.
    pub issuer: String,
    /// The format of access tokens of clients that do not ask for another.
    pub access_format: TokenFormat,
    /// The life time of access tokens of clients that have none of their own.
    pub access_ttl: Duration,
    /// The longest life time of one-time tokens, and the one they get unless asked otherwise.
    pub one_time_ttl: Duration,
    /// The most live opaque tokens; past it issuing is refused. 0: no bound.
    pub active_max: u64,
    /// The most entries of each cache.
    pub cache_entries_max: usize,
    /// How long an entry may stay in a cache.
    pub cache_ttl: Duration,
    /// The life cycle of signing keys.
    pub keys: KeyPolicy,
}

/// The life cycle of signing keys.
#[derive(Clone, Debug)]
pub struct KeyPolicy {
    /// The algorithm of clients that do not ask for another.
    pub signing_alg: Algorithm,
    /// How long a key signs before its successor takes over.
    pub rotate_every: Duration,
    /// How long a key stands in the JWKS before it signs; not for the very first.
    pub publish_ahead: Duration,
    /// How long a key stays in the JWKS after the last token that it signed has expired.
    pub retain_after: Duration,
}
