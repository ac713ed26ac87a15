//! The public keys of a client: judged once, when they are registered.

use std::collections::HashSet;

use serde::Deserialize;
use tollgate_jose::{Jwk, JwkSet, VerifyingKey};

use super::invalid;
use crate::AdminError;

/// The longest JWK Set document, in bytes.
pub const JWKS_BYTES_MAX: usize = 32 * 1024;
/// The most keys of one client.
pub const JWKS_KEYS_MAX: usize = 16;

/// The members that a public key does not have (RFC 7518 §§6.2.2, 6.3.2, 6.4.1).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The public members of `document`, after each of its keys was found fit to verify signatures.
///
/// # Security
///
/// A document with private keys is refused, not cleaned: whoever sent it must learn that the keys
/// have left their place.
pub(super) fn canonical(document: &str) -> Result<String, AdminError> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<serde_json::Map<String, serde_json::Value>>,
    }
    if document.len() > JWKS_BYTES_MAX {
        return Err(invalid(format!(
            "jwks is longer than {JWKS_BYTES_MAX} bytes"
        )));
    }
    let parsed: Document = serde_json::from_str(document)
        .map_err(|_| invalid("jwks is no JWK Set: an object with an array `keys`".into()))?;
    if !(1..=JWKS_KEYS_MAX).contains(&parsed.keys.len()) {
        return Err(invalid(format!("jwks has 1 to {JWKS_KEYS_MAX} keys")));
    }
    let mut kids = HashSet::new();
    let mut keys = Vec::with_capacity(parsed.keys.len());
    for (number, members) in parsed.keys.into_iter().enumerate() {
        let refuse = |cause: &str| invalid(format!("jwks key {number}: {cause}"));
        if let Some(member) = SECRET_MEMBERS
            .into_iter()
            .find(|name| members.contains_key(*name))
        {
            return Err(refuse(&format!(
                "`{member}` is secret; send public keys alone"
            )));
        }
        let text = serde_json::Value::Object(members).to_string();
        let jwk = Jwk::from_slice(text.as_bytes()).map_err(|error| refuse(&error.to_string()))?;
        VerifyingKey::from_jwk(&jwk).map_err(|error| refuse(&error.to_string()))?;
        if !kids.insert(jwk.kid().map(str::to_owned)) {
            return Err(refuse("another key has the same `kid`, or none either"));
        }
        keys.push(jwk);
    }
    serde_json::to_string(&JwkSet { keys }).map_err(|error| invalid(format!("jwks: {error}")))
}
