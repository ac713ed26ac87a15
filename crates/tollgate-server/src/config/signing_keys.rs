//! `[keys]`: the life cycle of the signing keys and what seals them.

use std::{path::PathBuf, time::Duration};

use tollgate_jose::Algorithm;

use super::{
    key::{Key, Kind, Presence, spell},
    reader::Reader,
    secret::SecretText,
};

const DAY: u64 = 24 * 3600;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "keys.signing_alg",
        Kind::Choice(&[
            "ES256", "EdDSA", "RS256", "PS256", "ES384", "ES512", "RS384", "RS512", "PS384",
            "PS512",
        ]),
        "\"ES256\"",
        "algorithm of JWTs; a client may override it",
    ),
    Key::new(
        "keys.rotate_every",
        Kind::seconds(1, 3650 * DAY),
        "\"90d\"",
        "how long a key signs",
    ),
    Key::new(
        "keys.publish_ahead",
        Kind::seconds(0, 90 * DAY),
        "\"1d\"",
        "how long a key stands in the JWKS before it signs; not for the very first",
    ),
    Key::new(
        "keys.retain_after",
        Kind::seconds(0, 365 * DAY),
        "\"1d\"",
        "how long it stays after the last token that it signed has expired",
    ),
    Key::new(
        "keys.jwks_max_age",
        Kind::seconds(0, 30 * DAY),
        "\"15m\"",
        "Cache-Control of the JWKS; at most publish_ahead",
    ),
    Key::new(
        "keys.master_key_file",
        Kind::Path,
        "\"\"",
        "what seals the keys: 32 random bytes in hexadecimal or base64; empty: master.key in the data directory, made at the first start",
    ),
    Key {
        name: "keys.master_key",
        kind: Kind::MasterKey,
        presence: Presence::Secret,
        doc: "the master key itself, instead of a file",
    },
];

/// The life cycle of the signing keys.
#[derive(Debug)]
pub(crate) struct SigningKeys {
    pub(crate) signing_alg: Algorithm,
    pub(crate) rotate_every: Duration,
    pub(crate) publish_ahead: Duration,
    pub(crate) retain_after: Duration,
    pub(crate) jwks_max_age: Duration,
    pub(crate) master: MasterKeySource,
}

/// Where the master key is found.
#[derive(Debug)]
pub(crate) enum MasterKeySource {
    /// In the data directory, made when it is missing.
    DataDir,
    /// In this file, which must be there.
    File(PathBuf),
    /// Here, in hexadecimal or base64.
    Inline(SecretText),
}

impl SigningKeys {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let keys = Self {
            signing_alg: algorithm(reader),
            rotate_every: reader.duration("keys.rotate_every"),
            publish_ahead: reader.duration("keys.publish_ahead"),
            retain_after: reader.duration("keys.retain_after"),
            jwks_max_age: reader.duration("keys.jwks_max_age"),
            master: master(reader),
        };
        // A validator that cached the JWKS just before a key was published must have asked again
        // before that key signs; otherwise it refuses good tokens.
        if keys.jwks_max_age > keys.publish_ahead {
            let (age, ahead) = (spell(keys.jwks_max_age), spell(keys.publish_ahead));
            let what = format!("{age} is longer than keys.publish_ahead, {ahead}");
            reader.refuse("keys.jwks_max_age", what, "at most keys.publish_ahead");
        }
        if keys.publish_ahead > keys.rotate_every {
            let (ahead, every) = (spell(keys.publish_ahead), spell(keys.rotate_every));
            let what = format!("{ahead} is longer than keys.rotate_every, {every}");
            reader.refuse("keys.publish_ahead", what, "at most keys.rotate_every");
        }
        keys
    }
}

fn algorithm(reader: &mut Reader<'_>) -> Algorithm {
    reader
        .text("keys.signing_alg")
        .parse()
        .unwrap_or(Algorithm::ES256)
}

fn master(reader: &mut Reader<'_>) -> MasterKeySource {
    let inline = reader.secret("keys.master_key");
    match (inline, reader.path("keys.master_key_file")) {
        (Some(_), Some(_)) => {
            let what = "the master key is given twice".to_owned();
            reader.refuse(
                "keys.master_key_file",
                what,
                "it or TOLLGATE_KEYS__MASTER_KEY, not both",
            );
            MasterKeySource::DataDir
        }
        (Some(key), None) => MasterKeySource::Inline(key),
        (None, Some(path)) => MasterKeySource::File(path),
        (None, None) => MasterKeySource::DataDir,
    }
}
