//! ID tokens have an entry point of their own.

use serde_json::{Value, json};
use tollgate_verify::Verifier;

use crate::provider::{ISSUER, KEY, NOW, jwk_set, sign_with};

fn claims(changes: &Value) -> Vec<u8> {
    let mut claims = json!({
        "iss": ISSUER, "aud": "web", "sub": "alice", "nonce": "n1",
        "iat": NOW.0 - 10, "exp": NOW.0 + 300,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone()),
        };
    }
    claims.to_string().into_bytes()
}

#[test]
fn nonce_and_authorized_party_are_checked() {
    let verifier = Verifier::builder()
        .issuer(ISSUER)
        .audience("web")
        .jwk_set(&jwk_set(&[&KEY]));
    let verifier = verifier.build().unwrap();
    let check = |typ: &str, changes: Value, expected: &str| {
        let token = sign_with(&KEY, typ, &claims(&changes));
        let outcome = verifier.verify_id_token_at(&token, "n1", NOW);
        let outcome = outcome
            .as_ref()
            .map_or_else(tollgate_verify::Error::code, |_| "ok");
        assert_eq!(outcome, expected, "{typ} {changes}");
    };
    check("JWT", json!({}), "ok");
    check("", json!({}), "ok");
    check("at+jwt", json!({}), "token_type");
    check("JWT", json!({"nonce": "n2"}), "invalid_claim");
    check("JWT", json!({"nonce": null}), "missing_claim");
    check("JWT", json!({"sub": null}), "missing_claim");
    check("JWT", json!({"azp": "web"}), "ok");
    check("JWT", json!({"azp": "other"}), "invalid_claim");
    check("JWT", json!({"aud": ["web", "other"]}), "missing_claim");
    check("JWT", json!({"aud": ["web", "other"], "azp": "web"}), "ok");
    check("JWT", json!({"aud": ["web"]}), "ok");
    check("JWT", json!({"aud": "other"}), "audience");
    check("JWT", json!({"exp": NOW.0}), "expired");
    // A session that has lost its nonce matches nothing.
    let token = sign_with(&KEY, "JWT", &claims(&json!({"nonce": ""})));
    let outcome = verifier.verify_id_token_at(&token, "", NOW);
    assert_eq!(outcome.unwrap_err().code(), "invalid_claim");
}
