//! Keys rotate every two seconds under load and no validation fails.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tollgate_jose::{Compact, JwkSet, KeySet, Limits};

use tollgate_testkit::TestClient;

use crate::{http::Connection, setting, start};

/// How long a validator keeps the JWKS: what the server says in `max-age`.
const JWKS_MAX_AGE: Duration = Duration::from_secs(1);

#[test]
fn no_validation_fails_while_keys_rotate() {
    let seconds = setting("TOLLGATE_TEST_ROTATION_SECONDS", 9);
    // The first token is looked at to the end.
    let life = seconds + 30;
    let server = start(&format!(
        "[keys]\nrotate_every = \"2s\"\npublish_ahead = \"2s\"\nretain_after = \"2s\"\n\
         jwks_max_age = \"1s\"\n[tokens]\naccess_ttl = \"{life}s\"\n"
    ));
    let client = server.create_client(&["--id", "rotating", "--scope", "a"]);
    let (stop, validated) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let validators: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| validate(Connection::to(&server), &client, &stop, &validated)))
            .collect();
        std::thread::sleep(Duration::from_secs(seconds as u64));
        stop.store(true, Ordering::Relaxed);
        let mut kids: Vec<String> = validators
            .into_iter()
            .flat_map(|validator| validator.join().unwrap())
            .collect();
        kids.sort();
        kids.dedup();
        assert!(kids.len() >= seconds / 4, "only {} keys signed", kids.len());
    });
    assert!(validated.load(Ordering::Relaxed) > 100, "no load");
}

/// Issues and validates, here and at the server; the keys that signed.
fn validate(
    mut connection: Connection,
    client: &TestClient,
    stop: &AtomicBool,
    validated: &AtomicUsize,
) -> Vec<String> {
    let mut kids: Vec<String> = Vec::new();
    let mut fetched = Instant::now();
    let mut keys = fetch(&mut connection);
    let mut first: Option<String> = None;
    while !stop.load(Ordering::Relaxed) {
        let answer = connection.post(client, "/oauth/token", "grant_type=client_credentials");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        // The first token stays valid while the key that signed it retires.
        for token in [&token, first.get_or_insert_with(|| token.clone())] {
            // Looked at when the token is there, so that however long it took to come, the keys
            // are no older than they may be when it is judged.
            if fetched.elapsed() > JWKS_MAX_AGE {
                fetched = Instant::now();
                keys = fetch(&mut connection);
            }
            let unverified = Compact::parse(token, &Limits::default()).unwrap();
            let header = unverified.header();
            let key = keys
                .find(header.algorithm(), header.kid())
                .expect("the key is published");
            unverified.verify(key).expect("the signature is right");
            let bearer = format!("authorization: Bearer {token}\r\n");
            let answer = connection.get_with("/oauth/validate", &bearer);
            assert_eq!(answer.status, 200, "{}", answer.body);
            let kid = header.kid().unwrap().to_owned();
            if kids.last() != Some(&kid) {
                kids.push(kid);
            }
        }
        validated.fetch_add(1, Ordering::Relaxed);
    }
    kids
}

fn fetch(connection: &mut Connection) -> KeySet {
    let answer = connection.get("/.well-known/jwks.json");
    assert_eq!(answer.status, 200, "{}", answer.body);
    KeySet::from_jwk_set(&JwkSet::from_slice(answer.body.as_bytes()).unwrap()).0
}
