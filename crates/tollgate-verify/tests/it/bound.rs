//! Tokens bound to a key, and what proves possession of it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_verify::jose::{Algorithm, SigningKey, compact, sha256_base64url};
use tollgate_verify::{
    BuildError, DpopSettings, Error, Presented, Proof, ProofError, UnixSeconds, VerifiedToken,
    Verifier,
};

use crate::provider::{NOW, builder, good, token, with};

static CLIENT: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::ES256).unwrap().1);
const URL: &str = "https://orders.example/orders/1";
const CERTIFICATE: &[u8] = b"not really DER, but hashed all the same";

fn verifier() -> Verifier {
    builder().build().unwrap()
}

fn bound_token() -> String {
    let jkt = CLIENT.public_jwk().unwrap().thumbprint_base64url();
    token(&with("cnf", json!({ "jkt": jkt })))
}

fn header() -> Value {
    json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": CLIENT.public_jwk().unwrap()})
}

fn claims(token: &str) -> Value {
    json!({
        "jti": "p1", "htm": "GET", "htu": URL, "iat": NOW.0,
        "ath": sha256_base64url(token.as_bytes()),
    })
}

fn sign(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let header = base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        header.to_string(),
    );
    let mut proof = String::new();
    compact(&header, claims.to_string().as_bytes(), key, &mut proof).unwrap();
    proof
}

fn good_proof(token: &str) -> String {
    sign(&header(), &claims(token), &CLIENT)
}

fn changed(mut object: Value, member: &str, value: Value) -> Value {
    if value.is_null() {
        object.as_object_mut().unwrap().remove(member);
    } else {
        object[member] = value;
    }
    object
}

fn present(verifier: &Verifier, token: &str, proof: &str, now: UnixSeconds) -> Result<(), Error> {
    let proof = Some(Proof {
        jwt: proof,
        method: "GET",
        url: URL,
    });
    let presented = Presented {
        proof,
        ..Presented::default()
    };
    verifier.verify_bound_at(token, &presented, now).map(|_| ())
}

#[test]
fn a_good_proof_is_accepted_once() {
    let (verifier, token) = (verifier(), bound_token());
    let proof = good_proof(&token);
    assert_eq!(present(&verifier, &token, &proof, NOW), Ok(()));
    let replayed = Err(Error::Proof(ProofError::Replayed));
    assert_eq!(present(&verifier, &token, &proof, NOW), replayed);
    assert_eq!(
        present(&verifier, &token, &proof, UnixSeconds(NOW.0 + 60)),
        replayed
    );
    assert_eq!(Error::Proof(ProofError::Replayed).code(), "key_binding");
}

#[test]
fn proofs_are_judged() {
    let token = bound_token();
    let check = |header: Value, claims: Value, expected: Option<ProofError>| {
        let proof = sign(&header, &claims, &CLIENT);
        let outcome = present(&verifier(), &token, &proof, NOW);
        assert_eq!(
            outcome.err(),
            expected.map(Error::Proof),
            "{header} {claims}"
        );
    };
    let claim = |name: &str, value: Value, expected: Option<ProofError>| {
        check(header(), changed(claims(&token), name, value), expected);
    };
    claim("jti", json!("p2"), None);
    claim("jti", json!(null), Some(ProofError::Malformed));
    claim("jti", json!(""), Some(ProofError::Malformed));
    claim("jti", json!("x".repeat(513)), Some(ProofError::Malformed));
    claim("htm", json!("POST"), Some(ProofError::Request));
    claim("htm", json!("get"), Some(ProofError::Request));
    claim("htm", json!(null), Some(ProofError::Malformed));
    claim(
        "htu",
        json!("HTTPS://Orders.example:443/orders/1?page=2"),
        None,
    );
    claim(
        "htu",
        json!("https://orders.example/orders/2"),
        Some(ProofError::Request),
    );
    claim(
        "htu",
        json!("https://evil.example/orders/1"),
        Some(ProofError::Request),
    );
    claim("htu", json!("orders/1"), Some(ProofError::Malformed));
    claim("iat", json!(NOW.0 - 60), None);
    claim("iat", json!(NOW.0 - 61), Some(ProofError::Time));
    claim("iat", json!(NOW.0 + 10), None);
    claim("iat", json!(NOW.0 + 11), Some(ProofError::Time));
    claim("iat", json!(NOW.0.to_string()), Some(ProofError::Malformed));
    claim("ath", json!(null), Some(ProofError::Token));
    claim(
        "ath",
        json!(sha256_base64url(b"another token")),
        Some(ProofError::Token),
    );

    let head = |name: &str, value: Value, expected: Option<ProofError>| {
        check(changed(header(), name, value), claims(&token), expected);
    };
    head("typ", json!("JWT"), Some(ProofError::Type));
    head("typ", json!(null), Some(ProofError::Type));
    head("alg", json!("none"), Some(ProofError::Malformed));
    head("alg", json!("HS256"), Some(ProofError::Algorithm));
    head("alg", json!("EdDSA"), Some(ProofError::Signature));
    head("jwk", json!(null), Some(ProofError::Key));
    head(
        "jwk",
        json!({"kty": "oct", "k": "A".repeat(43)}),
        Some(ProofError::Key),
    );
    let private = changed(header()["jwk"].clone(), "d", json!("AAAA"));
    head("jwk", private, Some(ProofError::Key));
    let (_, other) = SigningKey::generate(Algorithm::ES256).unwrap();
    head(
        "jwk",
        json!(other.public_jwk().unwrap()),
        Some(ProofError::Signature),
    );
}

