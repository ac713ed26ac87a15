//! What was revoked, cut off or used stays so.

use std::sync::Arc;

use parking_lot::Mutex;
use tollgate_protocol::{UnixMillis, UnixSeconds};

use super::{
    Fixture,
    housekeeping::sweep_all,
    sample::{
        NOW, TTL_SECONDS, access_token, by_administrator, by_client, key, later, one_time_token,
        redemption, signed_token, stored, subject,
    },
    tokens::{insert, register, stands},
};
use crate::{AssertionUse, Cut, CutScope, Probe, Redeemed, Revocation, Revoked, Store, TokenKey};

async fn revoke(store: &impl Store, revocation: Revocation, now: UnixSeconds) -> Revoked {
    let revoked = store.revoke(vec![revocation], now).await.expect("revoke");
    revoked.into_iter().next().expect("one answer")
}

/// Revoked is dead: opaque, one-time and signed tokens alike.
pub async fn revoked_tokens_are_dead(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    insert(
        store,
        vec![access_token(1, "shop"), one_time_token(2, "shop")],
    )
    .await;
    let signed = Probe::Signed(signed_token(3, "shop"));
    for probe in [stored(1), stored(2), signed] {
        assert!(stands(store, probe.clone(), NOW).await);
        let outcome = revoke(store, by_administrator(probe.clone()), NOW).await;
        assert_eq!(outcome, Revoked::Revoked);
        assert!(!stands(store, probe.clone(), NOW).await);
        assert!(!stands(store, probe, later(TTL_SECONDS - 1)).await);
    }
    let redeemed = store.redeem(vec![redemption(2, "shop")], NOW).await;
    assert_eq!(redeemed.expect("redeem"), [Redeemed::Dead]);
    let other = Probe::Signed(signed_token(4, "shop"));
    assert!(stands(store, other, NOW).await, "its neighbour lives");
}

/// The watcher knows of every token that ended before whoever ended it does, and of no other.
pub async fn watchers_learn_of_every_end(fixture: impl Fixture) {
    let store = &**fixture.store();
    let told: Arc<Mutex<Vec<TokenKey>>> = Arc::default();
    let ended = Arc::clone(&told);
    store.watch(Arc::new(move |keys| ended.lock().extend_from_slice(keys)));
    register(store, "shop").await;
    let tokens = vec![
        access_token(1, "shop"),
        one_time_token(2, "shop"),
        access_token(4, "shop"),
    ];
    insert(store, tokens).await;
    assert!(told.lock().is_empty(), "what begins does not end");
    revoke(store, by_client(stored(1), "stranger"), NOW).await;
    assert!(told.lock().is_empty(), "what is refused does not end");
    let signed = Probe::Signed(signed_token(3, "shop"));
    for (number, probe) in [(1, stored(1)), (3, signed)] {
        revoke(store, by_client(probe, "shop"), NOW).await;
        assert_eq!(std::mem::take(&mut *told.lock()), [key(number)]);
    }
    store
        .redeem(vec![redemption(2, "shop")], NOW)
        .await
        .expect("redeem");
    assert_eq!(*told.lock(), [key(2)]);
}

/// A client revokes its own tokens and no others.
pub async fn revoking_asks_for_the_owner(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    insert(store, vec![access_token(1, "shop")]).await;
    for probe in [stored(1), Probe::Signed(signed_token(2, "shop"))] {
        let stranger = by_client(probe.clone(), "stranger");
        assert_eq!(revoke(store, stranger, NOW).await, Revoked::NotYours);
        assert!(stands(store, probe.clone(), NOW).await);
        let owner = by_client(probe.clone(), "shop");
        assert_eq!(revoke(store, owner, NOW).await, Revoked::Revoked);
        assert!(!stands(store, probe, NOW).await);
    }
}

/// What is dead already is said to be, to whoever asks, also within one batch.
pub async fn revoking_twice_says_so(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    insert(
        store,
        vec![access_token(1, "shop"), one_time_token(2, "shop")],
    )
    .await;
    store
        .redeem(vec![redemption(2, "shop")], NOW)
        .await
        .expect("redeem");
    let signed = Probe::Signed(signed_token(3, "shop"));
    let batch = vec![
        by_administrator(stored(1)),
        by_client(stored(1), "stranger"),
        by_administrator(stored(2)),
        by_client(signed.clone(), "shop"),
        by_client(signed, "stranger"),
        by_administrator(stored(9)),
    ];
    assert_eq!(
        store.revoke(batch, NOW).await.expect("revoke"),
        [
            Revoked::Revoked,
            Revoked::AlreadyDead,
            Revoked::AlreadyDead,
            Revoked::Revoked,
            Revoked::AlreadyDead,
            Revoked::AlreadyDead,
        ]
    );
    insert(store, vec![access_token(4, "shop")]).await;
    let end = later(TTL_SECONDS);
    for probe in [stored(4), Probe::Signed(signed_token(5, "shop"))] {
        assert_eq!(
            revoke(store, by_administrator(probe), end).await,
            Revoked::AlreadyDead
        );
    }
}

