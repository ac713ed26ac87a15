//! OAuth clients that others wrote, from discovery to revocation.

use crate::peer::{Node, Python};
use crate::server::Server;
use serde_json::{Value, json};

/// Clients that authenticate in each way; `keys` are the pair of the one without a secret.
fn clients(server: &Server, keys: &str) -> Value {
    let keys: Value = serde_json::from_str(keys).unwrap();
    let file = server.write("jwks.json", &keys["public"].to_string());
    let file = file.to_str().unwrap();
    let basic = server.create_client("peer-basic", &["--token-format", "opaque"]);
    let post = server.create_client("peer-post", &["--token-format", "jwt"]);
    let signing = server.create_client("peer-signing", &["--jwks", file]);
    json!({ "issuer": server.issuer, "clients": [
        { "method": "client_secret_basic", "client_id": basic.id, "client_secret": basic.secret },
        { "method": "client_secret_post", "client_id": post.id, "client_secret": post.secret },
        { "method": "private_key_jwt", "client_id": signing.id, "jwk": keys["private"] },
    ] })
}

#[test]
fn oauth4webapi_issues_introspects_and_revokes() {
    let Some(node) = Node::find() else { return };
    let server = Server::start("");
    let keys = node.run("keys.mjs", &["ES256"], &Value::Null);
    let printed = node.run("issue_and_revoke.mjs", &[], &clients(&server, &keys));
    assert_eq!(printed.lines().count(), 3, "{printed}");
}

#[test]
fn authlib_issues_introspects_and_revokes() {
    let Some(python) = Python::find() else { return };
    let server = Server::start("");
    let keys = python.run("keys.py", &["RS256"], &Value::Null);
    let printed = python.run("issue_and_revoke.py", &[], &clients(&server, &keys));
    assert_eq!(printed.lines().count(), 3, "{printed}");
}