#[test]
fn a_proof_by_another_key_does_not_count() {
    let (_, thief) = SigningKey::generate(Algorithm::ES256).unwrap();
    let token = bound_token();
    let header = changed(header(), "jwk", json!(thief.public_jwk().unwrap()));
    let proof = sign(&header, &claims(&token), &thief);
    let outcome = present(&verifier(), &token, &proof, NOW);
    assert_eq!(outcome, Err(Error::Proof(ProofError::Binding)));
}

#[test]
fn what_is_bound_needs_all_of_it() {
    let jkt = CLIENT.public_jwk().unwrap().thumbprint_base64url();
    let x5t = sha256_base64url(CERTIFICATE);
    let both = json!({"jkt": jkt, "x5t#S256": x5t});
    let check = |cnf: Value, has_proof: bool, certificate: Option<&[u8]>, expected: &str| {
        let token = token(&changed(good(), "cnf", cnf.clone()));
        let jwt = good_proof(&token);
        let proof = has_proof.then_some(Proof {
            jwt: &jwt,
            method: "GET",
            url: URL,
        });
        let presented = Presented { proof, certificate };
        let outcome = verifier().verify_bound_at(&token, &presented, NOW);
        let outcome = outcome.as_ref().map_or_else(Error::code, |_| "ok");
        assert_eq!(outcome, expected, "{cnf} {has_proof} {certificate:?}");
    };
    let other: &[u8] = b"another";
    check(json!({ "jkt": jkt }), true, None, "ok");
    check(json!({ "jkt": jkt }), false, None, "key_binding");
    check(
        json!({ "jkt": jkt }),
        false,
        Some(CERTIFICATE),
        "key_binding",
    );
    check(json!({ "x5t#S256": x5t }), false, Some(CERTIFICATE), "ok");
    check(
        json!({ "x5t#S256": x5t }),
        false,
        Some(other),
        "key_binding",
    );
    check(json!({ "x5t#S256": x5t }), true, None, "key_binding");
    // A proof by whatever key adds nothing to a token that is bound to a certificate alone.
    check(
        json!({ "x5t#S256": x5t }),
        true,
        Some(CERTIFICATE),
        "key_binding",
    );
    check(both.clone(), true, Some(CERTIFICATE), "ok");
    check(both.clone(), true, None, "key_binding");
    check(both, false, Some(CERTIFICATE), "key_binding");
    check(json!({}), true, Some(CERTIFICATE), "key_binding");
    check(json!({"jkt": jkt, "jwe": "x"}), true, None, "key_binding");
    // Not bound: a bearer token, which a proof does not fit.
    check(json!(null), false, None, "ok");
    check(json!(null), false, Some(CERTIFICATE), "ok");
    check(json!(null), true, None, "key_binding");
}

/// A verifier that remembers so many proofs, and whether one of a number is accepted at a time.
fn remembering(proofs_max: usize) -> impl Fn(u64, u64) -> Result<(), Error> {
    let mut settings = DpopSettings::default();
    settings.proofs_max = proofs_max;
    let verifier = builder().dpop(settings).build().unwrap();
    let token = bound_token();
    move |id: u64, seconds: u64| {
        let claims = changed(claims(&token), "jti", json!(id.to_string()));
        // Each has its number for its time as well, so that it can be shown again later.
        let claims = changed(claims, "iat", json!(NOW.0 + id));
        let proof = sign(&header(), &claims, &CLIENT);
        present(&verifier, &token, &proof, UnixSeconds(NOW.0 + seconds))
    }
}

