//! Nothing is allocated on the way from a token to its signature check.

use allocation_counter::measure;
use tollgate_jose::{
    Algorithm, Compact, KeySet, Limits, SigningKey, VerifyingKey, compact, encode_header,
};

#[test]
fn none_until_the_signature_is_checked() {
    let claims = format!(
        r#"{{"sub":"alice","scope":"{}"}}"#,
        "orders:read ".repeat(30)
    );
    for alg in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        let (_, signer) = SigningKey::generate(alg).unwrap();
        let key = VerifyingKey::from_jwk(&signer.public_jwk().unwrap()).unwrap();
        let keys: KeySet = [key].into_iter().collect();
        let mut token = String::new();
        let header = encode_header(alg, signer.kid(), "at+jwt");
        compact(&header, claims.as_bytes(), &signer, &mut token).unwrap();

        let mut room = [0; 2048];
        let info = measure(|| {
            let parsed = Compact::parse(&token, &Limits::default()).unwrap();
            let header = parsed.header();
            let key = keys.find(header.algorithm(), header.kid()).unwrap();
            std::hint::black_box((key, header.is_typ("at+jwt")));
        });
        assert_eq!(info.count_total, 0, "{alg}");

        // With the check itself nothing is allocated but what the library does inside.
        let raw = {
            let parsed = Compact::parse(&token, &Limits::default()).unwrap();
            let mut signature = Vec::new();
            let encoded = token.rsplit('.').next().unwrap();
            base64::Engine::decode_vec(
                &base64::engine::general_purpose::URL_SAFE_NO_PAD,
                encoded,
                &mut signature,
            )
            .unwrap();
            measure(|| {
                keys.keys()[0]
                    .verify(alg, parsed.signing_input(), &signature)
                    .unwrap();
            })
        };
        let whole = measure(|| {
            let parsed = Compact::parse(&token, &Limits::default()).unwrap();
            let verified = parsed.verify_in(&keys.keys()[0], &mut room).unwrap();
            std::hint::black_box(verified.as_bytes().len());
        });
        assert_eq!(whole.count_total, raw.count_total, "{alg}");
    }
}
