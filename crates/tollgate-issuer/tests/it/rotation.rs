//! Keys that follow each other: each is published before it signs, and stays while its tokens live.

use std::time::Duration;

use tollgate_issuer::{Issuer, keys::KeyState};
use tollgate_jose::Algorithm;

use crate::{
    bench::{Bench, DAY, HOUR, Jwks, SLACK, START, kid},
    keys::states,
    store::SharedStore,
};

/// Walks on in steps of so many seconds, ticking as asked to, and issues a token at each step. Any
/// JWKS fetched in the last `publish_ahead` verifies the token, and so does any fetched while it
/// lives. Returns the keys that signed, in order.
async fn walk(bench: &Bench, issuer: &Issuer<SharedStore>, step: u64, steps: u64) -> Vec<String> {
    let ahead = bench.settings.keys.publish_ahead.as_secs();
    let mut fetched: Vec<(u64, Jwks)> = Vec::new();
    let mut living: Vec<(u64, String)> = Vec::new();
    let mut kids: Vec<String> = Vec::new();
    let mut tick_at = START;
    for now in (0..steps).map(|number| START + number * step) {
        bench.set_now(now);
        while tick_at <= now {
            let wait = issuer.tick_keys(&bench.context()).await.unwrap();
            tick_at += wait.as_secs().max(1);
        }
        let token = bench.access_token(issuer, "c").await;
        let jwks = bench.jwks(issuer);
        for (at, jwks) in fetched.iter().rev().take_while(|(at, _)| at + ahead > now) {
            assert!(jwks.verifies(&token), "{now}: JWKS of {at}");
        }
        living.push((now + bench.settings.access_ttl.as_secs(), token.clone()));
        living.retain(|(expires_at, _)| now < *expires_at);
        // The oldest tokens are those whose keys leave first.
        for (_, token) in living.iter().take(3).chain(living.last()) {
            assert!(jwks.verifies(token), "{now}");
            assert!(bench.is_active(issuer, token).await, "{now}");
        }
        fetched.push((now, jwks));
        if kids.last() != Some(&kid(&token)) {
            kids.push(kid(&token));
        }
    }
    kids
}

#[tokio::test]
async fn no_validation_fails_while_keys_follow_each_other() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let kids = walk(&bench, &issuer, HOUR, 38 * 24).await;
    // Every ten days another key, and nothing is left of those before.
    assert_eq!(kids.len(), 4);
    assert_eq!(bench.jwks(&issuer).kids(), [kids[3].as_str()]);
    assert_eq!(held_back(&bench, &issuer), []);
}

fn held_back(bench: &Bench, issuer: &Issuer<SharedStore>) -> Vec<Algorithm> {
    issuer.rotations_held_back(&bench.context()).unwrap()
}

#[tokio::test]
async fn nor_while_they_follow_each_other_every_two_seconds() {
    let mut bench = Bench::new();
    bench.settings.keys.rotate_every = Duration::from_secs(2);
    bench.settings.keys.publish_ahead = Duration::from_secs(1);
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let kids = walk(&bench, &issuer, 1, 300).await;
    // Tokens live for an hour: no more keys are made than validators read.
    assert_eq!(kids.len(), 100);
    assert_eq!(bench.jwks(&issuer).kids().len(), 100);
    assert_eq!(
        held_back(&bench, &issuer),
        [Algorithm::ES256],
        "and it is told"
    );
    // Once tokens have expired and keys have left there is room again.
    bench.pass(3 * HOUR);
    issuer.tick_keys(&bench.context()).await.unwrap();
    assert_eq!(held_back(&bench, &issuer), []);
}

#[tokio::test]
async fn clients_are_asked_for_their_life_times_only_when_keys_come_or_go() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    bench.store.take_client_pages();
    issuer.tick_keys(&bench.context()).await.unwrap();
    assert_eq!(bench.store.take_client_pages(), 0);
    bench.pass(9 * DAY);
    for _ in 0..2 {
        issuer.tick_keys(&bench.context()).await.unwrap();
        assert_eq!(bench.store.take_client_pages(), 1);
    }
    // That a key was revoked once is no reason.
    bench.pass(DAY + 3 * HOUR);
    let stolen = kid(&bench.access_token(&issuer, "c").await);
    issuer.revoke_key(&stolen, &bench.context()).await.unwrap();
    issuer.tick_keys(&bench.context()).await.unwrap();
    bench.store.take_client_pages();
    issuer.tick_keys(&bench.context()).await.unwrap();
    assert_eq!(bench.store.take_client_pages(), 0);
}

#[tokio::test]
async fn rotation_by_hand_publishes_before_it_signs() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let before = bench.access_token(&issuer, "c").await;
    let key = issuer.rotate_key(None, &bench.context()).await.unwrap();
    assert_eq!(
        (key.state, key.alg.as_str()),
        (KeyState::Published, "ES256")
    );
    assert_eq!(key.signs_from.0, START + DAY + SLACK);
    assert_eq!(kid(&bench.access_token(&issuer, "c").await), kid(&before));
    assert_eq!(
        bench.jwks(&issuer).kids(),
        [kid(&before).as_str(), key.kid.as_str()]
    );

    bench.pass(DAY + SLACK);
    // Without a tick in between: the stages are dates.
    let after = bench.access_token(&issuer, "c").await;
    assert_eq!(kid(&after), key.kid);
    let keys = issuer.keys(&bench.context());
    assert_eq!(states(&keys), [KeyState::Retiring, KeyState::Signing]);

    // One hour for the last token, one more to be safe.
    bench.pass(2 * HOUR - 1);
    assert_eq!(bench.jwks(&issuer).kids().len(), 2);
    bench.pass(1);
    assert_eq!(bench.jwks(&issuer).kids(), [key.kid.as_str()]);
    assert_eq!(
        states(&issuer.keys(&bench.context())),
        [KeyState::Gone, KeyState::Signing]
    );
    issuer.tick_keys(&bench.context()).await.unwrap();
    assert_eq!(states(&issuer.keys(&bench.context())), [KeyState::Signing]);
}

#[tokio::test]
async fn a_key_is_published_before_it_is_stored_and_signs_after() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let before = kid(&bench.access_token(&issuer, "c").await);
    bench.store.keep_ring(true);
    bench.pass(9 * DAY);
    let _ = issuer.tick_keys(&bench.context()).await.unwrap_err();
    let published = bench.jwks(&issuer);
    assert_eq!(published.kids().len(), 2);
    assert_eq!(issuer.keys(&bench.context()).len(), 1);
    bench.pass(DAY + SLACK);
    assert_eq!(kid(&bench.access_token(&issuer, "c").await), before);
    // What was not stored is no longer published once another key is.
    bench.store.keep_ring(false);
    issuer.tick_keys(&bench.context()).await.unwrap();
    let stored = bench.jwks(&issuer);
    assert_eq!(stored.kids().len(), 2);
    assert_ne!(stored.kids(), published.kids());
    bench.pass(DAY + SLACK);
    let after = kid(&bench.access_token(&issuer, "c").await);
    assert_eq!(after, stored.kids()[1]);
}
