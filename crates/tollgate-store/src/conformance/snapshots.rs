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
use crate::{AssertionUse, ClientRecord, Cut, CutScope, Probe, Redeemed, Snapshot, Store};

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

/// A snapshot has clients, keys, marks and cuts, and no expired ones.
pub async fn an_export_carries_what_is_in_force(fixture: impl Fixture) {
    let store = &**fixture.store();
    assert_eq!(
        store.export(NOW).await.expect("export"),
        Snapshot::default()
    );
    fill(store).await;
    let mut expected = Snapshot {
        clients: vec![client("bob"), client("shop")],
        key_ring: key_ring(1),
        spent: vec![(key(4), later(TTL_SECONDS))],
        assertions: vec![(key(6), later(TTL_SECONDS))],
        cuts: vec![cut(CutScope::Subject(subject("bob")), 0)],
    };
    assert_eq!(store.export(NOW).await.expect("export"), expected);
    expected.spent.clear();
    expected.assertions.clear();
    let end = later(TTL_SECONDS);
    assert_eq!(store.export(end).await.expect("export"), expected);
}

/// After a restore nothing issued before it counts, on the same store or on another.
pub async fn a_restore_revives_nothing<F: Fixture>(fixture: F) {
    let store = &**fixture.store();
    fill(store).await;
    let backup = store.export(NOW).await.expect("export");
    let after = by_administrator(Probe::Signed(signed_token(5, "shop")));
    store.revoke(vec![after], NOW).await.expect("revoke");
    register(store, "newcomer").await;
    let other = F::open().await;
    for store in [store, &**other.store()] {
        store
            .import(backup.clone(), cut(CutScope::All, 9))
            .await
            .expect("import");
        assert_eq!(store.active(NOW), 0);
        assert_eq!(
            store.latest_cut().await.expect("latest"),
            Some(UnixMillis(NOW.to_millis().0 + 9))
        );
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
        }
        let used = store.use_assertion(key(6), later(TTL_SECONDS), NOW).await;
        assert_eq!(used.expect("use"), AssertionUse::Replayed);
        let redeemed = store.redeem(vec![redemption(2, "shop")], NOW).await;
        assert_eq!(redeemed.expect("redeem"), [Redeemed::Dead]);
        let mut fresh = access_token(8, "shop");
        fresh.record.issued_at = UnixMillis(NOW.to_millis().0 + 10);
        insert(store, vec![fresh]).await;
        assert!(
            stands(store, stored(8), NOW).await,
            "issued after the restore"
        );
        assert_eq!(store.active(NOW), 1);
    }
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
    let before = fixture.store().export(NOW).await.expect("export");
    let fixture = fixture.restart().await;
    let store = &**fixture.store();
    assert_eq!(store.export(NOW).await.expect("export"), before);
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
