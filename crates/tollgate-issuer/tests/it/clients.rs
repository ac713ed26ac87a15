//! Clients as administrators register, change and delete them.

use std::time::Duration;

use tollgate_issuer::{
    AdminError, Issuer, IssuerError,
    clients::{ClientPatch, NewClient},
};
use tollgate_jose::{Algorithm, SigningKey};
use tollgate_protocol::{ClientSecret, GrantType, TokenFormat};
use tollgate_store::{ClientState, Store};

use crate::{
    bench::{Bench, DAY, HOUR, id},
    store::SharedStore,
};

fn public_jwks(algorithm: Algorithm) -> String {
    let key = SigningKey::generate(algorithm)
        .unwrap()
        .1
        .public_jwk()
        .unwrap();
    format!(r#"{{"keys":[{}]}}"#, serde_json::to_string(&key).unwrap())
}

fn disabled() -> ClientPatch {
    ClientPatch {
        state: Some(ClientState::Disabled),
        ..ClientPatch::default()
    }
}

fn enabled() -> ClientPatch {
    ClientPatch {
        state: Some(ClientState::Enabled),
        ..ClientPatch::default()
    }
}

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(outcome: &Result<T, AdminError>, what: &str) {
    assert!(
        matches!(outcome, Err(AdminError::Invalid(_))),
        "{what}: {outcome:?}"
    );
}

#[tokio::test]
async fn a_secret_is_made_and_only_its_hash_is_kept() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let secret = bench.client(&issuer, "c").await;
    assert_eq!(secret.expose().len(), 43);
    assert!(bench.authenticates(&issuer, "c", &secret).await);
    let other = bench.client(&issuer, "d").await;
    assert_ne!(secret.expose(), other.expose());
    assert!(!bench.authenticates(&issuer, "c", &other).await);
    let record = format!("{:?}", issuer.client(&id("c")).await.unwrap());
    assert!(!record.contains(secret.expose()), "{record}");
    let again = issuer
        .create_client(NewClient::new(id("c")), &bench.context())
        .await;
    assert!(
        matches!(again, Err(AdminError::AlreadyExists("client"))),
        "{again:?}"
    );
    assert!(bench.authenticates(&issuer, "c", &secret).await);
}

#[tokio::test]
async fn imported_secrets_must_not_be_guessable() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let create = async |text: &str| {
        let secret = ClientSecret::new(text.into()).unwrap();
        let new = NewClient {
            secret: Some(secret),
            ..NewClient::new(id("c"))
        };
        issuer.create_client(new, &bench.context()).await
    };
    for weak in [
        "hunter2",
        &"x".repeat(64),
        &"0123456789"[..9].repeat(8),
        &"aB3$".repeat(7),
        // One character short of 128 bits.
        "Kc2vLzXQ0rT5uWm8yB1dE",
    ] {
        assert_invalid(&create(weak).await, weak);
    }
    // 128 random bits, as others make secrets.
    let text = "Kc2vLzXQ0rT5uWm8yB1dEg";
    assert!(create(text).await.is_ok());
    let secret = ClientSecret::new(text.into()).unwrap();
    assert!(bench.authenticates(&issuer, "c", &secret).await);
}

