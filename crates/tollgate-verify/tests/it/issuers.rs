//! Several issuers: each has its own keys, and none vouches for another.

use serde_json::json;
use tollgate_verify::Verifier;
use tollgate_verify::jose::{Algorithm, SigningKey};

use crate::provider::{AUDIENCE, ISSUER, KEY, NOW, jwk_set, sign_with, with};

#[test]
fn tokens_are_checked_with_their_own_issuers_keys() {
    let other = "https://other.example";
    let (_, other_key) = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let verifier = Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .jwk_set(&jwk_set(&[&KEY]))
        .or_issuer(other, &jwk_set(&[&other_key]))
        .build()
        .unwrap();
    let check = |iss: serde_json::Value, key: &SigningKey, expected: Result<&str, &str>| {
        let token = sign_with(
            key,
            "at+jwt",
            with("iss", iss.clone()).to_string().as_bytes(),
        );
        let outcome = verifier.verify_at(&token, NOW);
        let outcome = outcome.as_ref().map(|token| token.issuer().unwrap());
        assert_eq!(
            outcome.map_err(tollgate_verify::Error::code),
            expected,
            "{iss}"
        );
    };
    check(json!(ISSUER), &KEY, Ok(ISSUER));
    check(json!(other), &other_key, Ok(other));
    check(json!(other), &KEY, Err("key_not_found"));
    check(json!(ISSUER), &other_key, Err("key_not_found"));
    check(json!("https://third.example"), &KEY, Err("issuer"));
    check(json!(format!("{other}/")), &other_key, Err("issuer"));
    check(json!(null), &KEY, Err("missing_claim"));
    check(json!(5), &KEY, Err("invalid_claim"));
}
