//! Backup and restore: what comes back, and what must not.

use std::time::Duration;

use tollgate_issuer::{
    AdminError, Issuer, backup::end_every_token, check::Revoker, keys::KeyState,
    one_time::RedeemError,
};
use tollgate_protocol::TokenFormat;
use tollgate_store::{ClientChange, ClientRecord, Revoked, Store as _};

use crate::{
    assertions::{self, KeyHolder},
    bench::{Bench, DAY, HOUR, SLACK, START, id, kid, master},
    store::SharedStore,
};

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, AdminError>, why: &str) {
    match outcome {
        Err(AdminError::Invalid(message)) => assert!(message.contains(why), "{message}"),
        other => panic!("{other:?}"),
    }
}

async fn backup(issuer: &Issuer<SharedStore>) -> Vec<u8> {
    issuer.backup().await.unwrap()
}

#[tokio::test]
async fn clients_and_keys_come_back_and_tokens_do_not() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let secret = bench.client(&issuer, "c").await;
    let before = bench.access_token(&issuer, "c").await;
    let file = backup(&issuer).await;
    bench.pass(60);
    bench.client(&issuer, "later").await;
    let between = bench.access_token(&issuer, "c").await;
    let one_time = bench.one_time_token(&issuer, "c", "alice").await;
    issuer.delete_client(&id("c")).await.unwrap();

    let report = issuer.restore(&file, &bench.context()).await.unwrap();
    assert_eq!((report.clients, report.keys), (1, 1));
    assert!(report.tokens_refused_before > bench.now());
    assert!(bench.authenticates(&issuer, "c", &secret).await);
    assert!(matches!(
        issuer.client(&id("later")).await,
        Err(AdminError::NotFound(_))
    ));
    for token in [&before, &between, &one_time] {
        assert!(!bench.is_active(&issuer, token).await, "{token}");
    }
    // In the same millisecond, and yet after the restore; under the same key.
    let after = bench.access_token(&issuer, "c").await;
    assert!(bench.is_active(&issuer, &after).await);
    assert_eq!(kid(&after), kid(&before));
    // The same on a new, empty store, also a restart later.
    let elsewhere = bench.elsewhere();
    let restored = elsewhere.open().await;
    restored.restore(&file, &elsewhere.context()).await.unwrap();
    for issuer in [&restored, &elsewhere.open().await] {
        assert!(elsewhere.authenticates(issuer, "c", &secret).await);
        assert!(!elsewhere.is_active(issuer, &before).await);
    }
}

#[tokio::test]
async fn what_was_consumed_or_revoked_before_the_backup_stays_so() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let revoked = bench.access_token(&issuer, "c").await;
    let consumed = bench.one_time_token(&issuer, "c", "alice").await;
    let context = bench.context();
    issuer
        .revoke(&[&revoked], &Revoker::Administrator, &context)
        .await
        .unwrap();
    issuer.redeem_as_bearer(&consumed, &context).await.unwrap();
    let file = backup(&issuer).await;
    issuer.restore(&file, &context).await.unwrap();
    assert!(!bench.is_active(&issuer, &revoked).await);
    let again = issuer.redeem_as_bearer(&consumed, &context).await;
    assert!(
        matches!(
            again,
            Err(RedeemError::Dead | RedeemError::AlreadyConsumed(_))
        ),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_key_revoked_since_the_backup_stays_revoked() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let stolen = kid(&bench.access_token(&issuer, "c").await);
    let file = backup(&issuer).await;
    issuer.revoke_key(&stolen, &bench.context()).await.unwrap();
    // However long ago that was.
    bench.pass(26 * HOUR);
    issuer.tick_keys(&bench.context()).await.unwrap();
    issuer.restore(&file, &bench.context()).await.unwrap();
    assert_withdrawn(&bench, &issuer, &stolen).await;
}

