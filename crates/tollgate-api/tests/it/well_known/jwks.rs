//! `GET /.well-known/jwks.json`.

use tollgate_jose::{Compact, JwkSet, KeySet, Limits};

use crate::service::Service;

#[test]
fn the_keys_verify_what_was_signed() {
    let service = Service::start();
    let token = service.access_token(&service.demo);
    let answer = service.get("/.well-known/jwks.json", &[]);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=900"));
    assert!(!answer.body.contains("\"d\""));
    let set = JwkSet::from_slice(answer.body.as_bytes()).unwrap();
    let (keys, unusable) = KeySet::from_jwk_set(&set);
    assert!(unusable.is_empty());
    let unverified = Compact::parse(&token, &Limits::default()).unwrap();
    assert!(unverified.header().is_typ("at+jwt"));
    let key = keys
        .find(unverified.header().algorithm(), unverified.header().kid())
        .unwrap();
    unverified.verify(key).unwrap();
}

#[test]
fn who_has_the_current_set_is_not_sent_it_again() {
    let service = Service::start();
    let first = service.get("/.well-known/jwks.json", &[]);
    let tag = first.header("etag").unwrap();
    for (known, status) in [
        (tag, 304),
        ("*", 304),
        (&*format!("W/{tag}"), 304),
        (&*format!("\"x\", {tag}"), 304),
        ("\"x\"", 200),
    ] {
        let answer = service.get("/.well-known/jwks.json", &[("if-none-match", known)]);
        assert_eq!(
            (answer.status, answer.header("etag")),
            (status, Some(tag)),
            "{known}"
        );
    }
}
