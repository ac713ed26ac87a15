//! One-time tokens are consumed once, by those who may.

use std::sync::Arc;

use super::{
    Fixture,
    sample::{
        NOW, TTL_SECONDS, access_token, by_administrator, client, later, one_time_token,
        redemption, resource, stored,
    },
    tokens::{insert, register, stands},
};
use crate::{ClientEpoch, ClientRecord, Redeemed, Redemption, Store};

async fn redeem(
    store: &impl Store,
    redemption: Redemption,
    now: tollgate_protocol::UnixSeconds,
) -> Redeemed {
    let redeemed = store.redeem(vec![redemption], now).await.expect("redeem");
    redeemed.into_iter().next().expect("one answer")
}

/// The first redemption hands back the record, all others are told that it is gone, until it
/// would have expired.
pub async fn redeeming_wins_once(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    let token = one_time_token(1, "shop");
    insert(store, vec![token.clone()]).await;
    assert!(stands(store, stored(1), NOW).await, "not yet consumed");
    assert_eq!(
        redeem(store, redemption(1, "shop"), NOW).await,
        Redeemed::Consumed(Arc::new(token.record))
    );
    assert!(!stands(store, stored(1), NOW).await);
    for (who, seconds, expected) in [
        ("shop", 0, Redeemed::AlreadyConsumed),
        ("stranger", 0, Redeemed::AlreadyConsumed),
        ("shop", TTL_SECONDS - 1, Redeemed::AlreadyConsumed),
        ("shop", TTL_SECONDS, Redeemed::Dead),
    ] {
        assert_eq!(
            redeem(store, redemption(1, who), later(seconds)).await,
            expected
        );
    }
}

/// A refused redemption leaves the token to its owner.
pub async fn the_wrong_client_consumes_nothing(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    register(store, "stranger").await;
    insert(store, vec![one_time_token(1, "shop")]).await;
    let mut wrong = redemption(1, "stranger");
    assert_eq!(redeem(store, wrong.clone(), NOW).await, Redeemed::NotYours);
    wrong.serves = resource("https://elsewhere.example.com");
    assert_eq!(redeem(store, wrong, NOW).await, Redeemed::NotYours);
    assert_eq!(store.active(NOW), 1);
    let right = redeem(store, redemption(1, "shop"), NOW).await;
    assert!(matches!(right, Redeemed::Consumed(_)));
}

/// Whoever serves an audience of the token may redeem it.
pub async fn a_resource_server_may_redeem(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    insert(store, vec![one_time_token(1, "shop")]).await;
    let mut server = redemption(1, "orders");
    server.serves = resource("https://orders.example.com");
    assert!(matches!(
        redeem(store, server, NOW).await,
        Redeemed::Consumed(_)
    ));
}

/// Redeeming an access token changes nothing.
pub async fn access_tokens_are_not_redeemable(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    insert(store, vec![access_token(1, "shop")]).await;
    assert_eq!(
        redeem(store, redemption(1, "shop"), NOW).await,
        Redeemed::Dead
    );
    assert!(stands(store, stored(1), NOW).await);
}

/// Unknown, expired, revoked, cut and orphaned tokens are dead, whoever asks.
pub async fn dead_tokens_are_not_redeemable(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    insert(
        store,
        (1..=3)
            .map(|number| one_time_token(number, "shop"))
            .collect(),
    )
    .await;
    assert_eq!(
        redeem(store, redemption(9, "shop"), NOW).await,
        Redeemed::Dead
    );
    let end = later(TTL_SECONDS);
    assert_eq!(
        redeem(store, redemption(1, "shop"), end).await,
        Redeemed::Dead
    );
    store
        .revoke(vec![by_administrator(stored(2))], NOW)
        .await
        .expect("revoke");
    assert_eq!(
        redeem(store, redemption(2, "shop"), NOW).await,
        Redeemed::Dead
    );
    let new_epoch = ClientRecord {
        epoch: ClientEpoch(2),
        revision: 2,
        ..client("shop")
    };
    store.update_client(new_epoch).await.expect("update");
    for who in ["shop", "stranger"] {
        assert_eq!(redeem(store, redemption(3, who), NOW).await, Redeemed::Dead);
    }
}

/// Twice in one batch is still once.
pub async fn one_batch_has_one_winner(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    insert(
        store,
        vec![one_time_token(1, "shop"), one_time_token(2, "shop")],
    )
    .await;
    let batch = vec![
        redemption(1, "stranger"),
        redemption(1, "shop"),
        redemption(2, "shop"),
        redemption(1, "shop"),
        redemption(3, "shop"),
    ];
    let outcomes = store.redeem(batch, NOW).await.expect("redeem");
    assert!(
        matches!(
            outcomes.as_slice(),
            [
                Redeemed::NotYours,
                Redeemed::Consumed(_),
                Redeemed::Consumed(_),
                Redeemed::AlreadyConsumed,
                Redeemed::Dead
            ]
        ),
        "{outcomes:?}"
    );
}
