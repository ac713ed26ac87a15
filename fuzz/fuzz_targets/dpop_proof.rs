//! DPoP proofs: whatever the bytes, a bound token does not pass.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tollgate_verify::jose::{Algorithm, SigningKey, VerifyingKey, compact, encode_header};
use tollgate_verify::{Presented, Proof, UnixSeconds, Verifier};

static BOUND: LazyLock<(Verifier, String)> = LazyLock::new(|| {
    let secret = [7; 32];
    let key = VerifyingKey::hmac(Algorithm::HS256, &secret).expect("long enough");
    let verifier = Verifier::builder()
        .issuer("https://as.example")
        .audience("https://rs.example")
        .keys([key])
        .algorithms([Algorithm::HS256])
        .build()
        .expect("sound settings");
    let claims = br#"{"iss":"https://as.example","aud":"https://rs.example","iat":1700000000,
        "exp":1700000600,"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}"#;
    let signer = SigningKey::hmac(Algorithm::HS256, &secret).expect("long enough");
    let mut token = String::new();
    let header = encode_header(Algorithm::HS256, "", "at+jwt");
    compact(&header, claims, &signer, &mut token).expect("signs");
    (verifier, token)
});

fuzz_target!(|data: &[u8]| {
    let Ok(jwt) = std::str::from_utf8(data) else { return };
    let proof = Some(Proof { jwt, method: "GET", url: "https://rs.example/" });
    let presented = Presented { proof, ..Presented::default() };
    let (verifier, token) = &*BOUND;
    assert!(verifier.verify_bound_at(token, &presented, UnixSeconds(1_700_000_000)).is_err());
    // The same bytes as the URL of a proof.
    let proof = Some(Proof { jwt: token, method: "GET", url: jwt });
    let presented = Presented { proof, ..Presented::default() };
    assert!(verifier.verify_bound_at(token, &presented, UnixSeconds(1_700_000_000)).is_err());
});
