//! Keys that are taken and keys that are not.

use serde_json::{Value, json};
use tollgate_jose::{
    Algorithm, Jwk, JwkSet, JwkSetLimits, KeyError, KeySet, LookupError, SigningKey, VerifyingKey,
    Weakness,
};

fn key(jwk: &Value) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::from_jwk(&Jwk::from_slice(jwk.to_string().as_bytes())?)
}

fn public(alg: Algorithm) -> Value {
    let (_, key) = SigningKey::generate(alg).unwrap();
    serde_json::to_value(key.public_jwk().unwrap()).unwrap()
}

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

fn without(mut jwk: Value, member: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(member);
    jwk
}

#[test]
fn usage_binds() {
    let ec = || without(without(public(Algorithm::ES256), "use"), "alg");
    let check = |jwk: Value, expected: Option<KeyError>| {
        assert_eq!(key(&jwk).err(), expected, "{jwk}");
    };
    check(ec(), None);
    check(with(ec(), "use", json!("sig")), None);
    check(
        with(ec(), "use", json!("enc")),
        Some(KeyError::NotForSignatures),
    );
    check(with(ec(), "key_ops", json!(["verify"])), None);
    check(with(ec(), "key_ops", json!(["encrypt", "verify"])), None);
    check(
        with(ec(), "key_ops", json!(["sign"])),
        Some(KeyError::NotForSignatures),
    );
    check(
        with(ec(), "key_ops", json!([])),
        Some(KeyError::NotForSignatures),
    );
    check(with(ec(), "alg", json!("ES256")), None);
    check(with(ec(), "unknown", json!({"a": 1})), None);
    for alg in ["ES384", "RS256", "HS256", "none", "ES256K", ""] {
        check(
            with(ec(), "alg", json!(alg)),
            Some(KeyError::AlgorithmMismatch),
        );
    }
    check(
        with(ec(), "kty", json!("RSA")),
        Some(KeyError::MissingMember("n")),
    );
    check(
        with(ec(), "kty", json!("ec")),
        Some(KeyError::UnsupportedKeyType),
    );
    check(
        with(ec(), "crv", json!("secp256k1")),
        Some(KeyError::UnsupportedKeyType),
    );
    check(
        with(ec(), "crv", json!("P-384")),
        Some(KeyError::InvalidMember("x")),
    );
    check(
        with(ec(), "x", json!("AAAA")),
        Some(KeyError::InvalidMember("x")),
    );
    check(
        with(ec(), "y", json!("A".repeat(43))),
        Some(KeyError::Invalid),
    );
    check(without(ec(), "y"), Some(KeyError::MissingMember("y")));
    check(without(ec(), "kty"), Some(KeyError::Malformed));
    check(with(ec(), "kid", json!(1)), Some(KeyError::Malformed));
}

#[test]
fn ed25519_points_are_judged() {
    let check = |jwk: Value, expected: Option<KeyError>| {
        assert_eq!(key(&jwk).err(), expected, "{jwk}");
    };
    let okp = || public(Algorithm::EdDSA);
    check(okp(), None);
    check(with(okp(), "alg", json!("Ed25519")), None);
    check(
        with(okp(), "crv", json!("X25519")),
        Some(KeyError::UnsupportedKeyType),
    );
    check(
        with(okp(), "x", json!("AAAA")),
        Some(KeyError::InvalidMember("x")),
    );
    let small_order = "A".repeat(43);
    check(
        with(okp(), "x", json!(small_order)),
        Some(Weakness::SmallOrder.into()),
    );
}