#[test]
fn the_memory_of_proofs_is_bounded_and_refuses_when_full() {
    let at = remembering(2);
    let full = Err(Error::Proof(ProofError::StoreFull));
    assert_eq!(at(0, 0), Ok(()));
    assert_eq!(at(1, 1), Ok(()));
    assert_eq!(at(2, 2), full);
    assert_eq!(at(60, 60), full);
    // As soon as nobody can use a proof any more, it makes room.
    assert_eq!(at(61, 61), Ok(()));
    assert_eq!(at(59, 61), full);
    assert_eq!(at(62, 62), Ok(()));
    // Three quarters for one key: what fits those within a life time is never too much.
    let at = remembering(84);
    for second in 0..300 {
        assert_eq!(at(second, second), Ok(()), "{second}");
    }
}

#[test]
fn a_refused_token_leaves_no_proof_behind() {
    let mut settings = DpopSettings::default();
    settings.proofs_max = 1;
    let verifier = builder().dpop(settings).build().unwrap();
    let expired = token(&changed(
        with("exp", json!(NOW.0)),
        "cnf",
        json!({"jkt": CLIENT.public_jwk().unwrap().thumbprint_base64url()}),
    ));
    let refused = present(&verifier, &expired, &good_proof(&expired), NOW);
    assert_eq!(refused, Err(Error::Expired));
    let token = bound_token();
    assert_eq!(present(&verifier, &token, &good_proof(&token), NOW), Ok(()));
}

#[test]
fn one_key_cannot_take_the_whole_memory() {
    let mut settings = DpopSettings::default();
    settings.proofs_max = 8;
    let verifier = builder().dpop(settings).build().unwrap();
    let (_, other) = SigningKey::generate(Algorithm::ES256).unwrap();
    let show = |key: &SigningKey, id: u64| {
        let jwk = key.public_jwk().unwrap();
        let token = token(&with("cnf", json!({"jkt": jwk.thumbprint_base64url()})));
        let claims = changed(claims(&token), "jti", json!(id.to_string()));
        let header = changed(header(), "jwk", json!(jwk));
        present(&verifier, &token, &sign(&header, &claims, key), NOW)
    };
    let full = Err(Error::Proof(ProofError::StoreFull));
    for id in 0..6 {
        assert_eq!(show(&CLIENT, id), Ok(()), "{id}");
    }
    assert_eq!(show(&CLIENT, 6), full);
    assert_eq!(show(&other, 0), Ok(()));
    assert_eq!(show(&other, 1), Ok(()));
    assert_eq!(show(&other, 2), full);
}

#[test]
fn a_clock_that_steps_forgets_no_proof_and_stops_no_service() {
    let at = remembering(3);
    let (replayed, late) = (
        Error::Proof(ProofError::Replayed),
        Error::Proof(ProofError::Time),
    );
    assert_eq!(at(0, 0), Ok(()));
    // Minutes ahead, where the first proof is out of date, and back.
    assert_eq!(at(250, 250), Ok(()));
    assert_eq!(at(0, 1), Err(late));
    // What is fresh counts, and makes room again when it has run out.
    assert_eq!(at(1, 1), Ok(()));
    assert_eq!(at(2, 2), Ok(()));
    assert_eq!(at(3, 3), Err(Error::Proof(ProofError::StoreFull)));
    assert_eq!(at(100, 100), Ok(()));
    assert_eq!(at(100, 101), Err(replayed.clone()));
    assert_eq!(at(250, 250), Err(replayed));
}

#[test]
fn a_replay_is_noticed_whenever_the_proof_still_counts() {
    // Whatever the moment at which the memory lets its older half go.
    for start in [0, 1, 35, 60, 69, 70, 71, 100] {
        let (verifier, token) = (verifier(), bound_token());
        let at = |id: &str, iat: u64, now: u64| {
            let claims = changed(claims(&token), "jti", json!(id));
            let claims = changed(claims, "iat", json!(NOW.0 + iat));
            present(
                &verifier,
                &token,
                &sign(&header(), &claims, &CLIENT),
                UnixSeconds(NOW.0 + now),
            )
        };
        assert_eq!(at("first", 0, 0), Ok(()));
        assert_eq!(at("proof", start + 10, start), Ok(()));
        for now in start..=start + 70 {
            let id = format!("other {now}");
            assert_eq!(at(&id, now, now), Ok(()), "{start} {now}");
            let replayed = Err(Error::Proof(ProofError::Replayed));
            assert_eq!(at("proof", start + 10, now), replayed, "{start} {now}");
        }
    }
}

