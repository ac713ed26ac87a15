//! Several issuers: each has its own keys, and none vouches for another.

use serde_json::json;
use tollgate_verify::client::KeySource;
use tollgate_verify::jose::{Algorithm, SigningKey};
use tollgate_verify::{BuildError, Verifier};

use crate::provider::{AUDIENCE, ISSUER, KEY, NOW, good, jwk_set, sign_with, with};

const OTHER: &str = "https://other.example";

/// Two issuers, and the second one's key.
pub(crate) fn two() -> (Verifier, SigningKey) {
    let (_, other_key) = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let verifier = Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .jwk_set(&jwk_set(&[&KEY]))
        .or_issuer(OTHER, &jwk_set(&[&other_key]))
        .build()
        .unwrap();
    (verifier, other_key)
}

#[test]
fn tokens_are_checked_with_their_own_issuers_keys() {
    let (verifier, other_key) = two();
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
    check(json!(OTHER), &other_key, Ok(OTHER));
    check(json!(OTHER), &KEY, Err("key_not_found"));
    check(json!(ISSUER), &other_key, Err("key_not_found"));
    check(json!("https://third.example"), &KEY, Err("issuer"));
    check(json!(format!("{OTHER}/")), &other_key, Err("issuer"));
    check(json!(null), &KEY, Err("missing_claim"));
    check(json!(5), &KEY, Err("invalid_claim"));
}

#[test]
fn two_readings_of_the_issuer_are_refused_whoever_signs() {
    let (verifier, other_key) = two();
    let check = |payload: &str, expected: Result<&str, &str>| {
        for (key, own) in [(&*KEY, ISSUER), (&other_key, OTHER)] {
            let token = sign_with(key, "at+jwt", payload.as_bytes());
            let outcome = verifier.verify_at(&token, NOW);
            let outcome = outcome.as_ref().map(|token| token.issuer().unwrap());
            let outcome = outcome.map_err(tollgate_verify::Error::code);
            // Whose key it is that the first reading chooses is another matter.
            let is_expected = outcome == expected || outcome == Err("key_not_found");
            assert!(is_expected, "{own} {payload:.200}: {outcome:?}");
            assert!(
                outcome.is_err() || outcome == Ok(own),
                "{own} {payload:.200}"
            );
        }
    };
    let rest = |first: &str| good().to_string().replacen('{', first, 1);
    check(&rest(&format!(r#"{{"iss":"{OTHER}","#)), Err("malformed"));
    check(
        &with("iss", json!(OTHER))
            .to_string()
            .replacen('{', &format!(r#"{{"iss":"{ISSUER}","#), 1),
        Err("malformed"),
    );
    check(
        &rest(r#"{"\u0069ss":"https://other.example","#),
        Err("malformed"),
    );
    // The same name in other letters is the same name, and one inside another object is another.
    let escaped = with("iss", json!(null)).to_string();
    let escaped = escaped.replacen('{', r#"{"\u0069ss":"https:\/\/other.example","#, 1);
    check(&escaped, Ok(OTHER));
    check(
        &rest(&format!(r#"{{"act":{{"iss":"{OTHER}"}},"#)),
        Ok(ISSUER),
    );
    check(
        &format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)),
        Err("malformed"),
    );
}

#[test]
fn a_source_vouches_for_its_own_issuer_alone() {
    let own = || KeySource::discovery(ISSUER).build();
    let build = |first: &KeySource, second: &KeySource| {
        let builder = Verifier::builder().issuer(ISSUER).audience(AUDIENCE);
        let built = builder.key_source(first).or_issuer_with(OTHER, second);
        built.build().map(|_| ())
    };
    let others = KeySource::metadata_url(OTHER, "https://other.example/metadata").build();
    let unnamed = KeySource::jwks_url("https://keys.example/jwks").build();
    let mixed_up = Err(BuildError::OtherIssuer);
    assert_eq!(build(&own(), &others), Ok(()));
    assert_eq!(build(&unnamed, &unnamed), Ok(()));
    assert_eq!(build(&own(), &own()), mixed_up);
    assert_eq!(build(&others, &own()), mixed_up);
    let slash = KeySource::discovery("https://other.example/").build();
    assert_eq!(build(&own(), &slash), mixed_up);
}
