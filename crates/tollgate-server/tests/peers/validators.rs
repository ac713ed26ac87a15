//! Token validators that others wrote, on our JWTs and our JWKS, for every algorithm.

use crate::peer::{Node, Python};
use crate::server::{AUDIENCE, Server};
use serde_json::{Value, json};

const ALGORITHMS: [&str; 5] = ["ES256", "EdDSA", "RS256", "PS256", "ES384"];

/// A token for each algorithm, and what a resource server knows.
fn tokens(server: &Server) -> Value {
    let tokens: Vec<Value> = ALGORITHMS
        .iter()
        .map(|alg| {
            let id = format!("peer-{alg}");
            let options = ["--token-format", "jwt", "--signing-alg", alg];
            let client = server.create_client(&id, &options);
            let token = server.token(&client, "read");
            json!({ "alg": alg, "client_id": id, "token": token })
        })
        .collect();
    json!({ "issuer": server.issuer, "audience": AUDIENCE, "tokens": tokens })
}

#[test]
fn jose_verifies_every_algorithm() {
    let Some(node) = Node::find() else { return };
    let server = Server::start("");
    let printed = node.run("verify.mjs", &[], &tokens(&server));
    assert_eq!(printed.lines().count(), ALGORITHMS.len(), "{printed}");
}

#[test]
fn pyjwt_verifies_every_algorithm() {
    let Some(python) = Python::find() else { return };
    let server = Server::start("");
    let printed = python.run("verify.py", &[], &tokens(&server));
    assert_eq!(printed.lines().count(), ALGORITHMS.len(), "{printed}");
}
