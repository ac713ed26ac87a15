//! Whether a token counts: nothing is cached past its death, and a store that is down is no excuse
//! for a guess.

use tollgate_issuer::{
    Issuer, IssuerError, check::Revoker, grant::GrantError, one_time::RedeemError,
};
use tollgate_protocol::{GrantType, TokenFormat};
use tollgate_store::Revoked;

use crate::{
    bench::{Bench, HOUR, id},
    store::SharedStore,
};

/// Lets the store say that `token` counts, ends it with `kill` before the issuer hears that, and
/// demands that the late answer changes nothing.
fn race(bench: &Bench, issuer: &Issuer<SharedStore>, token: &str, kill: impl AsyncFnOnce()) {
    let check = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(bench.is_active(issuer, token))
    };
    let gatekeeper = bench.store.hold_next_standing();
    std::thread::scope(|scope| {
        let early = scope.spawn(check);
        gatekeeper.await_arrival();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(kill());
        gatekeeper.open();
        assert!(early.join().unwrap(), "asked before it died");
    });
    assert!(!check(), "outlived its death");
}

async fn ready(format: TokenFormat) -> (Bench, Issuer<SharedStore>) {
    let mut bench = Bench::new();
    bench.settings.access_format = format;
    let issuer = bench.open().await;
    bench.client(&issuer, "shop").await;
    (bench, issuer)
}

/// Runs `future` on a thread of its own, where it may block.
fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future);
}

#[test]
fn no_cache_outlives_a_revocation() {
    run(async {
        for format in [TokenFormat::Opaque, TokenFormat::Jwt] {
            let (bench, issuer) = ready(format).await;
            let token = bench.access_token(&issuer, "shop").await;
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    race(&bench, &issuer, &token, async || {
                        let revoker = Revoker::Client(id("shop"));
                        let context = bench.context();
                        let outcome = issuer.revoke(&[&token], &revoker, &context).await.unwrap();
                        assert_eq!(outcome[0].1, Revoked::Revoked);
                    });
                });
            });
        }
    });
}

#[test]
fn no_cache_outlives_a_change_of_the_client() {
    run(async {
        for format in [TokenFormat::Opaque, TokenFormat::Jwt] {
            let (bench, issuer) = ready(format).await;
            let token = bench.access_token(&issuer, "shop").await;
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    race(&bench, &issuer, &token, async || {
                        let context = bench.context();
                        issuer
                            .revoke_client_tokens(&id("shop"), &context)
                            .await
                            .unwrap();
                    });
                });
            });
        }
    });
}

#[tokio::test]
async fn with_the_store_down_only_what_needs_no_store_goes_on() {
    let (bench, issuer) = ready(TokenFormat::Jwt).await;
    bench.client(&issuer, "unseen").await;
    let token = bench.access_token(&issuer, "shop").await;
    bench.store.set_down(true);
    let context = bench.context();
    bench.access_token(&issuer, "shop").await;
    assert!(!bench.jwks(&issuer).kids().is_empty());
    let unseen = issuer.find_client(&id("unseen"), &context).await;
    assert!(matches!(unseen, Err(IssuerError::Store(_))), "{unseen:?}");
    assert!(matches!(
        issuer.check_one(&token, &context).await,
        Err(IssuerError::Store(_))
    ));
    let revoked = issuer
        .revoke(&[&token], &Revoker::Administrator, &context)
        .await;
    assert!(matches!(revoked, Err(IssuerError::Store(_))));
    let client = issuer
        .find_client(&id("shop"), &context)
        .await
        .unwrap()
        .unwrap();
    let one_time = issuer
        .issue_one_time(&client, Default::default(), &context)
        .await;
    assert!(one_time.is_err());
    bench.store.set_down(false);
    assert!(
        bench.is_active(&issuer, &token).await,
        "a revocation that failed is not half done"
    );
}

#[tokio::test]
async fn an_opaque_token_is_not_handed_out_before_it_is_kept() {
    let (bench, issuer) = ready(TokenFormat::Opaque).await;
    let context = bench.context();
    let client = issuer
        .find_client(&id("shop"), &context)
        .await
        .unwrap()
        .unwrap();
    bench.store.set_down(true);
    let grant = GrantType::ClientCredentials;
    let issued = issuer
        .grant(grant, &client, Default::default(), &context)
        .await;
    assert!(matches!(
        issued,
        Err(GrantError::Broken(IssuerError::Store(_)))
    ));
}

/// `exp` is of the wall clock, for others to read; here a token lives by the clock that it was
/// dated by in its `jti`, and that clock is not set back.
#[tokio::test]
async fn a_token_lives_as_long_whatever_the_wall_clock_says() {
    for format in [TokenFormat::Jwt, TokenFormat::Opaque] {
        // How far the wall clock is behind when the token is issued, and later.
        for (at_issue, later) in [(0, 0), (0, 2 * HOUR), (2 * HOUR, 2 * HOUR), (2 * HOUR, 0)] {
            let what = format!("{format:?}: {at_issue}, then {later} behind");
            let (bench, issuer) = ready(format).await;
            bench.set_wall_back(at_issue);
            let token = bench.access_token(&issuer, "shop").await;
            bench.set_wall_back(later);
            // Also where no cache has seen it.
            for issuer in [&issuer, &bench.open().await] {
                assert!(bench.is_active(issuer, &token).await, "{what}: at once");
            }
            bench.pass(HOUR - 1);
            for issuer in [&issuer, &bench.open().await] {
                assert!(bench.is_active(issuer, &token).await, "{what}: to the end");
            }
            bench.pass(1);
            for issuer in [&issuer, &bench.open().await] {
                assert!(!bench.is_active(issuer, &token).await, "{what}: no longer");
            }
        }
    }
}

/// A gateway's call looks at a one-time token, then redeems it.
#[tokio::test]
async fn what_was_looked_at_is_redeemed_without_another_look() {
    let (bench, issuer) = ready(TokenFormat::Jwt).await;
    let context = bench.context();
    let token = bench.one_time_token(&issuer, "shop", "alice").await;
    let live = issuer.check_one(&token, &context).await.unwrap().unwrap();
    let redeemed = issuer.redeem_live(&live, &context).await.unwrap();
    assert_eq!((redeemed.key, &redeemed.record), (live.key, &live.record));
    assert_eq!(bench.store.take_standings(), 1);
    // Whoever looked at the same time and comes later is too late.
    let late = issuer.redeem_live(&live, &context).await;
    assert!(
        matches!(late, Err(RedeemError::AlreadyConsumed(_))),
        "{late:?}"
    );
    let access = bench.access_token(&issuer, "shop").await;
    let live = issuer.check_one(&access, &context).await.unwrap().unwrap();
    let redeemed = issuer.redeem_live(&live, &context).await;
    assert!(matches!(redeemed, Err(RedeemError::Dead)), "{redeemed:?}");
}
