//! DPoP proofs: whatever the bytes, a bound token passes only with a proof that says what it must.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tollgate_fuzz::{base64url, halves};
use tollgate_verify::jose::{
    Algorithm, SigningKey, VerifyingKey, compact, encode_header, sha256_base64url,
};
use tollgate_verify::{Presented, Proof, Ready, UnixSeconds, Verifier, VerifierBuilder};

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const SECRET: [u8; 32] = [7; 32];
const URL: &str = "https://rs.example/";
/// An Ed25519 key in PKCS #8 form that never changes, so that the seeds fit it.
const CLIENT: [u8; 48] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20\
    tollgate-fuzz-tollgate-fuzz-tgfz";

struct Scene {
    client: SigningKey,
    thumbprint: String,
    token: String,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let client = SigningKey::from_pkcs8(Algorithm::EdDSA, &CLIENT).expect("a key");
    let thumbprint = client
        .public_jwk()
        .expect("is public")
        .thumbprint_base64url();
    // Letter by letter the same each time, because the seeds name its hash.
    let claims = format!(
        r#"{{"iss":"https://as.example","aud":"https://rs.example","iat":{},"exp":{},"cnf":{{"jkt":"{thumbprint}"}}}}"#,
        NOW.0,
        NOW.0 + 600
    );
    let signer = SigningKey::hmac(Algorithm::HS256, &SECRET).expect("long enough");
    let header = encode_header(Algorithm::HS256, "", "at+jwt");
    let mut token = String::new();
    compact(&header, claims.as_bytes(), &signer, &mut token).expect("signs");
    Scene {
        client,
        thumbprint,
        token,
    }
});

fn builder() -> VerifierBuilder<Ready> {
    let key = VerifyingKey::hmac(Algorithm::HS256, &SECRET).expect("long enough");
    Verifier::builder()
        .issuer("https://as.example")
        .audience("https://rs.example")
        .keys([key])
        .algorithms([Algorithm::HS256])
}

fuzz_target!(|data: &[u8]| {
    let Scene {
        client,
        thumbprint,
        token,
    } = &*SCENE;
    // A verifier of its own each time: what was seen before must not matter.
    let verifier = builder().build().expect("sound settings");
    let present = |jwt: &str, url: &str| {
        let proof = Some(Proof {
            jwt,
            method: "GET",
            url,
        });
        let presented = Presented {
            proof,
            ..Presented::default()
        };
        verifier.verify_bound_at(token, &presented, NOW).is_ok()
    };
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(!present(text, URL), "forged");
        assert!(!present(token, text), "an access token is no proof");
    }
    // The same bytes as header and claims of a proof that is signed by the right key.
    let (header, claims) = halves(data);
    let mut jwt = String::new();
    compact(&base64url(header), claims, client, &mut jwt).expect("signs");
    if present(&jwt, URL) {
        assert!(!present(&jwt, URL), "replayed");
        let header: Value = serde_json::from_slice(header).expect("a header");
        let jwk = serde_json::from_value(header["jwk"].clone());
        let jwk: tollgate_verify::jose::Jwk = jwk.expect("a key");
        assert_eq!(jwk.thumbprint_base64url(), *thumbprint);
        let claims: Value = serde_json::from_slice(claims).expect("claims");
        assert_eq!(claims["htm"], "GET");
        assert_eq!(claims["ath"], sha256_base64url(token.as_bytes()));
        assert!(
            claims["iat"]
                .as_u64()
                .is_some_and(|iat| iat.abs_diff(NOW.0) <= 60)
        );
    }
});
