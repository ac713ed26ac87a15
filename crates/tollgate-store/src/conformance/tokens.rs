//! Tokens stand from their insertion to their end.

use std::sync::Arc;

use super::{
    Fixture,
    sample::{
        NOW, TTL_SECONDS, access_token, by_administrator, client, key, later, redemption,
        signed_token, stored,
    },
};
use crate::{
    Batch, ClientEpoch, ClientRecord, ClientState, InsertOutcome, NewToken, Probe, Standing, Store,
    StoreError,
};

/// Registers an enabled client.
pub(super) async fn register(store: &impl Store, name: &str) {
    let outcome = store.create_client(client(name)).await;
    assert_eq!(outcome.expect("create"), crate::ClientChange::Done);
}

/// Inserts tokens without a bound.
pub(super) async fn insert(store: &impl Store, tokens: Vec<NewToken>) {
    let outcome = store.insert(tokens, 0, NOW).await;
    assert_eq!(outcome.expect("insert"), InsertOutcome::Inserted);
}

/// The standing of one token.
pub(super) async fn standing(
    store: &impl Store,
    probe: Probe,
    now: tollgate_protocol::UnixSeconds,
) -> Standing {
    let standings = store.standing(&[probe], now).await.expect("standing");
    standings.into_iter().next().expect("one answer")
}

/// Whether one token counts.
pub(super) async fn stands(
    store: &impl Store,
    probe: Probe,
    now: tollgate_protocol::UnixSeconds,
) -> bool {
    standing(store, probe, now).await != Standing::Dead
}

/// A token inserted is a token kept, field for field.
pub async fn inserted_tokens_stand(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    let mut full = super::sample::one_time_token(2, "shop");
    full.record.subject = super::sample::subject("Ünïcödé ✓");
    for token in [access_token(1, "shop"), full] {
        insert(store, vec![token.clone()]).await;
        assert_eq!(
            standing(store, Probe::Stored(token.key), NOW).await,
            Standing::Stored(Arc::new(token.record))
        );
    }
    assert!(!stands(store, stored(3), NOW).await, "never inserted");
    let signed = signed_token(3, "shop");
    assert_eq!(
        standing(store, Probe::Signed(signed), NOW).await,
        Standing::Signed
    );
}

/// `expires_at` is the first second in which a token no longer counts.
pub async fn tokens_die_when_they_expire(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    insert(store, vec![access_token(1, "shop")]).await;
    for probe in [stored(1), Probe::Signed(signed_token(2, "shop"))] {
        assert!(stands(store, probe.clone(), later(TTL_SECONDS - 1)).await);
        assert!(!stands(store, probe.clone(), later(TTL_SECONDS)).await);
        assert!(!stands(store, probe, later(TTL_SECONDS + 1)).await);
    }
}

/// A batch of mixed probes is answered in its own order.
pub async fn probes_answer_in_order(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    let tokens: Vec<_> = (0..50).map(|number| access_token(number, "shop")).collect();
    insert(store, tokens.clone()).await;
    let mut probes = Vec::new();
    let mut expected = Vec::new();
    for token in tokens {
        probes.push(Probe::Stored(token.key));
        expected.push(Standing::Stored(Arc::new(token.record)));
        probes.push(Probe::Signed(signed_token(1000, "shop")));
        expected.push(Standing::Signed);
        probes.push(Probe::Signed(signed_token(1001, "nobody")));
        expected.push(Standing::Dead);
        probes.push(stored(1002));
        expected.push(Standing::Dead);
    }
    assert_eq!(
        store.standing(&probes, NOW).await.expect("standing"),
        expected
    );
    assert_eq!(store.standing(&[], NOW).await.expect("standing"), []);
}

