//! Tokens are listed, counted and, when dead, removed.

use tollgate_protocol::{Now, UnixMillis, UnixSeconds};

use super::{
    Fixture,
    sample::{
        NOW, TTL_SECONDS, access_token, by_administrator, client, client_id, key, later,
        one_time_token, redemption, signed_token, stored, subject,
    },
    tokens::{insert, register, stands},
};
use crate::{
    AssertionUse, ClientEpoch, ClientRecord, Cut, CutScope, MARKS_OUTLAST, Probe, Store,
    TokenFilter, TokenKey,
};

/// Every key of the pages that `filter` passes.
pub(super) async fn every_key(
    store: &impl Store,
    filter: &TokenFilter,
    limit: usize,
    now: UnixSeconds,
) -> Vec<TokenKey> {
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let page = store
            .tokens(filter.clone(), after, limit, now)
            .await
            .expect("tokens");
        assert!(page.tokens.len() <= limit);
        keys.extend(page.tokens.iter().map(|(key, _)| *key));
        assert!(page.next.is_none() || page.next > after, "pages go on");
        after = page.next;
        if after.is_none() {
            return keys;
        }
    }
}

fn of_client(name: &str) -> TokenFilter {
    TokenFilter {
        client: Some(client_id(name)),
        subject: None,
    }
}

/// Pages of any size hold each live token once, in order.
pub async fn pages_hold_every_live_token(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "ann").await;
    register(store, "bob").await;
    let tokens = (0..40).map(|number| match number % 4 {
        0 => access_token(number, "bob"),
        1 => one_time_token(number, "ann"),
        _ => access_token(number, "ann"),
    });
    insert(store, tokens.collect()).await;
    store
        .revoke(vec![by_administrator(stored(2))], NOW)
        .await
        .expect("revoke");
    store
        .redeem(vec![redemption(1, "ann")], NOW)
        .await
        .expect("redeem");
    let mut expected: Vec<_> = (0..40)
        .filter(|number| number % 4 != 0 && *number > 2)
        .map(key)
        .collect();
    expected.sort_unstable();
    for limit in [1, 3, 10, 1000] {
        assert_eq!(
            every_key(store, &of_client("ann"), limit, NOW).await,
            expected
        );
    }
    assert_eq!(
        every_key(store, &TokenFilter::default(), 7, NOW)
            .await
            .len(),
        38
    );
    assert!(every_key(store, &of_client("eve"), 7, NOW).await.is_empty());
    let end = later(TTL_SECONDS);
    assert!(
        every_key(store, &TokenFilter::default(), 7, end)
            .await
            .is_empty()
    );
}

/// A count is as long as the pages together.
pub async fn counts_obey_their_filter(fixture: impl Fixture) {
    let store = &**fixture.store();
    for name in ["ann", "bob"] {
        register(store, name).await;
    }
    let mut tokens: Vec<_> = (0..10).map(|number| access_token(number, "ann")).collect();
    tokens.extend((10..14).map(|number| {
        let mut token = access_token(number, "bob");
        token.record.subject = subject("ann");
        token
    }));
    tokens.push(access_token(14, "gone"));
    insert(store, tokens).await;
    let filter = |client: Option<&str>, name: Option<&str>| TokenFilter {
        client: client.map(client_id),
        subject: name.map(subject),
    };
    for (filter, expected) in [
        (filter(None, None), 14),
        (filter(Some("ann"), None), 10),
        (filter(None, Some("ann")), 14),
        (filter(Some("bob"), Some("ann")), 4),
        (filter(Some("bob"), Some("bob")), 0),
        (filter(Some("gone"), None), 0),
    ] {
        assert_eq!(store.count(filter, NOW).await.expect("count"), expected);
    }
    assert_eq!(store.active(NOW), 15, "whoever owns them");
    let end = later(TTL_SECONDS);
    assert_eq!(
        store
            .count(TokenFilter::default(), end)
            .await
            .expect("count"),
        0
    );
}

/// Sweeps with `limit` until finished, both clocks at `now`; the number of records removed.
pub(super) async fn sweep_all(store: &impl Store, limit: usize, now: UnixSeconds) -> usize {
    sweep_all_at(store, limit, both(now)).await
}

/// Both clocks at `now`.
#[must_use]
pub const fn both(now: UnixSeconds) -> Now {
    Now {
        wall: now.to_millis(),
        steady: now.to_millis(),
    }
}

async fn sweep_all_at(store: &impl Store, limit: usize, now: Now) -> usize {
    let mut removed = 0;
    for _ in 0..10_000 {
        let outcome = store.sweep(limit, now).await.expect("sweep");
        assert!(outcome.removed <= limit);
        removed += outcome.removed;
        if outcome.finished {
            return removed;
        }
    }
    panic!("the sweep never finishes");
}

