//! An issuer for the tests: keys, and tokens of any content.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tollgate_verify::jose::{Algorithm, Jwk, JwkSet, SigningKey, compact, encode_header};
use tollgate_verify::{Ready, UnixSeconds, Verifier, VerifierBuilder};

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const AUDIENCE: &str = "https://orders.example";
pub(crate) const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// The issuer's key.
pub(crate) static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::ES256).unwrap().1);

pub(crate) fn jwk_set(keys: &[&SigningKey]) -> JwkSet {
    JwkSet {
        keys: keys.iter().map(|key| key.public_jwk().unwrap()).collect(),
    }
}

/// A builder for the issuer, its audience and its key.
pub(crate) fn builder() -> VerifierBuilder<Ready> {
    Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .jwk_set(&jwk_set(&[&KEY]))
}

/// The claims of a good access token.
pub(crate) fn good() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "web", "jti": "1",
        "iat": NOW.0 - 10, "exp": NOW.0 + 300, "scope": "orders:read orders:write",
    })
}

/// The claims of a good access token with one changed, or taken out when `value` is null.
pub(crate) fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

pub(crate) fn sign_with(key: &SigningKey, typ: &str, payload: &[u8]) -> String {
    let mut token = String::new();
    let header = encode_header(key.algorithm(), key.kid(), typ);
    compact(&header, payload, key, &mut token).unwrap();
    token
}

/// A token of the issuer's with these claims.
pub(crate) fn token(claims: &Value) -> String {
    sign_with(&KEY, "at+jwt", claims.to_string().as_bytes())
}

/// The error code that a default verifier gives, or `ok`.
pub(crate) fn outcome(token: &str) -> &'static str {
    outcome_of(builder(), token)
}

pub(crate) fn outcome_of(builder: VerifierBuilder<Ready>, token: &str) -> &'static str {
    match builder.build().unwrap().verify_at(token, NOW) {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

/// A public key with members changed.
pub(crate) fn changed(jwk: &Jwk, change: impl FnOnce(&mut Value)) -> Value {
    let mut value = serde_json::to_value(jwk).unwrap();
    change(&mut value);
    value
}
