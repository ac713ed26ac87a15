//! What survives: a restart everything, a restore what must stay dead.

use tollgate_protocol::UnixMillis;

use super::{
    Fixture,
    sample::{
        NOW, TTL_SECONDS, access_token, by_administrator, client, client_id, key, key_ring, later,
        one_time_token, redemption, signed_token, stored, subject,
    },
    tokens::{insert, register, stands},
};
use crate::{
    AssertionUse, ClientEpoch, ClientRecord, Cut, CutScope, Probe, Redeemed, SignedToken, Snapshot,
    Store,
};

fn cut(scope: CutScope, millis_after: u64) -> Cut {
    Cut {
        scope,
        issued_up_to: UnixMillis(NOW.to_millis().0 + millis_after),
        expires_at: later(TTL_SECONDS * 2),
    }
}

/// A store with some of everything: tokens 1 (access), 2 (consumed), 3 (revoked); revoked signed
/// token 4, live signed token 5; used assertion 6; the subject `bob` cut off.
async fn fill(store: &impl Store) {
    register(store, "shop").await;
    register(store, "bob").await;
    store.replace_key_ring(key_ring(1)).await.expect("ring");
    let tokens = vec![
        access_token(1, "shop"),
        one_time_token(2, "shop"),
        access_token(3, "shop"),
        access_token(7, "bob"),
    ];
    insert(store, tokens).await;
    store
        .redeem(vec![redemption(2, "shop")], NOW)
        .await
        .expect("redeem");
    let signed = by_administrator(Probe::Signed(signed_token(4, "shop")));
    store
        .revoke(vec![by_administrator(stored(3)), signed], NOW)
        .await
        .expect("revoke");
    store
        .use_assertion(key(6), later(TTL_SECONDS), NOW)
        .await
        .expect("use");
    store
        .cut(cut(CutScope::Subject(subject("bob")), 0))
        .await
        .expect("cut");
}

/// A snapshot has clients, keys and used assertions, and nothing of tokens.
pub async fn an_export_carries_no_token(fixture: impl Fixture) {
    let store = &**fixture.store();
    assert_eq!(store.export().await.expect("export"), Snapshot::default());
    fill(store).await;
    let expected = Snapshot {
        clients: vec![client("bob"), client("shop")],
        key_ring: key_ring(1),
        assertions: vec![(key(6), later(TTL_SECONDS))],
    };
    assert_eq!(store.export().await.expect("export"), expected);
}

/// `snapshot` with its clients in epoch 2.
fn in_another_life(mut snapshot: Snapshot) -> Snapshot {
    for client in &mut snapshot.clients {
        client.epoch = ClientEpoch(2);
    }
    snapshot
}

/// After a restore nothing issued before it counts, on the same store or on another, whatever it is
/// dated; and what is issued afterwards does, whatever was revoked before.
pub async fn a_restore_revives_nothing<F: Fixture>(fixture: F) {
    let store = &**fixture.store();
    fill(store).await;
    let backup = in_another_life(store.export().await.expect("export"));
    let after = by_administrator(Probe::Signed(signed_token(5, "shop")));
    store.revoke(vec![after], NOW).await.expect("revoke");
    store
        .cut(cut(CutScope::All, 1_000_000))
        .await
        .expect("a cut from a clock that stands ahead");
    register(store, "newcomer").await;
    let other = F::open().await;
    for store in [store, &**other.store()] {
        store.import(backup.clone()).await.expect("import");
        assert_eq!(store.active(NOW), 0);
        assert_eq!(store.latest_cut().await.expect("latest"), None);
        assert_eq!(store.key_ring().await.expect("ring"), key_ring(1));
        assert_eq!(
            store.client(&client_id("newcomer")).await.expect("client"),
            None
        );
        for number in [1, 2, 3, 7] {
            assert!(!stands(store, stored(number), NOW).await);
        }
        for number in [4, 5] {
            assert!(!stands(store, Probe::Signed(signed_token(number, "shop")), NOW).await);
            let later = SignedToken {
                epoch: ClientEpoch(2),
                ..signed_token(number, "shop")
            };
            assert!(stands(store, Probe::Signed(later), NOW).await);
        }
        let redeemed = store.redeem(vec![redemption(2, "shop")], NOW).await;
        assert_eq!(redeemed.expect("redeem"), [Redeemed::Dead]);
        let mut fresh = access_token(8, "shop");
        fresh.record.epoch = ClientEpoch(2);
        insert(store, vec![fresh]).await;
        assert!(
            stands(store, stored(8), NOW).await,
            "issued after the restore"
        );
        assert_eq!(store.active(NOW), 1);
    }
}

