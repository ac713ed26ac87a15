//! Backup and restore: what comes back, and what must not.

use tollgate_issuer::{
    AdminError, Issuer, authenticate::Credentials, check::Revoker, clients::NewClient,
    keys::KeyState, one_time::RedeemError,
};
use tollgate_jose::{Algorithm, SigningKey, compact, encode_header};
use tollgate_store::Store as _;

use crate::{
    bench::{Bench, HOUR, id, kid, master},
    store::SharedStore,
};

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, AdminError>, why: &str) {
    match outcome {
        Err(AdminError::Invalid(message)) => assert!(message.contains(why), "{message}"),
        other => panic!("{other:?}"),
    }
}

async fn backup(bench: &Bench, issuer: &Issuer<SharedStore>) -> Vec<u8> {
    issuer.backup(&bench.context()).await.unwrap()
}

#[tokio::test]
async fn clients_and_keys_come_back_and_tokens_do_not() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let secret = bench.client(&issuer, "c").await;
    let before = bench.access_token(&issuer, "c").await;
    let file = backup(&bench, &issuer).await;
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
    let elsewhere = Bench::new();
    elsewhere.set_now(bench.now().0);
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
    let file = backup(&bench, &issuer).await;
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
    let file = backup(&bench, &issuer).await;
    issuer.revoke_key(&stolen, &bench.context()).await.unwrap();
    issuer.restore(&file, &bench.context()).await.unwrap();
    let keys = issuer.keys(&bench.context());
    let state = |kid: &str| keys.iter().find(|key| key.kid == kid).map(|key| key.state);
    assert_eq!(state(&stolen), Some(KeyState::Revoked));
    let token = bench.access_token(&issuer, "c").await;
    assert_ne!(kid(&token), stolen);
    assert!(bench.is_active(&issuer, &token).await);
    assert_eq!(bench.jwks(&issuer).kids(), [kid(&token)]);
}

#[tokio::test]
async fn no_cache_remembers_what_was_before() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let file = backup(&bench, &issuer).await;
    let secret = bench.client(&issuer, "c").await;
    let token = bench.access_token(&issuer, "c").await;
    assert!(bench.is_active(&issuer, &token).await);
    assert!(bench.authenticates(&issuer, "c", &secret).await);
    issuer.restore(&file, &bench.context()).await.unwrap();
    assert!(!bench.is_active(&issuer, &token).await);
    assert!(!bench.authenticates(&issuer, "c", &secret).await);
}

/// No cut covers assertions: one that was caught on its way could be used again otherwise.
#[tokio::test]
async fn an_assertion_stays_used_whenever_it_was() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let (_, key) = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let jwks = format!(
        r#"{{"keys":[{}]}}"#,
        serde_json::to_string(&key.public_jwk().unwrap()).unwrap()
    );
    let new = NewClient {
        jwks: Some(jwks),
        ..NewClient::new(id("keyed"))
    };
    issuer.create_client(new, &bench.context()).await.unwrap();
    let assertion = |jti: &str| {
        let claims = serde_json::json!({
            "iss": "keyed", "sub": "keyed", "aud": bench.settings.issuer,
            "jti": jti, "exp": bench.now().0 + 600,
        });
        let header = encode_header(Algorithm::EdDSA, key.kid(), "JWT");
        let mut assertion = String::new();
        compact(&header, claims.to_string().as_bytes(), &key, &mut assertion).unwrap();
        assertion
    };
    let counts = async |issuer: &Issuer<SharedStore>, assertion: &str| {
        let credentials = Credentials::Assertion {
            client_id: None,
            assertion,
        };
        let outcome = issuer.authenticate(credentials, &bench.context()).await;
        outcome.is_ok()
    };
    let [before, after, unused] = ["before", "after", "unused"].map(assertion);
    assert!(counts(&issuer, &before).await);
    let file = backup(&bench, &issuer).await;
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
    let file = backup(&bench, &issuer).await;
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

/// The clock stood ahead when a subject was cut off; later it was put right and a backup restored.
#[tokio::test]
async fn cuts_of_a_clock_that_stood_ahead_do_not_kill_new_tokens() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let now = bench.now().0;
    bench.pass(10 * HOUR);
    issuer
        .revoke_subject_tokens("c".parse().unwrap(), &bench.context())
        .await
        .unwrap();
    let file = backup(&bench, &issuer).await;
    let elsewhere = Bench::new();
    elsewhere.set_now(now + HOUR);
    let restored = elsewhere.open().await;
    let report = restored.restore(&file, &elsewhere.context()).await.unwrap();
    assert!(report.tokens_refused_before.0 > now + 10 * HOUR);
    let token = elsewhere.access_token(&restored, "c").await;
    assert!(elsewhere.is_active(&restored, &token).await);
}

#[tokio::test]
async fn a_file_that_is_not_whole_is_refused_and_changes_nothing() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let file = backup(&bench, &issuer).await;
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
    let file = backup(&bench, &issuer).await;
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
    let file = backup(&bench, &issuer).await;
    bench.store.set_down(true);
    assert!(matches!(
        issuer.backup(&bench.context()).await,
        Err(AdminError::Broken(_))
    ));
    let restored = issuer.restore(&file, &bench.context()).await;
    assert!(
        matches!(restored, Err(AdminError::Broken(_))),
        "{restored:?}"
    );
}