#[test]
fn duplicate_members_of_a_key_are_refused() {
    let jwk = public(Algorithm::ES256)
        .to_string()
        .replacen('{', r#"{"crv":"P-256","#, 1);
    assert_eq!(
        Jwk::from_slice(jwk.as_bytes()).unwrap_err(),
        KeyError::Malformed
    );
}

#[test]
fn weak_rsa_keys_are_refused() {
    let rsa = public(Algorithm::RS256);
    let check = |jwk: Value, expected: Weakness| {
        assert_eq!(key(&jwk).err(), Some(expected.into()), "{jwk}");
    };
    assert!(key(&rsa).is_ok());
    for (e, name) in [
        ("AQ", "1"),
        ("Ag", "2"),
        ("AQAA", "65536"),
        ("AQAAAAAB", "2^40 + 1"),
    ] {
        assert_eq!(
            key(&with(rsa.clone(), "e", json!(e))).err(),
            Some(Weakness::RsaExponent.into()),
            "{name}"
        );
    }
    let n = rsa["n"].as_str().unwrap();
    check(
        with(rsa.clone(), "n", json!(&n[4..])),
        Weakness::RsaTooShort,
    );
    check(
        with(rsa.clone(), "n", json!("_".repeat(1368))),
        Weakness::RsaTooLong,
    );
    check(
        with(rsa.clone(), "n", json!("_".repeat(340) + "_g")),
        Weakness::RsaSmallFactor,
    );
    // All ones is divisible by three.
    check(
        with(rsa.clone(), "n", json!("_".repeat(340) + "_w")),
        Weakness::RsaSmallFactor,
    );
    let zero = with(rsa.clone(), "n", json!("AAAA"));
    assert_eq!(key(&zero).err(), Some(KeyError::InvalidMember("n")));
    let leading_zero = with(rsa.clone(), "e", json!("AAEAAQ"));
    let jwk = |value: &Value| Jwk::from_slice(value.to_string().as_bytes()).unwrap();
    assert_eq!(jwk(&leading_zero).thumbprint(), jwk(&rsa).thumbprint());
}

#[test]
fn an_unbound_rsa_key_serves_all_rsa_algorithms_and_a_bound_one_its_own() {
    let bound = public(Algorithm::PS256);
    let serves = |jwk: &Value| -> Vec<Algorithm> {
        let key = key(jwk).unwrap();
        Algorithm::ALL
            .into_iter()
            .filter(|&alg| key.allows(alg))
            .collect()
    };
    assert_eq!(serves(&bound), [Algorithm::PS256]);
    let all: Vec<_> = Algorithm::ALL
        .into_iter()
        .filter(|alg| alg.is_rsa())
        .collect();
    assert_eq!(serves(&without(bound, "alg")), all);
}

#[test]
fn shared_secrets_need_length() {
    let check = |alg: Algorithm, len: usize, expected: Option<KeyError>| {
        let secret = vec![1; len];
        assert_eq!(
            VerifyingKey::hmac(alg, &secret).err(),
            expected,
            "{alg} {len}"
        );
        assert_eq!(
            SigningKey::hmac(alg, &secret).err(),
            expected,
            "{alg} {len}"
        );
    };
    let short = Some(Weakness::HmacTooShort.into());
    check(Algorithm::HS256, 32, None);
    check(Algorithm::HS256, 31, short);
    check(Algorithm::HS256, 0, short);
    check(Algorithm::HS384, 47, short);
    check(Algorithm::HS512, 63, short);
    check(Algorithm::HS512, 64, None);
    check(Algorithm::RS256, 64, Some(KeyError::AlgorithmMismatch));
    let unbound = key(&json!({"kty": "oct", "k": "A".repeat(64)})).unwrap();
    assert!(unbound.allows(Algorithm::HS384) && !unbound.allows(Algorithm::HS512));
    let pem = b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n";
    let refused = Some(KeyError::SecretIsPublicKey);
    assert_eq!(VerifyingKey::hmac(Algorithm::HS256, pem).err(), refused);
    assert_eq!(SigningKey::hmac(Algorithm::HS256, pem).err(), refused);
}

#[test]
fn der_and_pem_give_the_same_keys_as_jwk() {
    const ED25519: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        -----END PUBLIC KEY-----\n";
    assert!(
        VerifyingKey::from_pem(ED25519)
            .unwrap()
            .allows(Algorithm::EdDSA)
    );
    for broken in [
        "",
        "-----BEGIN PUBLIC KEY-----",
        &ED25519.replace("PUBLIC", "PRIVATE"),
        &ED25519.replace("MCow", "MC!w"),
        &ED25519.replace("MCow", ""),
        &ED25519.replace("Ro=", ""),
    ] {
        assert!(VerifyingKey::from_pem(broken).is_err(), "{broken}");
    }
    for alg in [Algorithm::ES256, Algorithm::ES384, Algorithm::ES512] {
        let (pkcs8, signer) = SigningKey::generate(alg).unwrap();
        // PKCS #8 is no public key.
        assert!(
            VerifyingKey::from_spki_der(pkcs8.as_bytes()).is_err(),
            "{alg}"
        );
        drop(signer);
    }
}

#[test]
fn sets_are_read_leniently_within_bounds() {
    let good = public(Algorithm::ES256);
    let set = json!({"keys": [
        {"kty": "XYZ"}, {}, 5, null, {"kty": "EC", "crv": "P-256", "x": 5}, good,
        {"kty": "RSA", "n": "AAAA", "e": "AQAB", "kid": "zero"},
    ], "other": 1});
    let parsed = JwkSet::from_slice(set.to_string().as_bytes()).unwrap();
    assert_eq!(parsed.keys.len(), 1);
    let again: JwkSet = serde_json::from_value(serde_json::to_value(&parsed).unwrap()).unwrap();
    assert_eq!(again, parsed);

    for broken in [
        "",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[}"#,
        r#"{"keys":[],"keys":[]}"#,
    ] {
        assert_eq!(
            JwkSet::from_slice(broken.as_bytes()).err(),
            Some(KeyError::Malformed)
        );
    }
    let limits = JwkSetLimits {
        bytes_max: 1000,
        keys_max: 2,
    };
    let check = |json: &str, expected: Option<KeyError>| {
        let outcome = JwkSet::from_slice_within(json.as_bytes(), &limits);
        assert_eq!(outcome.err(), expected, "{json}");
    };
    check(r#"{"keys":[{},{}]}"#, None);
    check(r#"{"keys":[{},{},{}]}"#, Some(KeyError::TooLarge));
    check(
        &format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(1000)),
        Some(KeyError::TooLarge),
    );
}

#[test]
fn look_up_is_never_a_guess() {
    let one = with(public(Algorithm::ES256), "kid", json!("one"));
    let two = with(public(Algorithm::ES256), "kid", json!("two"));
    let rsa = with(public(Algorithm::RS256), "kid", json!("one"));
    let twin = with(public(Algorithm::ES256), "kid", json!("one"));
    let check = |keys: &[&Value], alg: Algorithm, kid: Option<&str>, expected: Result<&str, _>| {
        let set = JwkSet::from_slice(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        let (set, _) = KeySet::from_jwk_set(&set);
        let found = set.find(alg, kid).map(|key| key.kid().unwrap().to_owned());
        assert_eq!(
            found.as_deref(),
            expected.as_ref().copied(),
            "{alg} {kid:?}"
        );
    };
    let (es, rs) = (Algorithm::ES256, Algorithm::RS256);
    check(&[&one, &two], es, Some("two"), Ok("two"));
    check(&[&one, &two], es, Some("three"), Err(LookupError::NotFound));
    check(&[&one, &two], es, Some(""), Err(LookupError::NotFound));
    check(
        &[&one, &two],
        rs,
        Some("one"),
        Err(LookupError::AlgorithmNotAllowed),
    );
    check(&[&one, &two], es, None, Err(LookupError::NotFound));
    check(&[&one], es, None, Ok("one"));
    check(&[&one, &rsa], es, None, Ok("one"));
    check(&[&one, &rsa], es, Some("one"), Ok("one"));
    check(&[&one, &rsa], rs, Some("one"), Ok("one"));
    check(&[&one, &twin], es, Some("one"), Err(LookupError::Ambiguous));
    check(&[&one, &one], es, Some("one"), Ok("one"));
    check(&[], es, None, Err(LookupError::NotFound));
}

#[test]
fn refused_keys_are_reported() {
    let set = json!({"keys": [
        public(Algorithm::ES256),
        {"kty": "oct", "kid": "leaked", "k": "A".repeat(43)},
        with(public(Algorithm::EdDSA), "use", json!("enc")),
    ]});
    let set = JwkSet::from_slice(set.to_string().as_bytes()).unwrap();
    let (keys, refused) = KeySet::from_jwk_set(&set);
    assert_eq!(keys.keys().len(), 1);
    let causes: Vec<KeyError> = refused.into_iter().map(|(_, cause)| cause).collect();
    assert_eq!(
        causes,
        [KeyError::SecretIsPublic, KeyError::NotForSignatures]
    );
}
