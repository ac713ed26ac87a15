//! What is refused before or by the signature check costs no allocation of ours.

use allocation_counter::measure;
use serde_json::json;

use tollgate_verify::jose::{Compact, Limits, SigningKey, VerifyingKey};

use crate::issuers::two;
use crate::provider::{KEY, NOW, builder, good, sign_with, token, with};

/// What the library allocates inside its signature check of this token.
fn inside(token: &str, key: &SigningKey) -> u64 {
    let parsed = Compact::parse(token, &Limits::default()).unwrap();
    let key = VerifyingKey::from_jwk(&key.public_jwk().unwrap()).unwrap();
    let mut room = [0; 13_000];
    let info = measure(|| {
        let outcome = parsed.verify_in(&key, &mut room);
        std::hint::black_box(outcome.is_ok());
    });
    info.count_total
}

#[test]
fn refusals_up_to_the_signature_allocate_nothing() {
    let verifier = builder().build().unwrap();
    let long = token(&with("scope", json!("orders:read ".repeat(200))));
    let typed = sign_with(&KEY, "logout+jwt", good().to_string().as_bytes());
    let check = |token: &str, code: &str, expected: u64| {
        let info = measure(|| {
            assert_eq!(verifier.verify_at(token, NOW).unwrap_err().code(), code);
        });
        assert_eq!(info.count_total, expected, "{code}");
    };
    let inside = inside(&typed, &KEY);
    check("not a token", "malformed", 0);
    check(&format!("{long}="), "malformed", 0);
    check(&".".repeat(20_000), "too_large", 0);
    check(&typed, "token_type", inside);
    // As large as the usual limits let through.
    let large = token(&with("scope", json!("orders:read ".repeat(900))));
    let inside_large = crate::allocations::inside(&forged(&large), &KEY);
    check(&forged(&large), "signature", inside_large);
}

#[test]
fn finding_one_issuer_of_several_allocates_nothing() {
    let (verifier, other_key) = two();
    let check = |token: &str, code: &str, expected: u64| {
        let info = measure(|| {
            assert_eq!(verifier.verify_at(token, NOW).unwrap_err().code(), code);
        });
        assert_eq!(info.count_total, expected, "{code}");
    };
    for scope in [
        "orders:read ",
        &"orders:read ".repeat(200),
        &"orders:read ".repeat(900),
    ] {
        let own = token(&with("scope", json!(scope)));
        check(&forged(&own), "signature", inside(&forged(&own), &KEY));
        let stranger = json!({"scope": scope, "iss": "https://third.example"});
        check(&token(&stranger), "issuer", 0);
        let misled = sign_with(
            &other_key,
            "at+jwt",
            with("scope", json!(scope)).to_string().as_bytes(),
        );
        check(&misled, "key_not_found", 0);
    }
}

/// The token with another signature.
fn forged(token: &str) -> String {
    let (signed, _) = token.rsplit_once('.').unwrap();
    format!("{signed}.{}", "QUFB".repeat(21) + "QQ")
}
