//! The life of signing keys, seen through tokens and the JWKS.

use std::{sync::Arc, time::Duration};

use tollgate_issuer::{
    AdminError, Issuer, IssuerError,
    clients::{ClientPatch, NewClient},
    keys::{KeyState, KeyView},
    master_key::SealError,
};
use tollgate_jose::{Algorithm, SigningKey};
use tollgate_store::{KeyRingChange, Store, StoredKey};

use crate::{
    bench::{Bench, DAY, HOUR, SLACK, START, id, kid, master},
    store::SharedStore,
};

pub(crate) fn states(keys: &[KeyView]) -> Vec<KeyState> {
    keys.iter().map(|key| key.state).collect()
}

#[tokio::test]
async fn the_very_first_key_signs_at_once() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let token = bench.access_token(&issuer, "c").await;
    let jwks = bench.jwks(&issuer);
    assert!(jwks.verifies(&token));
    assert_eq!(jwks.kids(), [kid(&token)]);
    assert_eq!(states(&issuer.keys(&bench.context())), [KeyState::Signing]);
    let document = issuer.jwks(&bench.context());
    let text = std::str::from_utf8(&document.body).unwrap();
    assert!(!text.contains(r#""d""#), "{text}");
    assert!(
        document.etag.starts_with('"') && document.etag.ends_with('"'),
        "{}",
        document.etag
    );
    // Opened again, it is the same key.
    assert_eq!(bench.jwks(&bench.open().await), jwks);
}

#[tokio::test]
async fn no_more_keys_than_validators_read() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    for _ in 1..100 {
        issuer.rotate_key(None, &bench.context()).await.unwrap();
    }
    let refused = issuer.rotate_key(None, &bench.context()).await.unwrap_err();
    assert!(matches!(refused, AdminError::Invalid(_)), "{refused}");
    assert_eq!(bench.jwks(&issuer).kids().len(), 100);
}

