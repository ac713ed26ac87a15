//! What is kept: tokens under their keyed hashes, clients, sealed signing keys.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tollgate_protocol::{
    ClientId, GrantType, Resources, Scope, Subject, TokenFormat, UnixMillis, UnixSeconds,
};

/// Under what a token is kept: the first 128 bits of a keyed hash of an opaque token, or the
/// unique part of the `jti` of a signed one. It is also the token's public handle: it tells
/// nothing of the token and cannot be used in its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenKey(pub [u8; 16]);

impl fmt::Display for TokenKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 0xf)]);
        }
        formatter.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

const fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::str::FromStr for TokenKey {
    type Err = InvalidTokenKey;

    fn from_str(text: &str) -> Result<Self, InvalidTokenKey> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidTokenKey);
        }
        u128::from_str_radix(text, 16)
            .map(|number| Self(number.to_be_bytes()))
            .map_err(|_| InvalidTokenKey)
    }
}

/// The text is no token key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token id is 32 hexadecimal digits")]
pub struct InvalidTokenKey;

/// Which life of a client a token belongs to. Disabling a client, deleting it and revoking all its
/// tokens each draw a new number, and tokens of another number are dead.
///
/// A number and not a date: it keeps its meaning when clocks step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClientEpoch(pub u64);

/// What an opaque token that is kept may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TokenUse {
    /// An access token: as often as its holder likes until it expires.
    Access,
    /// A one-time token: once.
    OneTime,
}

/// An opaque token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// What the token may be used for.
    pub usage: TokenUse,
    /// The client that it was issued to.
    pub client: ClientId,
    /// The life of that client in which it was issued.
    pub epoch: ClientEpoch,
    /// Whom it speaks of.
    pub subject: Subject,
    /// What it allows.
    pub scope: Scope,
    /// Where it counts.
    pub audience: Resources,
    /// When it was issued; later than every cut that came before.
    pub issued_at: UnixMillis,
    /// The first second in which it is no longer valid.
    pub expires_at: UnixSeconds,
    /// What is handed back on redemption: JSON text of at most 1 KiB, of one-time tokens alone.
    pub data: Option<Arc<str>>,
}

/// A token on its way into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// Under what it is kept.
    pub key: TokenKey,
    /// What is kept.
    pub record: TokenRecord,
}

/// What a signed token says of itself, after its signature was verified; the store knows whether
/// it was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedToken {
    /// The unique part of its `jti`.
    pub key: TokenKey,
    /// The client that it was issued to.
    pub client: ClientId,
    /// The life of that client in which it was issued.
    pub epoch: ClientEpoch,
    /// Whom it speaks of.
    pub subject: Subject,
    /// When it was issued, to the millisecond.
    pub issued_at: UnixMillis,
    /// The first second in which it is no longer valid.
    pub expires_at: UnixSeconds,
}

/// Whether a client may do anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientState {
    /// It may.
    Enabled,
    /// It may not, and its tokens are dead.
    Disabled,
}

/// A client secret as it is kept: the HMAC-SHA-256 under a key that is not in the store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretHash {
    /// The keyed hash.
    pub hash: [u8; 32],
    /// When the secret was set.
    pub created_at: UnixSeconds,
    /// The first second in which it no longer counts; none for the current one.
    pub expires_at: Option<UnixSeconds>,
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SecretHash")
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRecord {
    /// Its identifier.
    pub id: ClientId,
    /// What people call it; may be empty.
    pub name: String,
    /// Whether it may do anything.
    pub state: ClientState,
    /// Which of its lives this is.
    pub epoch: ClientEpoch,
    /// The current secret first, then those that still overlap; empty for clients with keys alone.
    pub secrets: Vec<SecretHash>,
    /// Its public keys as a JWK Set document, for `private_key_jwt`.
    pub jwks: Option<String>,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// The most that it may ask for, and what it gets when it asks for nothing.
    pub scope: Scope,
    /// The resources that it may ask tokens for.
    pub audiences: Resources,
    /// The resources that it is: it sees tokens that name one of them.
    pub serves: Resources,
    /// The format of its access tokens, where it differs from the server's.
    pub token_format: Option<TokenFormat>,
    /// The life time of its access tokens, where it differs from the server's.
    pub access_ttl: Option<Duration>,
    /// The algorithm of its JWTs, where it differs from the server's.
    pub signing_alg: Option<String>,
    /// When it was registered.
    pub created_at: UnixSeconds,
    /// When it was last changed.
    pub updated_at: UnixSeconds,
    /// Counts the changes; a change must name the revision that it was made from.
    pub revision: u64,
}

/// A signing key as it is kept. The stages of its life are dates, so that every instance sees the
/// same stage at the same time without writing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    /// Its identifier in the JWKS.
    pub kid: String,
    /// What it signs with.
    pub algorithm: String,
    /// The public JWK, as a JSON document.
    pub public_jwk: String,
    /// The private key in PKCS #8, sealed under the master key.
    pub sealed: Vec<u8>,
    /// When it was made, and thereby published.
    pub created_at: UnixSeconds,
    /// From when it signs.
    pub signs_from: UnixSeconds,
    /// When its successor takes over; none while there is no successor.
    pub retired_at: Option<UnixSeconds>,
    /// When it leaves the JWKS; set together with `retired_at`.
    pub gone_at: Option<UnixSeconds>,
    /// When it was revoked in an emergency: no longer published, signs and verifies nothing.
    pub revoked_at: Option<UnixSeconds>,
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoredKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("created_at", &self.created_at)
            .field("signs_from", &self.signs_from)
            .field("retired_at", &self.retired_at)
            .field("gone_at", &self.gone_at)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}

/// Every signing key, changed as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRing {
    /// Counts the changes; a change must name the revision that it was made from.
    pub revision: u64,
    /// The keys, oldest first.
    pub keys: Vec<StoredKey>,
}
