//! JWT access tokens of every algorithm, with keys found by discovery.

use tollgate_verify::client::KeySource;
use tollgate_verify::jose::Algorithm;
use tollgate_verify::{BuildError, Verifier};

use crate::provider::{ALGORITHMS, CLIENT_ID, Provider};

fn code(verifier: &Verifier, token: &str) -> &'static str {
    match verifier.blocking().verify(token) {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

#[test]
fn tokens_of_every_algorithm_are_verified() {
    let Some(provider) = Provider::start() else {
        return;
    };
    let keys = provider.discovery();
    for algorithm in ALGORITHMS {
        let verifier = provider.verifier(algorithm, &keys).build().unwrap();
        let token = verifier
            .blocking()
            .verify(&provider.token(algorithm))
            .unwrap();
        assert_eq!(token.algorithm().unwrap().name(), algorithm);
        assert_eq!(token.subject(), Some(CLIENT_ID));
        assert_eq!(token.client_id(), Some(CLIENT_ID));
        assert!(token.has_scope("read") && !token.has_scope("write"));
    }
    let stats = keys.stats();
    assert_eq!((stats.refreshes, stats.keys), (1, ALGORITHMS.len()));
}

#[test]
fn tokens_for_others_and_of_others_are_refused() {
    let (Some(provider), Some(other)) = (Provider::start(), Provider::start()) else {
        return;
    };
    let keys = provider.discovery();
    let verifier = provider.verifier("ES256", &keys).build().unwrap();
    let token = provider.token("ES256");
    assert_eq!(code(&verifier, &token), "ok");
    assert_eq!(code(&verifier, &provider.token("RS256")), "audience");
    assert_eq!(code(&verifier, &other.token("ES256")), "key_not_found");
    assert_eq!(code(&verifier, &provider.token("opaque")), "malformed");

    // A source that knows whose keys it finds vouches for nobody else.
    let foreign = provider.verifier("ES256", &other.discovery()).build();
    assert_eq!(foreign.err(), Some(BuildError::OtherIssuer));
    // With the other's keys, its tokens still name the wrong issuer.
    let misled = provider.verifier("ES256", &other.key_set());
    let misled = misled.build().unwrap();
    assert_eq!(code(&misled, &token), "key_not_found");
    assert_eq!(code(&misled, &other.token("ES256")), "issuer");

    // Metadata of another issuer than the one asked for.
    let url = format!("{}/.well-known/openid-configuration", other.issuer);
    let elsewhere = KeySource::metadata_url(&provider.issuer, &url).build();
    let misled = provider.verifier("ES256", &elsewhere).build().unwrap();
    assert_eq!(code(&misled, &token), "keys_unavailable");

    let only_rsa = provider
        .verifier("ES256", &keys)
        .algorithms([Algorithm::RS256])
        .build()
        .unwrap();
    assert_eq!(code(&only_rsa, &token), "alg_not_allowed");
}