#[tokio::test]
async fn nothing_is_signed_with_a_shared_secret() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let refused = issuer
        .rotate_key(Some(Algorithm::HS256), &bench.context())
        .await
        .unwrap_err();
    assert!(matches!(refused, AdminError::Invalid(_)), "{refused}");
    let refused = issuer.prepare_key(Some(Algorithm::HS256)).await;
    assert!(
        matches!(refused, Err(AdminError::Invalid(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_revoked_key_is_out_at_once() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let token = bench.access_token(&issuer, "c").await;
    assert!(bench.is_active(&issuer, &token).await);

    let revoked = issuer
        .revoke_key(&kid(&token), &bench.context())
        .await
        .unwrap();
    assert_eq!(revoked.state, KeyState::Revoked);
    assert_eq!(revoked.revoked_at, Some(bench.now()));
    assert!(!bench.is_active(&issuer, &token).await, "from a cache");
    let caches = issuer.cache_statistics();
    let signatures = caches.iter().find(|cache| cache.name == "signatures");
    assert_eq!(signatures.map(|cache| cache.entries), Some(0));
    assert!(!bench.jwks(&issuer).verifies(&token));
    let next = bench.access_token(&issuer, "c").await;
    assert_ne!(kid(&next), kid(&token));
    assert!(bench.jwks(&issuer).verifies(&next));
    assert!(bench.is_active(&issuer, &next).await);

    // Again: nothing more happens. Unknown: refused.
    let again = issuer
        .revoke_key(&kid(&token), &bench.context())
        .await
        .unwrap();
    assert_eq!(again, revoked);
    assert_eq!(kid(&bench.access_token(&issuer, "c").await), kid(&next));
    let unknown = issuer
        .revoke_key("unknown", &bench.context())
        .await
        .unwrap_err();
    assert!(matches!(unknown, AdminError::NotFound("key")), "{unknown}");
    // It stays revoked after a restart, also when nothing that it signed is alive any more.
    bench.pass(26 * HOUR);
    issuer.tick_keys(&bench.context()).await.unwrap();
    let next = bench.access_token(&issuer, "c").await;
    let state = states(&issuer.keys(&bench.context()))[0];
    assert_eq!(state, KeyState::Revoked);
    let reopened = bench.open().await;
    assert!(!bench.is_active(&reopened, &token).await);
    assert!(bench.is_active(&reopened, &next).await);
}

#[tokio::test]
async fn a_published_successor_need_not_wait_when_its_predecessor_is_revoked() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let first = kid(&bench.access_token(&issuer, "c").await);
    let successor = issuer.rotate_key(None, &bench.context()).await.unwrap();
    issuer.revoke_key(&first, &bench.context()).await.unwrap();
    assert_eq!(kid(&bench.access_token(&issuer, "c").await), successor.kid);
    assert_eq!(bench.jwks(&issuer).kids(), [successor.kid.as_str()]);
}

/// A key that takes long to make is not waited for, and neither is its failure.
#[tokio::test]
async fn a_key_is_withdrawn_before_another_takes_its_place() {
    for (algorithm, expected) in [
        (Algorithm::ES256, &[1][..]),
        (Algorithm::EdDSA, &[1]),
        (Algorithm::RS256, &[0, 1]),
    ] {
        let mut bench = Bench::new();
        bench.settings.keys.signing_alg = algorithm;
        let issuer = bench.open().await;
        bench.client(&issuer, "c").await;
        let stolen = kid(&bench.access_token(&issuer, "c").await);
        bench.store.take_rings();
        issuer.revoke_key(&stolen, &bench.context()).await.unwrap();
        let signing: Vec<usize> = bench
            .store
            .take_rings()
            .iter()
            .map(|ring| {
                let stands = |key: &&StoredKey| key.revoked_at.is_none();
                ring.keys.iter().filter(stands).count()
            })
            .collect();
        assert_eq!(signing, expected, "{algorithm}");
        assert_ne!(kid(&bench.access_token(&issuer, "c").await), stolen);
    }
}

#[tokio::test]
async fn nothing_is_revoked_while_the_store_is_down() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let token = bench.access_token(&issuer, "c").await;
    bench.store.set_down(true);
    let error = issuer
        .revoke_key(&kid(&token), &bench.context())
        .await
        .unwrap_err();
    assert!(
        matches!(error, AdminError::Broken(IssuerError::Store(_))),
        "{error}"
    );
    assert!(issuer.tick_keys(&bench.context()).await.is_err());
    // Requests go on with the keys known so far.
    assert_eq!(kid(&bench.access_token(&issuer, "c").await), kid(&token));
    bench.store.set_down(false);
    assert!(bench.is_active(&issuer, &token).await);
}

#[tokio::test]
async fn instances_on_one_store_learn_from_each_other() {
    let bench = Bench::new();
    let (one, other) = (bench.open().await, bench.open().await);
    bench.client(&one, "c").await;
    let token = bench.access_token(&one, "c").await;
    assert!(bench.is_active(&other, &token).await);

    let wait = other.tick_keys(&bench.context()).await.unwrap();
    assert!(wait <= Duration::from_secs(30), "{wait:?}");
    let successor = one.rotate_key(None, &bench.context()).await.unwrap();
    one.revoke_key(&kid(&token), &bench.context())
        .await
        .unwrap();
    other.tick_keys(&bench.context()).await.unwrap();
    assert_eq!(other.keys(&bench.context()), one.keys(&bench.context()));
    assert!(!bench.is_active(&other, &token).await, "from a cache");
    assert_eq!(kid(&bench.access_token(&other, "c").await), successor.kid);
}

#[tokio::test]
async fn changes_that_meet_faster_ones_are_tried_again() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.store.conflict(3);
    issuer.rotate_key(None, &bench.context()).await.unwrap();
    assert_eq!(bench.store.conflicts_left(), 0);
    assert_eq!(issuer.keys(&bench.context()).len(), 2);
    // But not for ever.
    bench.store.conflict(1000);
    let error = issuer.rotate_key(None, &bench.context()).await.unwrap_err();
    assert!(matches!(error, AdminError::Conflict("key ring")), "{error}");
    assert_eq!(issuer.keys(&bench.context()).len(), 2);
}

#[tokio::test]
async fn keys_stay_longer_when_a_client_gets_longer_tokens() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let key = issuer.rotate_key(None, &bench.context()).await.unwrap();
    let gone_at = |keys: &[KeyView]| keys[0].gone_at.unwrap().0;
    assert_eq!(
        gone_at(&issuer.keys(&bench.context())),
        START + DAY + SLACK + 2 * HOUR
    );
    let ttl = Duration::from_secs(5 * DAY);
    let patch = ClientPatch {
        access_ttl: Some(Some(ttl)),
        ..ClientPatch::default()
    };
    issuer
        .update_client(&id("c"), &patch, &bench.context())
        .await
        .unwrap();
    issuer.tick_keys(&bench.context()).await.unwrap();
    assert_eq!(
        gone_at(&issuer.keys(&bench.context())),
        START + SLACK + 6 * DAY + HOUR
    );
    assert_eq!(issuer.keys(&bench.context())[1].kid, key.kid);
}

