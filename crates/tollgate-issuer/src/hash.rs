//! The keyed hashes under which tokens and client secrets are kept.

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;
use tollgate_protocol::{ClientSecret, OpaqueToken};
use tollgate_store::{SecretHash, TokenKey};

use crate::MasterKey;

/// HMAC-SHA-256 under keys that the store never sees.
///
/// # Security
///
/// Tokens and secrets made here have 256 random bits, so one fast keyed hash protects them: who
/// reads the store learns nothing, and who writes to it cannot plant a token without the key.
pub(crate) struct Hasher {
    tokens: hmac::Key,
    secrets: hmac::Key,
    assertions: hmac::Key,
}

impl Hasher {
    pub(crate) fn new(master: &MasterKey) -> Self {
        let key = |label| hmac::Key::new(hmac::HMAC_SHA256, &*master.derive(label));
        Self {
            tokens: key("token hash"),
            secrets: key("client secret hash"),
            assertions: key("client assertion hash"),
        }
    }

    /// The key of an opaque token: the first half of its keyed hash.
    pub(crate) fn token(&self, token: &OpaqueToken) -> TokenKey {
        half(&hmac::sign(&self.tokens, token.expose().as_bytes()))
    }

    /// The key of a used client assertion, of its client and `jti`.
    pub(crate) fn assertion(&self, client: &str, jti: &str) -> TokenKey {
        let mut context = hmac::Context::with_key(&self.assertions);
        context.update(client.as_bytes());
        // No client id contains a NUL, so the two parts cannot run together.
        context.update(&[0]);
        context.update(jti.as_bytes());
        half(&context.sign())
    }

    pub(crate) fn secret(&self, secret: &ClientSecret) -> [u8; 32] {
        let tag = hmac::sign(&self.secrets, secret.expose().as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(tag.as_ref());
        hash
    }

    /// Whether `secret` is one of `hashes` that counts at `now`. Every hash is compared, so the
    /// time tells nothing of which one matched.
    pub(crate) fn matches(
        &self,
        secret: &ClientSecret,
        hashes: &[SecretHash],
        now: tollgate_protocol::UnixSeconds,
    ) -> bool {
        let presented = self.secret(secret);
        let mut found = subtle::Choice::from(0);
        for candidate in hashes {
            let counts = candidate
                .expires_at
                .is_none_or(|expires_at| now < expires_at);
            found |= presented.ct_eq(&candidate.hash) & subtle::Choice::from(u8::from(counts));
        }
        found.into()
    }
}

fn half(tag: &hmac::Tag) -> TokenKey {
    let mut key = [0; 16];
    for (byte, from) in key.iter_mut().zip(tag.as_ref()) {
        *byte = *from;
    }
    TokenKey(key)
}