/// The key is revoked, out of the JWKS, and another one signs.
async fn assert_withdrawn(bench: &Bench, issuer: &Issuer<SharedStore>, stolen: &str) {
    let keys = issuer.keys(&bench.context());
    let own = keys.iter().find(|key| key.kid == stolen);
    assert_eq!(own.map(|key| key.state), Some(KeyState::Revoked));
    let token = bench.access_token(issuer, "c").await;
    assert_ne!(kid(&token), stolen);
    assert!(bench.is_active(issuer, &token).await);
    assert_eq!(bench.jwks(issuer).kids(), [kid(&token)]);
}

/// One backup is from before the key was made, the next one has it, then it is revoked.
#[tokio::test]
async fn a_revoked_key_is_remembered_through_a_backup_that_does_not_have_it() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let first = kid(&bench.access_token(&issuer, "c").await);
    let without = backup(&issuer).await;
    let stolen = issuer.rotate_key(None, &bench.context()).await.unwrap().kid;
    let with = backup(&issuer).await;
    for revoked in [&stolen, &first] {
        issuer.revoke_key(revoked, &bench.context()).await.unwrap();
    }
    let report = issuer.restore(&without, &bench.context()).await.unwrap();
    assert_eq!(report.keys, 1, "a new one in place of the two");
    bench.pass(26 * HOUR);
    issuer.tick_keys(&bench.context()).await.unwrap();
    issuer.restore(&with, &bench.context()).await.unwrap();
    for revoked in [&stolen, &first] {
        assert_withdrawn(&bench, &issuer, revoked).await;
    }
    // A backup from after that takes the knowledge elsewhere.
    let file = backup(&issuer).await;
    let elsewhere = bench.elsewhere();
    let other = elsewhere.open().await;
    for file in [&file, &with] {
        other.restore(file, &elsewhere.context()).await.unwrap();
        assert_withdrawn(&elsewhere, &other, &stolen).await;
    }
}

#[tokio::test]
async fn no_cache_remembers_what_was_before() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let file = backup(&issuer).await;
    let secret = bench.client(&issuer, "c").await;
    let token = bench.access_token(&issuer, "c").await;
    assert!(bench.is_active(&issuer, &token).await);
    assert!(bench.authenticates(&issuer, "c", &secret).await);
    issuer.restore(&file, &bench.context()).await.unwrap();
    assert!(!bench.is_active(&issuer, &token).await);
    assert!(!bench.authenticates(&issuer, "c", &secret).await);
}

/// Requests go on while a restore runs: the time that it began with is not the time at which it is
/// done.
#[tokio::test]
async fn what_is_revoked_while_a_restore_runs_stays_so() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let file = backup(&issuer).await;
    let early = bench.context();
    bench.pass(1);
    let (revoked, live) = (
        bench.access_token(&issuer, "c").await,
        bench.access_token(&issuer, "c").await,
    );
    issuer
        .revoke(&[&revoked], &Revoker::Administrator, &bench.context())
        .await
        .unwrap();
    issuer.restore(&file, &early).await.unwrap();
    for issuer in [&issuer, &bench.open().await] {
        for token in [&revoked, &live] {
            assert!(!bench.is_active(issuer, token).await, "{token}");
        }
    }
}

/// Whoever read a client before the restore and writes it afterwards must not put its old life back.
#[tokio::test]
async fn a_change_that_began_before_does_not_bring_the_old_life_back() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let token = bench.access_token(&issuer, "c").await;
    let file = backup(&issuer).await;
    let mut changed = ClientRecord::clone(&*issuer.client(&id("c")).await.unwrap());
    changed.revision += 1;
    issuer.restore(&file, &bench.context()).await.unwrap();
    assert_eq!(
        bench.store.update_client(changed).await.unwrap(),
        ClientChange::Conflict
    );
    assert!(!bench.is_active(&issuer, &token).await);
}

