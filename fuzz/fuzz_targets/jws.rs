//! Tokens: whatever the bytes, there is an answer, and it is only ever `valid` for what says all that
//! a token must say, and is signed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tollgate_fuzz::{base64url, halves};
use tollgate_verify::jose::{
    Algorithm, Detached, JwkSet, Limits, SigningKey, VerifyingKey, compact,
};
use tollgate_verify::{Ready, UnixSeconds, VerifiedToken, Verifier, VerifierBuilder};

const ISSUER: &str = "https://as.example";
const AUDIENCE: &str = "https://rs.example";
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const SECRET: [u8; 32] = [7; 32];

static SIGNER: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::hmac(Algorithm::HS256, &SECRET).expect("long enough"));
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| builder().build().expect("sound settings"));
/// The same with another issuer, so that the token's own word has to choose.
static OF_SEVERAL: LazyLock<Verifier> = LazyLock::new(|| {
    let others = JwkSet { keys: Vec::new() };
    let verifier = builder()
        .or_issuer("https://other.example", &others)
        .build();
    verifier.expect("sound settings")
});

fn builder() -> VerifierBuilder<Ready> {
    let key = VerifyingKey::hmac(Algorithm::HS256, &SECRET).expect("long enough");
    Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .keys([key])
        .algorithms([Algorithm::HS256])
}

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(VERIFIER.verify_at(text, NOW).is_err(), "forged");
        let _ = Detached::parse(text, &Limits::default());
    }
    // The same bytes as header and claims of a token that is signed: what is behind the signature.
    let (header, claims) = halves(data);
    let mut token = String::new();
    compact(&base64url(header), claims, &SIGNER, &mut token).expect("signs");
    let verified = VERIFIER.verify_at(&token, NOW);
    let of_several = OF_SEVERAL.verify_at(&token, NOW);
    assert_eq!(verified.is_ok(), of_several.is_ok());
    if let Ok(verified) = verified {
        check(&verified, header, claims);
    }
});

/// Another reader of the same bytes comes to the same conclusion.
fn check(token: &VerifiedToken, header: &[u8], claims: &[u8]) {
    let header: Value = serde_json::from_slice(header).expect("a header");
    assert_eq!(header["alg"], "HS256");
    assert!(header.get("crit").is_none());
    let claims: Value = serde_json::from_slice(claims).expect("claims");
    assert_eq!(claims["iss"], ISSUER);
    let names_us = |aud: &Value| aud == AUDIENCE;
    let is_ours = names_us(&claims["aud"])
        || claims["aud"]
            .as_array()
            .is_some_and(|all| all.iter().any(names_us));
    assert!(is_ours);
    assert!(claims["exp"].as_u64().is_some_and(|exp| exp > NOW.0));
    assert!(claims["iat"].as_u64().is_some_and(|iat| iat <= NOW.0));
    assert!(
        claims
            .get("nbf")
            .is_none_or(|nbf| nbf.as_u64().is_some_and(|nbf| nbf <= NOW.0))
    );
    assert!(claims.get("cnf").is_none());
    assert_eq!(token.subject(), claims["sub"].as_str());
}
