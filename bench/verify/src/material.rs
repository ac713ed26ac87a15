//! What everybody measures with: one RFC 9068 token an algorithm, and the keys.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use tollgate_verify::jose::{Algorithm, SigningKey, compact, encode_header};

pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "https://orders.example.com";
/// 64 bytes, so that all may use it as text.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::RS256,
    Algorithm::ES256,
    Algorithm::EdDSA,
    Algorithm::HS256,
];

/// Tokens and keys by the name of the algorithm.
#[derive(Serialize, Deserialize)]
pub(crate) struct Material {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) secret: String,
    pub(crate) now: u64,
    pub(crate) tokens: BTreeMap<String, String>,
    /// Public keys; HS256 has none.
    pub(crate) keys: BTreeMap<String, Value>,
}

impl Material {
    /// New keys, and tokens that are valid for an hour.
    pub(crate) fn mint() -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let claims = json!({
            "iss": ISSUER, "sub": "5ba552d67", "aud": AUDIENCE, "exp": now + 3600, "iat": now,
            "jti": "dbe39bf3a3ba4238a513f51d6e1691c4", "client_id": "s6BhdRkqt3",
            "scope": "openid profile orders:read orders:write",
        });
        let (mut tokens, mut keys) = (BTreeMap::new(), BTreeMap::new());
        for algorithm in ALGORITHMS {
            let key = if algorithm.is_symmetric() {
                SigningKey::hmac(algorithm, SECRET.as_bytes())
                    .unwrap()
                    .with_kid("shared")
            } else {
                SigningKey::generate(algorithm).unwrap().1
            };
            let header = encode_header(algorithm, key.kid(), "at+jwt");
            let mut token = String::new();
            compact(&header, claims.to_string().as_bytes(), &key, &mut token).unwrap();
            tokens.insert(algorithm.name().to_owned(), token);
            if let Some(jwk) = key.public_jwk() {
                keys.insert(
                    algorithm.name().to_owned(),
                    serde_json::to_value(jwk).unwrap(),
                );
            }
        }
        Self {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            secret: SECRET.to_owned(),
            now,
            tokens,
            keys,
        }
    }
}
