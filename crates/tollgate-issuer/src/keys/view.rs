//! A signing key as administrators see it.

use serde::Serialize;
use tollgate_protocol::UnixSeconds;
use tollgate_store::StoredKey;

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// In the JWKS, so that validators learn it before it signs.
    Published,
    /// Signs.
    Signing,
    /// Signs no more, but tokens that it signed are alive.
    Retiring,
    /// Out of the JWKS.
    Gone,
    /// Withdrawn in an emergency.
    Revoked,
}

impl KeyState {
    pub(super) fn of(key: &StoredKey, now: UnixSeconds) -> Self {
        let past = |date: Option<UnixSeconds>| date.is_some_and(|date| date <= now);
        if key.revoked_at.is_some() {
            Self::Revoked
        } else if past(key.gone_at) {
            Self::Gone
        } else if past(key.retired_at) {
            Self::Retiring
        } else if past(Some(key.signs_from)) {
            Self::Signing
        } else {
            Self::Published
        }
    }
}

/// A signing key without its secret half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyView {
    /// Its identifier in the JWKS.
    pub kid: String,
    /// What it signs with.
    pub alg: String,
    /// Where it stands in its life.
    pub state: KeyState,
    /// When it was made and published.
    pub created_at: UnixSeconds,
    /// From when it signs.
    pub signs_from: UnixSeconds,
    /// When its successor takes over.
    pub retired_at: Option<UnixSeconds>,
    /// When it leaves the JWKS.
    pub gone_at: Option<UnixSeconds>,
    /// When it was revoked.
    pub revoked_at: Option<UnixSeconds>,
}

impl KeyView {
    pub(super) fn of(key: &StoredKey, now: UnixSeconds) -> Self {
        Self {
            kid: key.kid.clone(),
            alg: key.algorithm.clone(),
            state: KeyState::of(key, now),
            created_at: key.created_at,
            signs_from: key.signs_from,
            retired_at: key.retired_at,
            gone_at: key.gone_at,
            revoked_at: key.revoked_at,
        }
    }
}