async fn signs_with(bench: &Bench, issuer: &Issuer<SharedStore>, algorithm: Algorithm) {
    let name = algorithm.name();
    let new = NewClient {
        signing_alg: Some(algorithm),
        ..NewClient::new(id(name))
    };
    issuer.create_client(new, &bench.context()).await.unwrap();
    let token = bench.access_token(issuer, name).await;
    assert!(bench.jwks(issuer).verifies(&token), "{name}");
    assert!(bench.is_active(issuer, &token).await, "{name}");
    let keys = issuer.keys(&bench.context());
    let own: Vec<&KeyView> = keys.iter().filter(|key| key.alg == name).collect();
    assert!(
        own.len() == 1 && own[0].state == KeyState::Signing,
        "{own:?}"
    );
}

#[tokio::test]
async fn every_algorithm_that_a_client_wants_has_a_line_of_keys() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    for algorithm in Algorithm::ALL {
        if !algorithm.is_symmetric() {
            signs_with(&bench, &issuer, algorithm).await;
        }
    }
    let lines = issuer.keys(&bench.context()).len();
    assert_eq!(lines, 10);
    // Each line gets its successor.
    bench.pass(9 * DAY);
    issuer.tick_keys(&bench.context()).await.unwrap();
    assert_eq!(issuer.keys(&bench.context()).len(), 2 * lines);
    let symmetric = NewClient {
        signing_alg: Some(Algorithm::HS256),
        ..NewClient::new(id("h"))
    };
    let refused = issuer
        .create_client(symmetric, &bench.context())
        .await
        .unwrap_err();
    assert!(matches!(refused, AdminError::Invalid(_)), "{refused}");
}

#[tokio::test]
async fn many_rsa_signatures_at_once_all_verify() {
    let bench = Arc::new(Bench::new());
    let issuer = Arc::new(bench.open().await);
    signs_with(&bench, &issuer, Algorithm::RS256).await;
    let jwks = bench.jwks(&issuer);
    let mut signing = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (bench, issuer) = (Arc::clone(&bench), Arc::clone(&issuer));
        signing.spawn(async move { bench.access_token(&issuer, "RS256").await });
    }
    let mut seen = std::collections::HashSet::new();
    for token in signing.join_all().await {
        assert!(jwks.verifies(&token));
        assert!(seen.insert(token), "the same token twice");
    }
}

async fn refuses_to_open(bench: &Bench, byte: u8) -> IssuerError {
    match bench.try_open(master(byte)).await {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn another_master_key_opens_nothing() {
    let bench = Bench::new();
    bench.open().await;
    let error = refuses_to_open(&bench, 8).await;
    assert!(
        matches!(error, IssuerError::Seal(SealError::Rejected)),
        "{error}"
    );
    assert!(error.to_string().contains("another master key"), "{error}");
}

/// Who can write to the store, but has no master key, plants nothing.
#[tokio::test]
async fn a_ring_changed_behind_our_back_is_refused() {
    let bench = Bench::new();
    bench.open().await;
    let honest = bench.store.key_ring().await.unwrap();
    let (pkcs8, planted) = SigningKey::generate(Algorithm::ES256).unwrap();
    let public = serde_json::to_string(&planted.public_jwk().unwrap()).unwrap();
    let own_kid = honest.keys[0].kid.clone();
    for change in 0..5 {
        let mut ring = bench.store.key_ring().await.unwrap();
        ring.keys.clone_from(&honest.keys);
        let key = &mut ring.keys[0];
        match change {
            0 => key.public_jwk.clone_from(&public),
            1 => key.kid = planted.kid().to_owned(),
            2 => key.sealed = pkcs8.as_bytes().to_vec(),
            3 => key.public_jwk = public.replace(planted.kid(), &own_kid),
            _ => key.algorithm = "EdDSA".into(),
        }
        ring.revision += 1;
        assert_eq!(
            bench.store.replace_key_ring(ring).await.unwrap(),
            KeyRingChange::Done
        );
        let error = refuses_to_open(&bench, 7).await;
        assert!(
            matches!(error, IssuerError::Seal(_)),
            "change {change}: {error}"
        );
    }
}
