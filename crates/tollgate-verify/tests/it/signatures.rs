//! Keys, algorithms and forged signatures.

use serde_json::json;
use tollgate_verify::jose::{Algorithm, JwkSet, SigningKey, VerifyingKey, compact};
use tollgate_verify::{Verifier, VerifierBuilder};

use crate::provider::{
    AUDIENCE, ISSUER, KEY, builder, changed, good, jwk_set, outcome, outcome_of, sign_with, token,
};

fn with_keys(keys: &serde_json::Value) -> VerifierBuilder<tollgate_verify::Ready> {
    let set = JwkSet::from_slice(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
    Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .jwk_set(&set)
}

fn payload() -> Vec<u8> {
    good().to_string().into_bytes()
}

#[test]
fn tokens_that_are_none() {
    let good = token(&good());
    let (head, rest) = good.split_once('.').unwrap();
    let check = |token: &str, expected: &str| {
        assert_eq!(outcome(token), expected, "{token:.100}");
    };
    check(&good, "ok");
    check("", "malformed");
    check("tgat_opaque", "malformed");
    check(&".".repeat(1 << 20), "too_large");
    check(&".".repeat(1 << 10), "malformed");
    check(&format!("{good}."), "malformed");
    check(&format!("{head}.{rest}.."), "malformed");
    check(&format!(" {good}"), "malformed");
    check(&format!("{good}\n"), "malformed");
    check(&format!("{good}="), "malformed");
    let header = |json: &str| {
        let mut token = String::new();
        // A header of any content, signed by the right key.
        let encoded =
            base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, json);
        compact(&encoded, &payload(), &KEY, &mut token).unwrap();
        token
    };
    let kid = KEY.kid();
    check(
        &header(&format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#)),
        "ok",
    );
    check(&header(r#"{"alg":"ES256"}"#), "ok");
    for none in ["none", "None", "nOnE", "NONE", ""] {
        check(
            &header(&format!(r#"{{"alg":"{none}"}}"#)),
            "unsupported_alg",
        );
    }
    check(
        &header(r#"{"alg":"ES256","crit":["exp"],"exp":1}"#),
        "critical_header",
    );
    check(&header(r#"{"alg":"ES256","crit":[]}"#), "critical_header");
    check(
        &header(r#"{"alg":"ES256","crit":"exp"}"#),
        "critical_header",
    );
    check(
        &header(r#"{"alg":"ES256","crit":["b64"],"b64":false}"#),
        "critical_header",
    );
    check(&header(r#"{"alg":"ES256","b64":false}"#), "critical_header");
    check(
        &header(r#"{"alg":"ES256","kid":"unknown"}"#),
        "key_not_found",
    );
    check(
        &header(r#"{"alg":"ES256","kid":"a","kid":"b"}"#),
        "malformed",
    );
    check(&header(r#"{"typ":"JWT"}"#), "malformed");
    check(&header(r#"{"alg":"ES384"}"#), "key_not_found");
    check(
        &header(&format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#)),
        "alg_not_allowed",
    );
    check(
        &header(&format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#)),
        "alg_not_allowed",
    );
}

#[test]
fn foreign_signatures() {
    let (_, foreign) = SigningKey::generate(Algorithm::ES256).unwrap();
    let kid = KEY.kid().to_owned();
    assert_eq!(
        outcome(&sign_with(&foreign, "at+jwt", &payload())),
        "key_not_found"
    );
    assert_eq!(
        outcome(&sign_with(&foreign.with_kid(&kid), "at+jwt", &payload())),
        "signature"
    );

    let good = token(&good());
    let (input, signature) = good.rsplit_once('.').unwrap();
    for forged in [
        "",
        "AA",
        &signature[..80],
        &"A".repeat(86),
        &format!("{signature}AAAA"),
    ] {
        assert_eq!(
            outcome(&format!("{input}.{forged}")),
            "signature",
            "{forged}"
        );
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let public = serde_json::to_vec(&KEY.public_jwk().unwrap()).unwrap();
    let forger = SigningKey::hmac(Algorithm::HS256, &public)
        .unwrap()
        .with_kid(KEY.kid());
    let forged = sign_with(&forger, "at+jwt", &payload());
    assert_eq!(outcome(&forged), "alg_not_allowed");
    // Even when the policy names HMAC, the key does not answer to it.
    assert_eq!(
        outcome_of(builder().algorithms([Algorithm::HS256]), &forged),
        "alg_not_allowed"
    );
}

#[test]
fn allow_lists_bind() {
    for alg in Algorithm::ALL {
        if alg.is_symmetric() {
            continue;
        }
        let (_, key) = SigningKey::generate(alg).unwrap();
        let signed = sign_with(&key, "at+jwt", &payload());
        let builder = || {
            Verifier::builder()
                .issuer(ISSUER)
                .audience(AUDIENCE)
                .jwk_set(&jwk_set(&[&key]))
        };
        assert_eq!(outcome_of(builder(), &signed), "ok", "{alg}");
        assert_eq!(
            outcome_of(builder().algorithms([alg]), &signed),
            "ok",
            "{alg}"
        );
        let others = Algorithm::ALL
            .into_iter()
            .filter(|&a| a != alg && !a.is_symmetric());
        assert_eq!(
            outcome_of(builder().algorithms(others), &signed),
            "alg_not_allowed",
            "{alg}"
        );
    }
}

#[test]
fn shared_secrets_have_to_be_asked_for() {
    let key = SigningKey::hmac(Algorithm::HS256, &[9; 32]).unwrap();
    let signed = sign_with(&key, "at+jwt", &payload());
    let builder = || {
        let secret = VerifyingKey::hmac(Algorithm::HS256, &[9; 32]).unwrap();
        Verifier::builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .keys([secret])
    };
    assert_eq!(outcome_of(builder(), &signed), "alg_not_allowed");
    assert_eq!(
        outcome_of(builder().algorithms([Algorithm::HS256]), &signed),
        "ok"
    );
    assert_eq!(
        outcome_of(builder().algorithms([Algorithm::HS384]), &signed),
        "alg_not_allowed"
    );
}

#[test]
fn weak_and_misused_keys() {
    let (_, rsa) = SigningKey::generate(Algorithm::RS256).unwrap();
    let jwk = rsa.public_jwk().unwrap();
    let signed = sign_with(&rsa, "at+jwt", &payload());
    let check = |change: &dyn Fn(&mut serde_json::Value), expected: &str| {
        assert_eq!(
            outcome_of(with_keys(&json!([changed(&jwk, change)])), &signed),
            expected
        );
    };
    check(&|_| {}, "ok");
    check(&|jwk| jwk["e"] = json!("AQ"), "weak_key");
    check(
        &|jwk| jwk["n"] = json!(&jwk["n"].as_str().unwrap()[..172]),
        "weak_key",
    );
    check(&|jwk| jwk["use"] = json!("enc"), "key_not_found");
    check(&|jwk| jwk["alg"] = json!("RS384"), "alg_not_allowed");
    check(&|jwk| jwk["alg"] = json!("ES256"), "key_not_found");
    check(&|jwk| jwk["kid"] = json!("other"), "key_not_found");
    let twins = json!([
        changed(&jwk, |_| {}),
        changed(&KEY.public_jwk().unwrap(), |key| {
            key["kid"] = json!(rsa.kid());
        })
    ]);
    assert_eq!(outcome_of(with_keys(&twins), &signed), "ok");
    assert_eq!(outcome_of(with_keys(&json!([])), &signed), "key_not_found");
}

#[test]
fn keys_that_a_token_brings_along_are_ignored() {
    let (_, attacker) = SigningKey::generate(Algorithm::ES256).unwrap();
    let jwk = serde_json::to_string(&attacker.public_jwk().unwrap()).unwrap();
    let header = format!(
        r#"{{"alg":"ES256","jwk":{jwk},"jku":"https://evil.example/","x5c":["AA"],"x5u":"https://evil.example/"}}"#
    );
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header);
    let mut token = String::new();
    compact(&encoded, &payload(), &attacker, &mut token).unwrap();
    assert_eq!(outcome(&token), "signature");
}

#[test]
fn verifier_debug_shows_no_secret() {
    let key = VerifyingKey::hmac(Algorithm::HS256, b"0123456789abcdef0123456789abcdef").unwrap();
    let builder = Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .keys([key]);
    let shown = format!("{builder:?}") + &format!("{:?}", builder.build().unwrap());
    assert!(
        !shown.contains("0123") && !shown.contains("48, 49"),
        "{shown}"
    );
}
