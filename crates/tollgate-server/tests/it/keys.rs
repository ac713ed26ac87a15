//! `tollgate keys`: rotation by hand and by age, and the emergency.

use serde_json::Value;
use tollgate_testkit::{Builder, TestServer};

use crate::BINARY;

fn keys(server: &TestServer) -> Vec<Value> {
    server
        .tollgate(&["keys", "list", "--json"])
        .expect_success()
        .json_lines()
}

fn kids_in_jwks(server: &TestServer) -> Vec<String> {
    let jwks = server
        .http()
        .get("/.well-known/jwks.json", &[])
        .expect_status(200)
        .json();
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_rotated_key_stands_in_the_jwks_before_it_signs() {
    let server = TestServer::start(BINARY);
    let first = keys(&server)[0]["kid"].as_str().unwrap().to_owned();
    let rotated = server
        .tollgate(&["keys", "rotate", "--json"])
        .expect_success()
        .json();
    assert_eq!(rotated["state"], "published");
    let second = rotated["kid"].as_str().unwrap();
    let published = kids_in_jwks(&server);
    assert!(published.contains(&first) && published.iter().any(|kid| kid == second));
    let other = server.tollgate(&["keys", "rotate", "--alg", "EdDSA", "--json"]);
    assert_eq!(other.expect_success().json()["alg"], "EdDSA");
}

#[test]
fn a_revoked_key_is_gone_at_once_and_its_tokens_with_it() {
    let server = TestServer::start(BINARY);
    let token = server.token(&server.demo(), "");
    let first = keys(&server)[0]["kid"].as_str().unwrap().to_owned();
    let revoked = server
        .tollgate(&["keys", "revoke", &first, "--json"])
        .expect_success()
        .json();
    assert_eq!(revoked["state"], "revoked");
    assert!(!kids_in_jwks(&server).contains(&first));
    assert_eq!(server.introspect(&server.demo(), &token)["active"], false);
    let next = server.token(&server.demo(), "");
    assert_eq!(server.introspect(&server.demo(), &next)["active"], true);
}

#[test]
fn keys_rotate_by_age() {
    let config = "[keys]\nrotate_every = \"1s\"\npublish_ahead = \"0s\"\njwks_max_age = \"0s\"\n\
                  retain_after = \"0s\"\n[tokens]\naccess_ttl = \"1s\"\n";
    let server = Builder::new(BINARY).config(config).start();
    let first = keys(&server)[0]["kid"].as_str().unwrap().to_owned();
    let started = std::time::Instant::now();
    // Waits for the rotation itself; the bound only ends a hang.
    while kids_in_jwks(&server).contains(&first) {
        assert!(
            started.elapsed().as_secs() < 60,
            "the first key never left: {:?}",
            keys(&server)
        );
    }
    let token = server.token(&server.demo(), "");
    assert_eq!(server.introspect(&server.demo(), &token)["active"], true);
}

#[test]
fn keys_that_have_no_room_are_told_of() {
    let config = "[keys]\nrotate_every = \"1s\"\npublish_ahead = \"0s\"\njwks_max_age = \"0s\"\n";
    let server = Builder::new(BINARY).config(config).start();
    let bearer = format!("Bearer {}", server.admin_token());
    let rotate = || {
        let headers = [("authorization", bearer.as_str())];
        let body = serde_json::json!({});
        server
            .admin_http()
            .json("/admin/keys/rotate", &headers, &body)
    };
    let refused = (0..=100)
        .map(|_| rotate())
        .find(|answer| answer.status != 201);
    let refused = refused.unwrap().expect_status(400);
    assert!(
        refused.body.contains("100 keys already"),
        "{}",
        refused.body
    );
    // And so is what the clock would have done, an hour long.
    server.await_log("they rotate later than");
    let metrics = server.admin_http().get("/metrics", &[]).expect_status(200);
    let line = "\nsigning_key_rotations_held_back 1\n";
    assert!(metrics.body.contains(line), "{}", metrics.body);
    assert_eq!(kids_in_jwks(&server).len(), 100);
}
