//! Tokens bound to a key (RFC 9449), issued by the provider for proofs that `jose` made.

use serde_json::{Value, json};
use tollgate_verify::{Error, Presented, Proof, ProofError, Verifier};

use crate::provider::Provider;

const URL: &str = "https://orders.example/orders/1";

fn bound(provider: &Provider) -> (String, String) {
    let answer = provider.command(&json!({"do": "bound", "method": "GET", "url": URL}));
    assert_eq!(answer["token_type"], "DPoP", "{answer}");
    let text = |member: &Value| member.as_str().unwrap().to_owned();
    (text(&answer["token"]), text(&answer["proof"]))
}

fn present(verifier: &Verifier, token: &str, proof: &str, request: (&str, &str)) -> Option<Error> {
    let (method, url) = request;
    let presented = Presented {
        proof: Some(Proof {
            jwt: proof,
            method,
            url,
        }),
        ..Presented::default()
    };
    verifier.blocking().verify_bound(token, &presented).err()
}

#[test]
fn a_bound_token_counts_with_its_proof_alone() {
    let Some(provider) = Provider::start() else {
        return;
    };
    let keys = provider.discovery();
    let verifier = provider.verifier("ES256", &keys).build().unwrap();
    let (token, proof) = bound(&provider);
    let (other_token, other_proof) = bound(&provider);
    let refused = |error| Some(Error::Proof(error));
    let get = ("GET", URL);

    let as_bearer = verifier.blocking().verify(&token).err();
    assert_eq!(as_bearer, Some(Error::KeyBinding));
    let unproven = verifier
        .blocking()
        .verify_bound(&token, &Presented::default());
    assert_eq!(unproven.err(), Some(Error::KeyBinding));

    let check = |token: &str, proof: &str, request, expected| {
        assert_eq!(present(&verifier, token, proof, request), expected);
    };
    check(&token, &proof, ("POST", URL), refused(ProofError::Request));
    let elsewhere = ("GET", "https://orders.example/orders/2");
    check(&token, &proof, elsewhere, refused(ProofError::Request));
    check(&token, &other_proof, get, refused(ProofError::Token));
    check(&other_token, &proof, get, refused(ProofError::Token));
    check(&token, &token, get, refused(ProofError::Type));
    let unbound = provider.token("ES256");
    check(&unbound, &proof, get, Some(Error::KeyBinding));

    // What was refused so far has not used the proof up.
    check(&token, &proof, get, None);
    check(&token, &proof, get, refused(ProofError::Replayed));
    check(&other_token, &other_proof, get, None);
}