/// More than the bound in one call is refused, the bound itself is not.
pub async fn batches_are_bounded(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    let numbers = |items: usize| 0..u64::try_from(items).expect("small");
    for (items, fits) in [(Batch::ITEMS_MAX, true), (Batch::ITEMS_MAX + 1, false)] {
        let tokens: Vec<_> = numbers(items)
            .map(|number| access_token(number, "shop"))
            .collect();
        let probes: Vec<_> = numbers(items).map(stored).collect();
        let redemptions = numbers(items)
            .map(|number| redemption(number, "shop"))
            .collect();
        let revocations = probes.iter().cloned().map(by_administrator).collect();
        let refused = [
            store.insert(tokens, 0, NOW).await.err(),
            store.standing(&probes, NOW).await.err(),
            store.redeem(redemptions, NOW).await.err(),
            store.revoke(revocations, NOW).await.err(),
        ];
        for error in refused {
            assert_eq!(error.is_none(), fits, "{items} items");
            assert!(error.is_none_or(|error| matches!(error, StoreError::BatchTooLarge)));
        }
    }
    assert_eq!(store.active(NOW), 0, "all revoked");
}

/// One token too many and none of the batch is kept.
pub async fn inserting_is_all_or_nothing_at_the_bound(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    let batch = |from: u64, to: u64| {
        (from..to)
            .map(|number| access_token(number, "shop"))
            .collect()
    };
    let insert = async |tokens, now| store.insert(tokens, 5, now).await.expect("insert");
    assert_eq!(insert(batch(0, 4), NOW).await, InsertOutcome::Inserted);
    assert_eq!(insert(batch(4, 6), NOW).await, InsertOutcome::Full);
    assert!(!stands(store, stored(4), NOW).await);
    assert_eq!(insert(batch(6, 7), NOW).await, InsertOutcome::Inserted);
    assert_eq!(insert(batch(7, 8), NOW).await, InsertOutcome::Full);
    assert_eq!(store.active(NOW), 5);
    let mut next = access_token(9, "shop");
    next.record.expires_at = later(TTL_SECONDS + 9);
    assert_eq!(
        insert(vec![next], later(TTL_SECONDS)).await,
        InsertOutcome::Inserted,
        "the dead make room"
    );
}

/// Tokens of another epoch or of a disabled client are dead.
pub async fn epochs_kill_tokens(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    insert(store, vec![access_token(1, "shop")]).await;
    let check = async |revision: u64, epoch: u64, state: ClientState, expected: bool| {
        let changed = ClientRecord {
            revision,
            epoch: ClientEpoch(epoch),
            state,
            ..client("shop")
        };
        store.update_client(changed).await.expect("update");
        for probe in [stored(1), Probe::Signed(signed_token(2, "shop"))] {
            assert_eq!(
                stands(store, probe, NOW).await,
                expected,
                "revision {revision}"
            );
        }
    };
    check(2, 1, ClientState::Enabled, true).await;
    check(3, 2, ClientState::Enabled, false).await;
    check(4, 1, ClientState::Enabled, true).await;
    check(5, 1, ClientState::Disabled, false).await;
    check(6, 2, ClientState::Disabled, false).await;
}

/// Nobody's tokens do not count, and deleting a client kills its own.
pub async fn clients_that_are_not_there_have_no_tokens(fixture: impl Fixture) {
    let store = &**fixture.store();
    insert(store, vec![access_token(1, "ghost")]).await;
    assert!(!stands(store, stored(1), NOW).await);
    register(store, "ghost").await;
    assert!(stands(store, stored(1), NOW).await);
    store
        .delete_client(super::sample::client_id("ghost"))
        .await
        .expect("delete");
    assert!(!stands(store, stored(1), NOW).await);
    assert!(!stands(store, Probe::Signed(signed_token(2, "ghost")), NOW).await);
}

/// The count of live tokens follows insertion, redemption, revocation and the clock.
pub async fn active_counts_exactly(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    assert_eq!(store.active(NOW), 0);
    let lives = (1..=10).map(|number| {
        let mut token = super::sample::one_time_token(number, "shop");
        token.record.expires_at = later(number);
        token
    });
    insert(store, lives.collect()).await;
    for second in 0..12 {
        assert_eq!(store.active(later(second)), 10u64.saturating_sub(second));
    }
    let revoke = by_administrator(Probe::Stored(key(10)));
    store.revoke(vec![revoke], NOW).await.expect("revoke");
    let redeem = redemption(9, "shop");
    store
        .redeem(vec![redeem.clone(), redeem], NOW)
        .await
        .expect("redeem");
    assert_eq!(store.active(NOW), 8);
    assert_eq!(store.active(later(7)), 1);
    assert_eq!(store.active(later(8)), 0);
}
