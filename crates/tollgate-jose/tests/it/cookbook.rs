//! The examples of RFC 7520 (JOSE cookbook), RFC 7797 and RFC 8037, and of RFC 7638.

use serde::Deserialize;
use tollgate_jose::{
    Algorithm, Compact, Detached, Jwk, Limits, ParseError, SigningKey, VerifyError, VerifyingKey,
};

use crate::wycheproof_jose::vectors;

#[derive(Deserialize)]
struct Example {
    input: Input,
    output: Output,
}

#[derive(Deserialize)]
struct Input {
    payload: String,
    key: serde_json::Value,
    alg: String,
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    compact: String,
    json_flat: Flattened,
}

#[derive(Deserialize)]
struct Flattened {
    protected: String,
    signature: String,
}

fn example(path: &str) -> Option<(Example, VerifyingKey)> {
    let example: Example = serde_json::from_slice(&std::fs::read(vectors(path)?).unwrap()).unwrap();
    let jwk = Jwk::from_slice(example.input.key.to_string().as_bytes()).unwrap();
    let key = VerifyingKey::from_jwk(&jwk).unwrap();
    Some((example, key))
}

#[test]
fn compact_examples_verify() {
    let check = |path: &str| {
        let Some((example, key)) = example(path) else {
            return;
        };
        let token = Compact::parse(&example.output.compact, &Limits::default()).unwrap();
        assert_eq!(
            token.header().algorithm().name(),
            example.input.alg,
            "{path}"
        );
        let payload = token.verify(&key).unwrap();
        assert_eq!(
            payload.as_bytes(),
            example.input.payload.as_bytes(),
            "{path}"
        );
    };
    check("rfc7520/jws/4_1.rsa_v15_signature.json");
    check("rfc7520/jws/4_2.rsa-pss_signature.json");
    check("rfc7520/jws/4_3.ecdsa_signature.json");
    check("rfc7520/jws/4_4.hmac-sha2_integrity_protection.json");
    check("rfc7520/curve25519/jws.json");
}

#[test]
fn detached_and_unencoded_examples_verify() {
    let check = |path: &str| {
        let Some((example, key)) = example(path) else {
            return;
        };
        let Flattened {
            protected,
            signature,
        } = example.output.json_flat;
        let token = format!("{protected}..{signature}");
        let payload = example.input.payload;
        let detached = Detached::parse(&token, &Limits::default()).unwrap();
        detached.verify(&key, payload.as_bytes()).unwrap();
        let outcome = detached.verify(&key, format!("{payload}!").as_bytes());
        assert_eq!(outcome, Err(VerifyError::Signature), "{path}");
    };
    check("rfc7520/jws/4_5.signature_with_detached_content.json");
    check("rfc7520/rfc7797/hmac-sha2_b64_false.json");

    // The file leaves out the `crit` that RFC 7797 §4.2 itself shows and §6 demands.
    let Some((example, _)) = example("rfc7520/rfc7797/4.2.hmac-sha2_b64_false.json") else {
        return;
    };
    let Flattened {
        protected,
        signature,
    } = example.output.json_flat;
    let token = format!("{protected}..{signature}");
    let outcome = Detached::parse(&token, &Limits::default());
    assert_eq!(outcome.unwrap_err(), ParseError::CriticalHeader);
}

#[test]
fn key_examples_read_and_lose_their_private_members() {
    let check = |path: &str, key_type: &str, is_signature_key: bool| {
        let Some(path) = vectors(path) else { return };
        let jwk = Jwk::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(jwk.key_type(), key_type);
        assert_eq!(
            VerifyingKey::from_jwk(&jwk).is_ok(),
            is_signature_key,
            "{}",
            path.display()
        );
        let written = serde_json::to_value(&jwk).unwrap();
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(
                written.get(private).is_none(),
                "{private} in {}",
                path.display()
            );
        }
    };
    check("rfc7520/jwk/3_1.ec_public_key.json", "EC", true);
    check("rfc7520/jwk/3_2.ec_private_key.json", "EC", true);
    check("rfc7520/jwk/3_3.rsa_public_key.json", "RSA", true);
    check("rfc7520/jwk/3_4.rsa_private_key.json", "RSA", true);
    check(
        "rfc7520/jwk/3_5.symmetric_key_mac_computation.json",
        "oct",
        true,
    );
    check(
        "rfc7520/jwk/3_6.symmetric_key_encryption.json",
        "oct",
        false,
    );
}

#[test]
fn hmac_example_is_reproduced() {
    let Some((example, _)) = example("rfc7520/jws/4_4.hmac-sha2_integrity_protection.json") else {
        return;
    };
    let token = Compact::parse(&example.output.compact, &Limits::default()).unwrap();
    let mut secret = Vec::new();
    let encoded = example.input.key["k"].as_str().unwrap();
    base64::Engine::decode_vec(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        encoded,
        &mut secret,
    )
    .unwrap();
    let key = SigningKey::hmac(Algorithm::HS256, &secret).unwrap();
    let mut signed = token.signing_input().to_vec();
    signed.push(b'.');
    key.sign(token.signing_input(), &mut signed).unwrap();
    assert_eq!(signed, example.output.compact.as_bytes());
}

#[test]
fn thumbprint_of_rfc_7638_section_3_1() {
    let jwk = Jwk::from_slice(
        br#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#,
    )
    .unwrap();
    let expected = [
        55, 54, 203, 177, 120, 124, 184, 48, 156, 119, 238, 140, 55, 5, 197, 225, 111, 251, 158,
        133, 151, 21, 144, 31, 30, 76, 89, 177, 17, 130, 245, 123,
    ];
    assert_eq!(jwk.thumbprint(), expected);
    assert_eq!(jwk.kid(), Some("2011-04-29"));
}