/// An assertion stays used, be it before the backup, since then, or between the backup and another
/// restore; the later of two ends counts.
pub async fn a_restore_forgets_no_used_assertion<F: Fixture>(fixture: F) {
    let store = &**fixture.store();
    let uses = async |store: &F::Store, number: u64, expires_at: u64, now: u64| {
        let used = store.use_assertion(key(number), later(expires_at), later(now));
        used.await.expect("use")
    };
    assert_eq!(uses(store, 1, 10, 0).await, AssertionUse::Fresh);
    assert_eq!(uses(store, 2, 10, 0).await, AssertionUse::Fresh);
    let mut backup = store.export().await.expect("export");
    backup.assertions = vec![(key(1), later(20)), (key(2), later(5))];
    for number in [3, 4] {
        assert_eq!(uses(store, number, 10, 0).await, AssertionUse::Fresh);
        store.import(backup.clone()).await.expect("import");
    }
    let fixture = fixture.restart().await;
    let store = &**fixture.store();
    for (number, end) in [(1, 20), (2, 10), (3, 10), (4, 10)] {
        let last = uses(store, number, 30, end - 1).await;
        assert_eq!(last, AssertionUse::Replayed, "assertion {number}");
    }
    let mut kept = store.export().await.expect("export").assertions;
    kept.sort_unstable_by_key(|(_, end)| *end);
    let ends: Vec<_> = kept.iter().map(|(_, end)| *end).collect();
    assert_eq!(ends, [later(10), later(10), later(10), later(20)]);
    let other = F::open().await;
    let store = &**other.store();
    store.import(backup).await.expect("import");
    assert_eq!(uses(store, 1, 30, 19).await, AssertionUse::Replayed);
    assert_eq!(uses(store, 3, 30, 0).await, AssertionUse::Fresh);
}

/// Whatever was answered holds after the store was closed and opened again.
pub async fn everything_survives_a_restart(fixture: impl Fixture) {
    fill(&**fixture.store()).await;
    let changed = ClientRecord {
        name: "changed".to_owned(),
        revision: 2,
        ..client("shop")
    };
    fixture
        .store()
        .update_client(changed)
        .await
        .expect("update");
    let before = fixture.store().export().await.expect("export");
    let fixture = fixture.restart().await;
    let store = &**fixture.store();
    assert_eq!(store.export().await.expect("export"), before);
    let latest = store.latest_cut().await.expect("latest");
    assert_eq!(latest, Some(NOW.to_millis()));
    assert_eq!(store.active(NOW), 2);
    assert_eq!(store.active(later(TTL_SECONDS)), 0);
    for (number, expected) in [(1, true), (2, false), (3, false), (7, false)] {
        assert_eq!(
            stands(store, stored(number), NOW).await,
            expected,
            "token {number}"
        );
    }
    for (number, expected) in [(4, false), (5, true)] {
        let probe = Probe::Signed(signed_token(number, "shop"));
        assert_eq!(
            stands(store, probe, NOW).await,
            expected,
            "signed token {number}"
        );
    }
    let redeemed = store.redeem(vec![redemption(2, "shop")], NOW).await;
    assert_eq!(redeemed.expect("redeem"), [Redeemed::AlreadyConsumed]);
    let used = store.use_assertion(key(6), later(TTL_SECONDS), NOW).await;
    assert_eq!(used.expect("use"), AssertionUse::Replayed);
}
