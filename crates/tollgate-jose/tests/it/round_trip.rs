//! What one key signs, its public half verifies, and nothing else does.

use std::sync::LazyLock;

use proptest::prelude::*;
use tollgate_jose::{
    Algorithm, Compact, Limits, Pkcs8, RsaBits, SigningKey, VerifyError, VerifyingKey, compact,
    encode_header,
};

/// Shared by the tests, since making RSA keys takes long.
static KEYS: LazyLock<Vec<(SigningKey, VerifyingKey)>> =
    LazyLock::new(|| Algorithm::ALL.into_iter().map(key_pair).collect());

fn key_pair(alg: Algorithm) -> (SigningKey, VerifyingKey) {
    if alg.is_symmetric() {
        let secret = [7; 64];
        let key = SigningKey::hmac(alg, &secret).unwrap().with_kid("shared");
        return (
            key,
            VerifyingKey::hmac(alg, &secret).unwrap().with_kid("shared"),
        );
    }
    let (_, key) = SigningKey::generate(alg).unwrap();
    let public = key.public_jwk().unwrap();
    let wire = serde_json::to_vec(&public).unwrap();
    let parsed = tollgate_jose::Jwk::from_slice(&wire).unwrap();
    assert_eq!(parsed, public);
    (key, VerifyingKey::from_jwk(&parsed).unwrap())
}

fn sign(key: &SigningKey, payload: &[u8]) -> String {
    let mut token = String::from("kept ");
    let header = encode_header(key.algorithm(), key.kid(), "at+jwt");
    compact(&header, payload, key, &mut token).unwrap();
    token.strip_prefix("kept ").unwrap().to_owned()
}

#[test]
fn every_algorithm_verifies_its_own_and_no_other() {
    for (signer, _) in KEYS.iter() {
        let token = sign(signer, b"{}");
        let parsed = Compact::parse(&token, &Limits::default()).unwrap();
        assert_eq!(parsed.header().algorithm(), signer.algorithm());
        assert_eq!(parsed.header().kid(), Some(signer.kid()));
        assert!(parsed.header().is_typ("application/AT+jwt"));
        for (owner, verifier) in KEYS.iter() {
            let outcome = parsed.verify(verifier);
            if owner.algorithm() == signer.algorithm() {
                assert_eq!(outcome.unwrap().as_bytes(), b"{}");
            } else {
                let expected = VerifyError::AlgorithmNotAllowed(signer.algorithm());
                assert_eq!(outcome.unwrap_err(), expected);
            }
        }
    }
}

#[test]
fn another_key_of_the_same_kind_refuses() {
    for alg in [
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::ES512,
        Algorithm::EdDSA,
    ] {
        let (signer, _) = key_pair(alg);
        let (_, other) = key_pair(alg);
        let token = sign(&signer, b"{}");
        let parsed = Compact::parse(&token, &Limits::default()).unwrap();
        assert_eq!(
            parsed.verify(&other).unwrap_err(),
            VerifyError::Signature,
            "{alg}"
        );
    }
}

#[test]
fn signature_lengths_are_fixed() {
    let expected = [64, 96, 132, 64, 256, 256, 256, 256, 256, 256, 32, 48, 64];
    for ((key, _), len) in KEYS.iter().zip(expected) {
        let mut out = b"kept".to_vec();
        key.sign(b"input", &mut out).unwrap();
        assert_eq!(
            out.len() - 4,
            (len * 4_usize).div_ceil(3),
            "{}",
            key.algorithm()
        );
        assert!(out.starts_with(b"kept"));
    }
}

#[test]
fn private_keys_survive_storage() {
    for alg in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256] {
        let (pkcs8, key): (Pkcs8, _) = SigningKey::generate(alg).unwrap();
        let again = SigningKey::from_pkcs8(alg, pkcs8.as_bytes()).unwrap();
        assert_eq!(again.kid(), key.kid());
        assert_eq!(again.public_jwk(), key.public_jwk());
        assert!(SigningKey::from_pkcs8(Algorithm::ES384, pkcs8.as_bytes()).is_err());
        assert_eq!(format!("{pkcs8:?}"), "Pkcs8(redacted)");
    }
    assert!(SigningKey::generate(Algorithm::HS256).is_err());
    assert!(SigningKey::generate_rsa(Algorithm::ES256, RsaBits::Bits2048).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_payload_comes_back(payload in prop::collection::vec(any::<u8>(), 0..2048)) {
        for (signer, verifier) in KEYS.iter() {
            let token = sign(signer, &payload);
            let parsed = Compact::parse(&token, &Limits::default()).unwrap();
            let mut room = [0; 1024];
            let verified = parsed.verify_in(verifier, &mut room).unwrap();
            prop_assert_eq!(verified.as_bytes(), payload.as_slice());
        }
    }

    #[test]
    fn any_changed_byte_is_noticed(position in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        for (signer, verifier) in KEYS.iter() {
            let mut bytes = sign(signer, br#"{"sub":"alice"}"#).into_bytes();
            let at = position.index(bytes.len());
            bytes[at] ^= flip;
            let Ok(token) = String::from_utf8(bytes) else { continue };
            let accepted = Compact::parse(&token, &Limits::default())
                .is_ok_and(|parsed| parsed.verify(verifier).is_ok());
            prop_assert!(!accepted, "{}", token);
        }
    }
}