/// What has expired is removed in small steps, of every kind.
pub async fn sweeping_removes_what_expired(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    let cut = Cut {
        scope: CutScope::All,
        issued_up_to: NOW.to_millis(),
        expires_at: later(TTL_SECONDS),
    };
    insert(
        store,
        (0..20)
            .map(|number| one_time_token(number, "shop"))
            .collect(),
    )
    .await;
    store
        .redeem(vec![redemption(0, "shop")], NOW)
        .await
        .expect("redeem");
    let signed = by_administrator(Probe::Signed(signed_token(30, "shop")));
    store
        .revoke(vec![by_administrator(stored(1)), signed], NOW)
        .await
        .expect("revoke");
    let used = store
        .use_assertion(key(40), later(TTL_SECONDS), NOW)
        .await
        .expect("use");
    assert_eq!(used, AssertionUse::Fresh);
    assert_eq!(sweep_all(store, 3, later(TTL_SECONDS - 1)).await, 0);
    store.cut(cut).await.expect("cut");
    let end = later(TTL_SECONDS);
    assert_eq!(sweep_all(store, 3, end).await, 19 + 1, "tokens and the cut");
    assert_eq!(sweep_all(store, 1000, end).await, 0);
    assert_eq!(store.latest_cut().await.expect("latest"), None);
    let marks_end = end.plus(MARKS_OUTLAST);
    assert_eq!(sweep_all(store, 3, UnixSeconds(marks_end.0 - 1)).await, 0);
    assert_eq!(sweep_all(store, 3, marks_end).await, 2, "the marks");
    assert_eq!(store.active(end), 0);
}

/// Tokens that nothing brings back make room for others before they expire.
pub async fn sweeping_removes_what_is_lost(fixture: impl Fixture) {
    let store = &**fixture.store();
    for name in ["gone", "other", "cut", "stays"] {
        register(store, name).await;
    }
    let names = ["gone", "other", "cut", "stays"].into_iter().cycle();
    let tokens = (0..40).zip(names);
    insert(
        store,
        tokens
            .map(|(number, name)| one_time_token(number, name))
            .collect(),
    )
    .await;
    let consumed: Vec<_> = (0..4)
        .zip(["gone", "other", "cut", "stays"])
        .map(|(number, name)| redemption(number, name))
        .collect();
    store.redeem(consumed, NOW).await.expect("redeem");
    store
        .delete_client(client_id("gone"))
        .await
        .expect("delete");
    let other = ClientRecord {
        epoch: ClientEpoch(2),
        revision: client("other").revision + 1,
        ..client("other")
    };
    store.update_client(other).await.expect("update");
    let cut = Cut {
        scope: CutScope::Subject(subject("cut")),
        issued_up_to: NOW.to_millis(),
        expires_at: later(TTL_SECONDS),
    };
    store.cut(cut).await.expect("cut");
    assert_eq!(store.active(NOW), 36);
    assert_eq!(sweep_all(store, 7, NOW).await, 27, "all but the consumed");
    assert_eq!(store.active(NOW), 9);
    assert_eq!(
        every_key(store, &TokenFilter::default(), 100, NOW)
            .await
            .len(),
        9
    );
    assert_eq!(sweep_all(store, 7, NOW).await, 0);
    let end = later(TTL_SECONDS);
    assert_eq!(store.active(end), 0);
    assert_eq!(sweep_all(store, 7, end).await, 9 + 4 + 1);
    assert_eq!(store.active(NOW), 0, "none is counted twice");
}

/// What lives on is not touched.
pub async fn sweeping_spares_what_lives(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    let lives = (0..30).map(|number| {
        let mut token = one_time_token(number, "shop");
        token.record.expires_at = later(number % 3);
        token
    });
    insert(store, lives.collect()).await;
    let redeemed: Vec<_> = (0..6).map(|number| redemption(number, "shop")).collect();
    store
        .redeem(redeemed, UnixSeconds(NOW.0 - 1))
        .await
        .expect("redeem");
    let signed = Probe::Signed(signed_token(50, "shop"));
    store
        .revoke(vec![by_administrator(signed.clone())], NOW)
        .await
        .expect("revoke");
    assert_eq!(sweep_all(store, 4, later(1)).await, 20);
    assert_eq!(store.active(later(1)), 8);
    assert_eq!(
        every_key(store, &TokenFilter::default(), 3, later(1))
            .await
            .len(),
        8
    );
    let again = store
        .redeem(vec![redemption(2, "shop")], later(1))
        .await
        .expect("redeem");
    assert_eq!(again, [crate::Redeemed::AlreadyConsumed]);
    assert!(!stands(store, signed, later(1)).await);
}

/// Used assertions go by the wall clock, and they alone: where it stands behind, they are kept for
/// as long as they count by it.
pub async fn assertions_expire_by_the_wall_clock(fixture: impl Fixture) {
    let store = &**fixture.store();
    register(store, "shop").await;
    insert(store, vec![access_token(1, "shop")]).await;
    let signed = by_administrator(Probe::Signed(signed_token(2, "shop")));
    store.revoke(vec![signed], NOW).await.expect("revoke");
    let end = later(TTL_SECONDS);
    let uses = async |now| store.use_assertion(key(3), end, now).await.expect("use");
    assert_eq!(uses(NOW).await, AssertionUse::Fresh);
    let marks_end = end.plus(MARKS_OUTLAST);
    let behind = Now {
        wall: UnixMillis(marks_end.to_millis().0 - 1),
        steady: later(TTL_SECONDS * 100).to_millis(),
    };
    assert_eq!(sweep_all_at(store, 10, behind).await, 2, "token and mark");
    let used = uses(later(TTL_SECONDS - 1)).await;
    assert_eq!(used, AssertionUse::Replayed, "by a call that took long");
    assert_eq!(sweep_all(store, 10, marks_end).await, 1);
}