/// Tries to register each of `clients`, which must all be refused for the reason given.
async fn assert_refused<const N: usize>(clients: [(&str, NewClient); N]) {
    let bench = Bench::new();
    let issuer = bench.open().await;
    for (why, new) in clients {
        match issuer.create_client(new, &bench.context()).await {
            Err(AdminError::Invalid(message)) => assert!(message.contains(why), "{message}"),
            other => panic!("{why}: {other:?}"),
        }
    }
    assert!(bench.store.clients(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let usual = || NewClient::new(id("c"));
    let ttl = |ttl: Duration| NewClient {
        access_ttl: Some(ttl),
        ..usual()
    };
    assert_refused([
        (
            "grants",
            NewClient {
                grants: Vec::new(),
                ..usual()
            },
        ),
        (
            "grants",
            NewClient {
                grants: vec![GrantType::ClientCredentials; 2],
                ..usual()
            },
        ),
        (
            "name",
            NewClient {
                name: "n".repeat(257),
                ..usual()
            },
        ),
        (
            "name",
            NewClient {
                name: "a\nb".into(),
                ..usual()
            },
        ),
        ("access_ttl", ttl(Duration::ZERO)),
        ("access_ttl", ttl(Duration::from_millis(1500))),
        ("access_ttl", ttl(Duration::from_secs(31 * DAY))),
    ])
    .await;
}

#[tokio::test]
async fn keys_that_cannot_be_trusted_are_refused() {
    let set = |keys: &str| format!(r#"{{"keys":[{keys}]}}"#);
    let document = public_jwks(Algorithm::ES256);
    let key = document
        .strip_prefix(r#"{"keys":["#)
        .unwrap()
        .strip_suffix("]}")
        .unwrap();
    let private = key.replacen('{', r#"{"d":"AAAA","#, 1);
    let jwks = |text: String| NewClient {
        jwks: Some(text),
        ..NewClient::new(id("c"))
    };
    assert_refused([
        ("no JWK Set", jwks("keys".into())),
        ("1 to 16 keys", jwks(set(""))),
        ("no JWK Set", jwks("{}".into())),
        (
            "key 0: use key: unsupported key type",
            jwks(set(r#"{"kty":"new"}"#)),
        ),
        ("`k` is secret", jwks(set(r#"{"kty":"oct","k":"AAAA"}"#))),
        ("`d` is secret", jwks(set(&private))),
        (
            "key 1: another key has the same `kid`",
            jwks(set(&format!("{key},{key}"))),
        ),
        (
            "key 0: use key: RSA modulus too short",
            jwks(set(r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#)),
        ),
        (
            "key 1: use key: unsupported key type",
            jwks(set(&format!(r#"{key},{{"kty":"new"}}"#))),
        ),
        ("1 to 16 keys", jwks(set(&vec![key; 17].join(",")))),
        (
            "longer than",
            jwks(format!("{}{document}", " ".repeat(32 * 1024))),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_client_with_keys_needs_no_secret_but_one_of_the_two() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let jwks = Some(public_jwks(Algorithm::EdDSA));
    let new = NewClient {
        jwks,
        ..NewClient::new(id("c"))
    };
    let created = issuer.create_client(new, &bench.context()).await.unwrap();
    assert!(created.secret.is_none() && created.record.secrets.is_empty());
    let without = ClientPatch {
        jwks: Some(None),
        ..ClientPatch::default()
    };
    let refused = issuer
        .update_client(&id("c"), &without, &bench.context())
        .await;
    assert_invalid(&refused, "neither keys nor secret");
    issuer
        .rotate_secret(&id("c"), None, None, &bench.context())
        .await
        .unwrap();
    let updated = issuer
        .update_client(&id("c"), &without, &bench.context())
        .await
        .unwrap();
    assert_eq!(updated.jwks, None);
}

/// Both kinds of token of client `c`, checked once so that they are cached.
async fn tokens(bench: &Bench, issuer: &Issuer<SharedStore>) -> [String; 2] {
    let jwt = bench.access_token(issuer, "c").await;
    let opaque = bench.one_time_token(issuer, "c", "alice").await;
    for token in [&jwt, &opaque] {
        assert!(bench.is_active(issuer, token).await);
    }
    [jwt, opaque]
}

async fn assert_dead(bench: &Bench, issuer: &Issuer<SharedStore>, tokens: &[String]) {
    for token in tokens {
        assert!(!bench.is_active(issuer, token).await, "{token}");
    }
}

#[tokio::test]
async fn a_disabled_client_is_dead_at_once_and_its_tokens_for_ever() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let secret = bench.client(&issuer, "c").await;
    let old = tokens(&bench, &issuer).await;
    issuer
        .update_client(&id("c"), &disabled(), &bench.context())
        .await
        .unwrap();
    assert_dead(&bench, &issuer, &old).await;
    assert!(!bench.authenticates(&issuer, "c", &secret).await);
    issuer
        .update_client(&id("c"), &enabled(), &bench.context())
        .await
        .unwrap();
    assert!(bench.authenticates(&issuer, "c", &secret).await);
    assert_dead(&bench, &issuer, &old).await;
    tokens(&bench, &issuer).await;
}

#[tokio::test]
async fn a_deleted_client_stays_dead_under_its_successor() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let secret = bench.client(&issuer, "c").await;
    let old = tokens(&bench, &issuer).await;
    issuer.delete_client(&id("c")).await.unwrap();
    assert_dead(&bench, &issuer, &old).await;
    assert!(!bench.authenticates(&issuer, "c", &secret).await);
    let again = issuer.delete_client(&id("c")).await;
    assert!(
        matches!(again, Err(AdminError::NotFound("client"))),
        "{again:?}"
    );
    bench.client(&issuer, "c").await;
    assert_dead(&bench, &issuer, &old).await;
    assert!(!bench.authenticates(&issuer, "c", &secret).await);
}

#[tokio::test]
async fn patches_change_what_they_name_and_nothing_else() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let before = issuer.client(&id("c")).await.unwrap();
    bench.pass(60);
    let patch = ClientPatch {
        name: Some("Orders".into()),
        token_format: Some(Some(TokenFormat::Opaque)),
        access_ttl: Some(Some(Duration::from_secs(HOUR / 2))),
        ..ClientPatch::default()
    };
    let after = issuer
        .update_client(&id("c"), &patch, &bench.context())
        .await
        .unwrap();
    let mut expected = (*before).clone();
    expected.name = "Orders".into();
    expected.token_format = Some(TokenFormat::Opaque);
    expected.access_ttl = Some(Duration::from_secs(HOUR / 2));
    expected.updated_at = bench.now();
    expected.revision = before.revision + 1;
    assert_eq!(*after, expected);
    // The caches have forgotten the client as it was.
    assert!(bench.access_token(&issuer, "c").await.starts_with("tgat_"));
    let back = ClientPatch {
        token_format: Some(None),
        ..ClientPatch::default()
    };
    issuer
        .update_client(&id("c"), &back, &bench.context())
        .await
        .unwrap();
    assert!(bench.access_token(&issuer, "c").await.starts_with("eyJ"));

    let unknown = issuer
        .update_client(&id("x"), &patch, &bench.context())
        .await;
    assert!(
        matches!(unknown, Err(AdminError::NotFound("client"))),
        "{unknown:?}"
    );
    let long = ClientPatch {
        name: Some("n".repeat(300)),
        ..ClientPatch::default()
    };
    assert_invalid(
        &issuer
            .update_client(&id("c"), &long, &bench.context())
            .await,
        "long name",
    );
}

#[tokio::test]
async fn changes_that_meet_faster_ones_are_tried_again() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    bench.store.conflict(3);
    issuer
        .update_client(&id("c"), &disabled(), &bench.context())
        .await
        .unwrap();
    assert_eq!(
        issuer.client(&id("c")).await.unwrap().state,
        ClientState::Disabled
    );
    bench.store.conflict(1000);
    let lost = issuer
        .update_client(&id("c"), &enabled(), &bench.context())
        .await;
    assert!(
        matches!(lost, Err(AdminError::Conflict("client"))),
        "{lost:?}"
    );
    assert_eq!(
        issuer.client(&id("c")).await.unwrap().state,
        ClientState::Disabled
    );
}

#[tokio::test]
async fn a_rotated_secret_overlaps_as_long_as_asked() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let first = bench.client(&issuer, "c").await;
    let day = Some(Duration::from_secs(DAY));
    let second = issuer
        .rotate_secret(&id("c"), day, None, &bench.context())
        .await
        .unwrap();
    assert_eq!(second.previous_expires_at.unwrap().0, bench.now().0 + DAY);
    assert!(bench.authenticates(&issuer, "c", &first).await);
    assert!(bench.authenticates(&issuer, "c", &second.secret).await);
    bench.pass(DAY - 1);
    assert!(bench.authenticates(&issuer, "c", &first).await);
    // Another rotation gives the first secret no more time.
    let third = issuer
        .rotate_secret(&id("c"), day, None, &bench.context())
        .await
        .unwrap();
    bench.pass(1);
    assert!(!bench.authenticates(&issuer, "c", &first).await);
    assert!(bench.authenticates(&issuer, "c", &second.secret).await);
    // Without overlap all earlier ones stop at once.
    let fourth = issuer
        .rotate_secret(&id("c"), None, None, &bench.context())
        .await
        .unwrap();
    assert_eq!(fourth.previous_expires_at, None);
    for stopped in [&first, &second.secret, &third.secret] {
        assert!(!bench.authenticates(&issuer, "c", stopped).await);
    }
    assert!(bench.authenticates(&issuer, "c", &fourth.secret).await);
}

#[tokio::test]
async fn secrets_do_not_pile_up() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    let keep = Some(Duration::from_secs(DAY));
    for _ in 1..8 {
        issuer
            .rotate_secret(&id("c"), keep, None, &bench.context())
            .await
            .unwrap();
    }
    let refused = issuer
        .rotate_secret(&id("c"), keep, None, &bench.context())
        .await;
    assert_invalid(&refused, "a ninth secret");
    let long = Some(Duration::from_secs(91 * DAY));
    assert_invalid(
        &issuer
            .rotate_secret(&id("c"), long, None, &bench.context())
            .await,
        "91 days",
    );
    bench.pass(DAY);
    issuer
        .rotate_secret(&id("c"), keep, None, &bench.context())
        .await
        .unwrap();
    assert_eq!(issuer.client(&id("c")).await.unwrap().secrets.len(), 2);
    let unknown = issuer
        .rotate_secret(&id("x"), None, None, &bench.context())
        .await;
    assert!(
        matches!(unknown, Err(AdminError::NotFound("client"))),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn a_client_that_could_not_be_stored_is_not_acknowledged() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    bench.client(&issuer, "c").await;
    bench.store.set_down(true);
    let context = bench.context();
    let is_down = |error: AdminError| {
        assert!(
            matches!(error, AdminError::Broken(IssuerError::Store(_))),
            "{error}"
        );
    };
    is_down(
        issuer
            .create_client(NewClient::new(id("d")), &context)
            .await
            .unwrap_err(),
    );
    is_down(
        issuer
            .update_client(&id("c"), &disabled(), &context)
            .await
            .unwrap_err(),
    );
    is_down(issuer.delete_client(&id("c")).await.unwrap_err());
    is_down(
        issuer
            .rotate_secret(&id("c"), None, None, &context)
            .await
            .unwrap_err(),
    );
    bench.store.set_down(false);
    assert_eq!(bench.store.clients(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn clients_come_in_pages() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    for number in 0..5 {
        bench.client(&issuer, &format!("c{number}")).await;
    }
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = issuer.clients(after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        names.extend(page.iter().map(|client| client.id.to_string()));
    }
    assert_eq!(names, ["c0", "c1", "c2", "c3", "c4"]);
}