/// The service lost the time: it does not know what has expired, nor of which expired tokens it
/// forgot the revocation.
#[tokio::test]
async fn without_the_time_every_token_ends() {
    for format in [TokenFormat::Jwt, TokenFormat::Opaque] {
        let mut bench = Bench::new();
        bench.settings.access_format = format;
        let issuer = bench.open().await;
        let secret = bench.client(&issuer, "c").await;
        let begun = bench.now().0;
        // The clock stands ahead by a year, and a sweep goes by it.
        bench.pass(365 * DAY);
        let [live, revoked] = [
            bench.access_token(&issuer, "c").await,
            bench.access_token(&issuer, "c").await,
        ];
        let context = bench.context();
        let outcome = issuer
            .revoke(&[&revoked], &Revoker::Administrator, &context)
            .await;
        assert_eq!(outcome.unwrap()[0].1, Revoked::Revoked);
        let overlap = Some(Duration::from_secs(DAY));
        let rotated = issuer
            .rotate_secret(&id("c"), overlap, None, &context)
            .await
            .unwrap();
        bench.pass(2 * HOUR);
        let now = bench.context().now;
        bench.store.sweep(1000, now).await.unwrap();
        drop(issuer);

        bench.set_now(begun + HOUR);
        let context = bench.context();
        end_every_token(&bench.store, &context).await.unwrap();
        let issuer = bench.open().await;
        for token in [&live, &revoked] {
            assert!(!bench.is_active(&issuer, token).await, "{token}");
        }
        assert!(bench.authenticates(&issuer, "c", &rotated.secret).await);
        assert!(bench.authenticates(&issuer, "c", &secret).await);
        let token = bench.access_token(&issuer, "c").await;
        assert!(bench.is_active(&issuer, &token).await);
        bench.pass(HOUR);
        assert!(!bench.is_active(&issuer, &token).await, "it lives as said");
        bench.pass(90 * DAY);
        assert!(!bench.authenticates(&issuer, "c", &secret).await);
        assert!(bench.authenticates(&issuer, "c", &rotated.secret).await);
    }
}

/// While the clock stood ahead keys were made that would sign in a year.
#[tokio::test]
async fn a_clock_that_stood_ahead_does_not_hold_up_rotation() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    bench.pass(365 * DAY);
    issuer.tick_keys(&bench.context()).await.unwrap();
    issuer.rotate_key(None, &bench.context()).await.unwrap();
    bench.set_now(START + HOUR);
    let issuer = bench.open().await;
    bench.access_token(&issuer, "c").await;
    let key = issuer.rotate_key(None, &bench.context()).await.unwrap();
    assert_eq!(key.signs_from.0, START + HOUR + DAY + SLACK);
    bench.pass(DAY + SLACK);
    issuer.tick_keys(&bench.context()).await.unwrap();
    assert_eq!(kid(&bench.access_token(&issuer, "c").await), key.kid);
}

/// Tokens end with their clients' lives, assertions do not: one that was caught on its way could be
/// used again otherwise.
#[tokio::test]
async fn an_assertion_stays_used_whenever_it_was() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let holder = KeyHolder::register(&bench, &issuer).await;
    let assertion = |jti: &str| holder.assertion(jti, bench.now().0 + 600);
    let counts = async |issuer: &Issuer<SharedStore>, assertion: &str| {
        assertions::counts(issuer, assertion, &bench.context()).await
    };
    let [before, after, unused] = ["before", "after", "unused"].map(assertion);
    assert!(counts(&issuer, &before).await);
    let file = backup(&issuer).await;
    assert!(counts(&issuer, &after).await);
    issuer.restore(&file, &bench.context()).await.unwrap();
    for issuer in [&issuer, &bench.open().await] {
        assert!(!counts(issuer, &before).await, "used before the backup");
        assert!(!counts(issuer, &after).await, "used since the backup");
    }
    assert!(counts(&issuer, &unused).await);
}