/// A cut kills what was issued up to it, of its scope, and nothing else.
pub async fn cuts_cover_what_was_issued_before(fixture: impl Fixture) {
    let store = &**fixture.store();
    for name in ["ann", "bob"] {
        register(store, name).await;
    }
    let issued = |number: u64, name: &str, millis: u64| {
        let mut token = access_token(number, name);
        token.record.issued_at = UnixMillis(NOW.to_millis().0 + millis);
        token
    };
    insert(
        store,
        vec![
            issued(1, "ann", 5),
            issued(2, "ann", 6),
            issued(3, "bob", 5),
        ],
    )
    .await;
    let mut signed = signed_token(4, "ann");
    signed.issued_at = UnixMillis(NOW.to_millis().0 + 5);
    let check = async |expected: [bool; 4]| {
        let signed = Probe::Signed(signed.clone());
        let probes = [stored(1), stored(2), stored(3), signed];
        for (probe, expected) in probes.into_iter().zip(expected) {
            assert_eq!(
                stands(store, probe.clone(), NOW).await,
                expected,
                "{probe:?}"
            );
        }
    };
    assert_eq!(store.latest_cut().await.expect("latest"), None);
    check([true; 4]).await;
    let cut = |scope: CutScope, millis: u64| Cut {
        scope,
        issued_up_to: UnixMillis(NOW.to_millis().0 + millis),
        expires_at: later(TTL_SECONDS),
    };
    store
        .cut(cut(CutScope::Subject(subject("ann")), 5))
        .await
        .expect("cut");
    check([false, true, true, false]).await;
    store.cut(cut(CutScope::All, 4)).await.expect("cut");
    check([false, true, true, false]).await;
    let latest = store.latest_cut().await.expect("latest");
    assert_eq!(latest, Some(UnixMillis(NOW.to_millis().0 + 5)));
    store.cut(cut(CutScope::All, 6)).await.expect("cut");
    check([false; 4]).await;
}

/// Of two cuts of one scope the later dates count; an earlier one takes nothing back.
pub async fn cuts_of_one_scope_merge(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "ann").await;
    insert(store, vec![access_token(1, "ann")]).await;
    let cut = |issued_up_to: UnixMillis, expires_at: UnixSeconds| Cut {
        scope: CutScope::Subject(subject("ann")),
        issued_up_to,
        expires_at,
    };
    store
        .cut(cut(NOW.to_millis(), later(10)))
        .await
        .expect("cut");
    store.cut(cut(UnixMillis(0), later(20))).await.expect("cut");
    assert!(!stands(store, stored(1), NOW).await);
    for (now, latest) in [(19, Some(NOW.to_millis())), (20, None)] {
        sweep_all(store, 10, later(now)).await;
        assert_eq!(store.latest_cut().await.expect("latest"), latest, "{now}");
    }
}

/// An assertion is fresh once until it expires, and is no token.
pub async fn assertions_are_used_once(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    let uses = async |number: u64, expires_at: u64, now: u64| {
        let used = store
            .use_assertion(key(number), later(expires_at), later(now))
            .await;
        used.expect("use")
    };
    assert_eq!(uses(1, 10, 0).await, AssertionUse::Fresh);
    assert_eq!(uses(1, 10, 0).await, AssertionUse::Replayed);
    assert_eq!(uses(1, 10, 9).await, AssertionUse::Replayed);
    assert_eq!(uses(2, 10, 9).await, AssertionUse::Fresh);
    assert_eq!(
        uses(1, 20, 10).await,
        AssertionUse::Fresh,
        "the first one is long gone"
    );
    let signed = Probe::Signed(signed_token(1, "shop"));
    assert!(stands(store, signed.clone(), NOW).await);
    assert_eq!(
        revoke(store, by_administrator(signed), NOW).await,
        Revoked::Revoked
    );
    let mut other = signed_token(3, "shop");
    other.expires_at = later(30);
    revoke(store, by_administrator(Probe::Signed(other)), NOW).await;
    assert_eq!(uses(3, 30, 0).await, AssertionUse::Fresh);
}
