//! The libraries, each as a function that verifies one token once: signature, algorithm, issuer,
//! audience, expiry, and the claims into a type.

use crate::material::Material;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::algorithms::{
    ECDSAP256PublicKeyLike as _, EdDSAPublicKeyLike as _, MACLike as _, RSAPublicKeyLike as _,
};
use serde::Deserialize;
use std::collections::HashSet;
use std::hint::black_box;
use tollgate_verify::jose::{Algorithm, Jwk, VerifyingKey};
use tollgate_verify::{UnixSeconds, Verifier};

/// Verifies once; panics when the token is refused.
pub(crate) type Verify = Box<dyn FnMut()>;

/// The claims that a resource server reads.
#[derive(Deserialize)]
#[allow(dead_code, reason = "only read from the token")]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    jti: String,
    client_id: String,
    scope: String,
}

/// Those of them that `jwt-simple` does not have itself.
#[derive(Deserialize, serde::Serialize)]
#[allow(dead_code, reason = "only read from the token")]
struct OwnClaims {
    client_id: String,
    scope: String,
}

/// Every library on the token of this algorithm, by name.
pub(crate) fn all(material: &Material, alg: &str) -> Vec<(&'static str, Verify)> {
    vec![
        ("aws-lc-rs, signature alone", raw(material, alg)),
        ("tollgate-verify", tollgate(material, alg)),
        ("jsonwebtoken", jsonwebtoken(material, alg)),
        ("jwt-simple", jwt_simple(material, alg)),
    ]
}

fn raw(material: &Material, alg: &str) -> Verify {
    let token = &material.tokens[alg];
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (input, signature) = (input.as_bytes().to_vec(), decode(signature));
    if alg == "HS256" {
        let key =
            aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, material.secret.as_bytes());
        return Box::new(move || {
            aws_lc_rs::hmac::verify(&key, black_box(&input), black_box(&signature)).unwrap();
        });
    }
    let jwk = &material.keys[alg];
    let member = |name: &str| decode(jwk[name].as_str().unwrap());
    let key = match alg {
        "RS256" => {
            let components = aws_lc_rs::signature::RsaPublicKeyComponents {
                n: member("n"),
                e: member("e"),
            };
            components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        }
        "ES256" => {
            let point = [vec![4], member("x"), member("y")].concat();
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        }
        _ => ParsedPublicKey::new(&ED25519, member("x")),
    };
    let key = key.unwrap();
    Box::new(move || {
        key.verify_sig(black_box(&input), black_box(&signature))
            .unwrap();
    })
}

fn tollgate(material: &Material, alg: &str) -> Verify {
    let (verifier, now) = (verifier(material, alg), UnixSeconds(material.now));
    let token = material.tokens[alg].clone();
    Box::new(move || {
        drop(black_box(
            verifier.verify_at(black_box(&token), now).unwrap(),
        ))
    })
}

/// Our verifier for this algorithm alone.
pub(crate) fn verifier(material: &Material, alg: &str) -> Verifier {
    let algorithm: Algorithm = alg.parse().unwrap();
    let key = match material.keys.get(alg) {
        Some(jwk) => {
            let jwk = Jwk::from_slice(jwk.to_string().as_bytes()).unwrap();
            VerifyingKey::from_jwk(&jwk).unwrap()
        }
        None => VerifyingKey::hmac(algorithm, material.secret.as_bytes())
            .unwrap()
            .with_kid("shared"),
    };
    Verifier::builder()
        .issuer(&material.issuer)
        .audience(&material.audience)
        .keys([key])
        .algorithms([algorithm])
        .build()
        .unwrap()
}

fn jsonwebtoken(material: &Material, alg: &str) -> Verify {
    use jsonwebtoken::{DecodingKey, Validation, decode};
    let key = match material.keys.get(alg) {
        Some(jwk) => DecodingKey::from_jwk(&serde_json::from_value(jwk.clone()).unwrap()).unwrap(),
        None => DecodingKey::from_secret(material.secret.as_bytes()),
    };
    let mut validation = Validation::new(alg.parse().unwrap());
    validation.set_issuer(&[&material.issuer]);
    validation.set_audience(&[&material.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let token = material.tokens[alg].clone();
    Box::new(move || {
        drop(black_box(
            decode::<Claims>(black_box(&token), &key, &validation).unwrap(),
        ));
    })
}

fn jwt_simple(material: &Material, alg: &str) -> Verify {
    use jwt_simple::algorithms::{ES256PublicKey, Ed25519PublicKey, HS256Key, RS256PublicKey};
    let options = || {
        Some(jwt_simple::common::VerificationOptions {
            allowed_issuers: Some(HashSet::from([material.issuer.clone()])),
            allowed_audiences: Some(HashSet::from([material.audience.clone()])),
            ..Default::default()
        })
    };
    let (options, token) = (options(), material.tokens[alg].clone());
    let jwk = material
        .keys
        .get(alg)
        .map(ToString::to_string)
        .unwrap_or_default();
    macro_rules! verify {
        ($key:expr) => {{
            let key = $key;
            Box::new(move || {
                let verified = key.verify_token::<OwnClaims>(black_box(&token), options.clone());
                drop(black_box(verified.unwrap()));
            })
        }};
    }
    match alg {
        "RS256" => verify!(RS256PublicKey::from_jwk(&jwk).unwrap()),
        "ES256" => verify!(ES256PublicKey::from_jwk(&jwk).unwrap()),
        "EdDSA" => verify!(Ed25519PublicKey::from_jwk(&jwk).unwrap()),
        _ => verify!(HS256Key::from_bytes(material.secret.as_bytes())),
    }
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}
