//! Tokens: whatever the bytes, there is an answer, and never the answer that they are valid.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tollgate_verify::jose::{
    Algorithm, Compact, Detached, JwkSet, Limits, SigningKey, VerifyingKey,
};
use tollgate_verify::{Ready, UnixSeconds, Verifier, VerifierBuilder};

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| builder().build().expect("sound settings"));
/// The same with another issuer, so that the token's own word has to choose.
static OF_SEVERAL: LazyLock<Verifier> = LazyLock::new(|| {
    let others = JwkSet { keys: Vec::new() };
    let verifier = builder().or_issuer("https://other.example", &others).build();
    verifier.expect("sound settings")
});

fn builder() -> VerifierBuilder<Ready> {
    let key = VerifyingKey::hmac(Algorithm::HS256, &[7; 32]).expect("long enough");
    Verifier::builder()
        .issuer("https://as.example")
        .audience("https://rs.example")
        .keys([key])
        .algorithms([Algorithm::HS256])
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(VERIFIER.verify_at(text, UnixSeconds(1_700_000_000)).is_err());
    let _ = Detached::parse(text, &Limits::default());
    // The same bytes as claims of a token that is signed: the claims parser behind the signature.
    let key = SigningKey::hmac(Algorithm::HS256, &[7; 32]).expect("long enough");
    let header = tollgate_verify::jose::encode_header(Algorithm::HS256, "", "at+jwt");
    let mut token = String::new();
    tollgate_verify::jose::compact(&header, data, &key, &mut token).expect("signs");
    let verified = VERIFIER.verify_at(&token, UnixSeconds(1_700_000_000));
    let of_several = OF_SEVERAL.verify_at(&token, UnixSeconds(1_700_000_000));
    assert_eq!(verified.is_ok(), of_several.is_ok());
    let _ = Compact::parse(&token, &Limits::default());
});