#[test]
fn nonces_are_demanded_when_configured() {
    let mut settings = DpopSettings::default();
    settings.nonce_secret = Some(vec![5; 32].into());
    settings.age_max = Duration::from_secs(60);
    let verifier = builder().dpop(settings.clone()).build().unwrap();
    let token = bound_token();
    let nonce = verifier.dpop_nonce_at(NOW).unwrap();
    let check = |nonce: Value, seconds: u64, expected: Option<ProofError>| {
        let now = UnixSeconds(NOW.0 + seconds);
        let claims = changed(claims(&token), "jti", json!(format!("{nonce}{seconds}")));
        let claims = changed(changed(claims, "iat", json!(now.0)), "nonce", nonce);
        let outcome = present(&verifier, &token, &sign(&header(), &claims, &CLIENT), now);
        assert_eq!(outcome.err(), expected.map(Error::Proof), "{claims}");
    };
    check(json!(nonce), 0, None);
    check(json!(nonce), 60, None);
    check(json!(nonce), 120, Some(ProofError::Nonce));
    check(json!(null), 0, Some(ProofError::Nonce));
    check(json!("guess"), 0, Some(ProofError::Nonce));
    assert_eq!(self::verifier().dpop_nonce_at(NOW), None);
    settings.nonce_secret = Some(vec![5; 31].into());
    assert_eq!(
        builder().dpop(settings).build().unwrap_err(),
        BuildError::NonceSecret
    );
}

#[tokio::test]
async fn batches_carry_their_proofs() {
    let clock = Arc::new(crate::client::fake::HandClock::default());
    let build = || builder().clock(Arc::clone(&clock) as _).build().unwrap();
    let (bound, other) = (bound_token(), bound_token());
    let jwt = good_proof(&bound);
    let proof = Proof {
        jwt: &jwt,
        method: "GET",
        url: URL,
    };
    let presented = Presented {
        proof: Some(proof),
        ..Presented::default()
    };
    let by_certificate = token(&with(
        "cnf",
        json!({"x5t#S256": sha256_base64url(CERTIFICATE)}),
    ));
    let certificate = Presented {
        certificate: Some(CERTIFICATE),
        ..Presented::default()
    };
    let plain = token(&good());
    let mut batch = vec![
        (bound.as_str(), presented),
        (bound.as_str(), Presented::default()),
        (other.as_str(), presented),
        (by_certificate.as_str(), certificate),
        (plain.as_str(), Presented::default()),
        ("bad", Presented::default()),
        (bound.as_str(), presented),
    ];
    // Enough of them for more than one thread.
    batch.extend(std::iter::repeat_n(
        (plain.as_str(), Presented::default()),
        60,
    ));
    let check = |results: Vec<Result<VerifiedToken, Error>>| {
        let codes: Vec<&str> = results
            .iter()
            .map(|result| result.as_ref().map_or_else(Error::code, |_| "ok"))
            .collect();
        let refused = "key_binding";
        // A proof counts for the token that it was made for, and once.
        assert_eq!(
            codes[..7],
            ["ok", refused, refused, "ok", "ok", "malformed", refused]
        );
        let replayed = Error::Proof(ProofError::Replayed);
        assert_eq!(results[6].as_ref().unwrap_err(), &replayed);
        assert!(codes[7..].iter().all(|code| *code == "ok"));
    };
    check(build().verify_bound_many_at(&batch, NOW));
    check(build().blocking().verify_bound_many(&batch));
    check(build().verify_bound_many(&batch).await);
}

/// A bound token and a proof for GET on a URL, for the tests of the layer.
pub(crate) fn token_and_proof(nonce: Option<&str>, url: &str) -> (String, String) {
    let token = bound_token();
    let claims = changed(claims(&token), "nonce", json!(nonce));
    let claims = changed(claims, "htu", json!(url));
    (token, sign(&header(), &claims, &CLIENT))
}