/// Other instances learn of the restore, although the restored ring is older than theirs.
#[tokio::test]
async fn other_instances_take_the_restored_ring() {
    let bench = Bench::new();
    let (issuer, other) = (bench.open().await, bench.open().await);
    let file = backup(&issuer).await;
    for _ in 0..3 {
        issuer.rotate_key(None, &bench.context()).await.unwrap();
    }
    other.tick_keys(&bench.context()).await.unwrap();
    assert_eq!(other.keys(&bench.context()).len(), 4);
    let before = bench.store.key_ring().await.unwrap().revision;
    issuer.restore(&file, &bench.context()).await.unwrap();
    other.tick_keys(&bench.context()).await.unwrap();
    assert_eq!(other.keys(&bench.context()), issuer.keys(&bench.context()));
    assert_eq!(other.keys(&bench.context()).len(), 1);
    // A change that was planned on the ring before the restore must not go through afterwards.
    assert!(bench.store.key_ring().await.unwrap().revision > before);
    other.rotate_key(None, &bench.context()).await.unwrap();
}

/// The clock stood ahead when a subject was cut off; later a backup is restored where it is right.
#[tokio::test]
async fn cuts_of_a_clock_that_stood_ahead_do_not_date_new_tokens() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let now = bench.now().0;
    bench.pass(10 * HOUR);
    issuer
        .revoke_subject_tokens("c".parse().unwrap(), &bench.context())
        .await
        .unwrap();
    let file = backup(&issuer).await;
    let elsewhere = bench.elsewhere();
    elsewhere.set_now(now + HOUR);
    let restored = elsewhere.open().await;
    restored.restore(&file, &elsewhere.context()).await.unwrap();
    let token = elsewhere.access_token(&restored, "c").await;
    assert!(elsewhere.is_active(&restored, &token).await);
    elsewhere.pass(HOUR);
    assert!(!elsewhere.is_active(&restored, &token).await);
}

#[tokio::test]
async fn a_file_that_is_not_whole_is_refused_and_changes_nothing() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let file = backup(&issuer).await;
    bench.client(&issuer, "later").await;
    let restore = async |file: &[u8]| issuer.restore(file, &bench.context()).await;

    assert_refused(restore(b"").await, "not a Tollgate backup");
    assert_refused(restore(b"{}").await, "not a Tollgate backup");
    let mut version = file.clone();
    version[8] = 2;
    assert_refused(restore(&version).await, "later version");
    for cut in [9, 12, 17, 100, file.len() - 64, file.len() - 1] {
        assert_refused(restore(&file[..cut]).await, "damaged");
    }
    assert_refused(restore(&[&file[..], b"\n"].concat()).await, "damaged");
    for position in (9..file.len() - 32).step_by(7) {
        let mut changed = file.clone();
        changed[position] ^= 1;
        assert_refused(restore(&changed).await, "damaged");
    }
    let mut forged = file.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_refused(restore(&forged).await, "another master key");
    assert!(issuer.client(&id("later")).await.is_ok());

    let stranger = Bench::new();
    let other = stranger.try_open(master(9)).await.unwrap();
    let refused = other.restore(&file, &stranger.context()).await;
    assert_refused(refused, "another master key");
}

#[tokio::test]
async fn the_file_holds_no_secret() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let secret = bench.client(&issuer, "c").await;
    let token = bench.access_token(&issuer, "c").await;
    let file = backup(&issuer).await;
    let holds = |text: &str| {
        file.windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(holds(r#""c""#));
    assert!(!holds(secret.expose()) && !holds(&token));
}

#[tokio::test]
async fn nothing_is_backed_up_or_restored_while_the_store_is_down() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let file = backup(&issuer).await;
    bench.store.set_down(true);
    assert!(matches!(issuer.backup().await, Err(AdminError::Broken(_))));
    let restored = issuer.restore(&file, &bench.context()).await;
    assert!(
        matches!(restored, Err(AdminError::Broken(_))),
        "{restored:?}"
    );
}
