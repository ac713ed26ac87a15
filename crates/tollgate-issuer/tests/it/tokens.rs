//! Tokens listed, counted and revoked by administrators.

use tollgate_issuer::{
    AdminError, Issuer,
    check::Revoker,
    clients::{ClientPatch, NewClient},
    tokens::TokenId,
};
use tollgate_protocol::TokenFormat;
use tollgate_store::{Revoked, TokenFilter, TokenUse};

use crate::{
    bench::{Bench, DAY, HOUR, id},
    store::SharedStore,
};

/// A bench with clients `a` and `b`, whose access tokens are opaque.
async fn opaque() -> (Bench, Issuer<SharedStore>) {
    let bench = Bench::new();
    let issuer = bench.open().await;
    for name in ["a", "b"] {
        let token_format = Some(TokenFormat::Opaque);
        let new = NewClient {
            token_format,
            ..NewClient::new(id(name))
        };
        issuer.create_client(new, &bench.context()).await.unwrap();
    }
    (bench, issuer)
}

fn of_client(name: &str) -> TokenFilter {
    TokenFilter {
        client: Some(id(name)),
        ..TokenFilter::default()
    }
}

fn of_subject(name: &str) -> TokenFilter {
    TokenFilter {
        subject: Some(name.parse().unwrap()),
        ..TokenFilter::default()
    }
}

#[tokio::test]
async fn stored_tokens_are_listed_and_counted() {
    let (bench, issuer) = opaque().await;
    for _ in 0..3 {
        bench.access_token(&issuer, "a").await;
    }
    bench.one_time_token(&issuer, "a", "alice").await;
    bench.one_time_token(&issuer, "b", "alice").await;
    for (filter, expected) in [
        (TokenFilter::default(), 5),
        (of_client("a"), 4),
        (of_client("b"), 1),
        (of_client("c"), 0),
        (of_subject("alice"), 2),
        (of_subject("a"), 3),
        (
            TokenFilter {
                client: Some(id("a")),
                ..of_subject("alice")
            },
            1,
        ),
    ] {
        let context = bench.context();
        let count = issuer.count_tokens(filter.clone(), &context).await.unwrap();
        assert_eq!(count, expected, "{filter:?}");
        let page = issuer
            .tokens(filter.clone(), None, 1000, &context)
            .await
            .unwrap();
        assert_eq!(page.tokens.len() as u64, expected, "{filter:?}");
    }
    let first = issuer
        .tokens(of_client("a"), None, 3, &bench.context())
        .await
        .unwrap();
    let rest = issuer
        .tokens(of_client("a"), first.next, 3, &bench.context())
        .await
        .unwrap();
    assert_eq!(
        (first.tokens.len(), rest.tokens.len(), rest.next),
        (3, 1, None)
    );
    bench.pass(120);
    let page = issuer
        .tokens(TokenFilter::default(), None, 10, &bench.context())
        .await
        .unwrap();
    assert!(
        page.tokens
            .iter()
            .all(|(_, record)| record.usage == TokenUse::Access)
    );
}

/// Issues tokens of both formats for client `a`, and one of `b`; all of them are cached.
async fn family(bench: &Bench, issuer: &Issuer<SharedStore>) -> [String; 4] {
    let format = |format| ClientPatch {
        token_format: Some(Some(format)),
        ..ClientPatch::default()
    };
    let context = bench.context();
    issuer
        .update_client(&id("a"), &format(TokenFormat::Jwt), &context)
        .await
        .unwrap();
    let jwt = bench.access_token(issuer, "a").await;
    issuer
        .update_client(&id("a"), &format(TokenFormat::Opaque), &context)
        .await
        .unwrap();
    let opaque = bench.access_token(issuer, "a").await;
    let one_time = bench.one_time_token(issuer, "b", "a").await;
    let other = bench.access_token(issuer, "b").await;
    let family = [jwt, opaque, one_time, other];
    assert_eq!(alive(bench, issuer, &family).await, [true; 4]);
    family
}

async fn alive(bench: &Bench, issuer: &Issuer<SharedStore>, tokens: &[String]) -> Vec<bool> {
    let mut alive = Vec::new();
    for token in tokens {
        alive.push(bench.is_active(issuer, token).await);
    }
    alive
}

#[tokio::test]
async fn revoking_a_client_kills_its_tokens_and_no_others() {
    let (bench, issuer) = opaque().await;
    let tokens = family(&bench, &issuer).await;
    issuer
        .revoke_client_tokens(&id("a"), &bench.context())
        .await
        .unwrap();
    assert_eq!(
        alive(&bench, &issuer, &tokens).await,
        [false, false, true, true]
    );
    let next = bench.access_token(&issuer, "a").await;
    assert!(bench.is_active(&issuer, &next).await);
    let unknown = issuer
        .revoke_client_tokens(&id("c"), &bench.context())
        .await;
    assert!(
        matches!(unknown, Err(AdminError::NotFound("client"))),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn revoking_a_subject_kills_its_tokens_of_every_client() {
    let (bench, issuer) = opaque().await;
    let tokens = family(&bench, &issuer).await;
    issuer
        .revoke_subject_tokens("a".parse().unwrap(), &bench.context())
        .await
        .unwrap();
    assert_eq!(
        alive(&bench, &issuer, &tokens).await,
        [false, false, false, true]
    );
    // In the same millisecond, and yet later.
    let next = bench.access_token(&issuer, "a").await;
    assert!(bench.is_active(&issuer, &next).await);
    // The cut outlives every token that it covers, and a restart.
    let reopened = bench.open().await;
    assert_eq!(
        alive(&bench, &reopened, &tokens).await,
        [false, false, false, true]
    );
    assert!(bench.is_active(&reopened, &next).await);
}

#[tokio::test]
async fn a_cut_is_kept_as_long_as_the_longest_token_could_live() {
    let (bench, issuer) = opaque().await;
    let long = Some(Some(std::time::Duration::from_secs(30 * DAY)));
    let patch = ClientPatch {
        access_ttl: long,
        token_format: Some(Some(TokenFormat::Jwt)),
        ..ClientPatch::default()
    };
    issuer
        .update_client(&id("a"), &patch, &bench.context())
        .await
        .unwrap();
    let token = bench.access_token(&issuer, "a").await;
    issuer
        .revoke_subject_tokens("a".parse().unwrap(), &bench.context())
        .await
        .unwrap();
    bench.pass(30 * DAY - 1);
    use tollgate_store::Store as _;
    bench.store.sweep(1000, bench.context().now).await.unwrap();
    assert!(!bench.is_active(&issuer, &token).await);
}

#[tokio::test]
async fn one_token_is_revoked_by_its_id() {
    let (bench, issuer) = opaque().await;
    let tokens = family(&bench, &issuer).await;
    let context = bench.context();
    let live = issuer
        .check_one(&tokens[0], &context)
        .await
        .unwrap()
        .unwrap();
    let jti: TokenId = live.jti.unwrap().parse().unwrap();
    assert!(matches!(jti, TokenId::Signed(_)), "{jti:?}");
    assert_eq!(
        issuer.revoke_token_id(jti, &context).await.unwrap(),
        live.key
    );
    assert_eq!(
        alive(&bench, &issuer, &tokens).await,
        [false, true, true, true]
    );

    let page = issuer
        .tokens(of_client("a"), None, 10, &context)
        .await
        .unwrap();
    let listed: TokenId = page.tokens[0].0.to_string().parse().unwrap();
    issuer.revoke_token_id(listed, &context).await.unwrap();
    assert_eq!(
        alive(&bench, &issuer, &tokens).await,
        [false, false, true, true]
    );
    for again in [jti, listed] {
        let again = issuer.revoke_token_id(again, &context).await;
        assert!(matches!(again, Err(AdminError::NotFound(_))), "{again:?}");
    }
    for text in [
        "",
        "abc",
        "0123456789abcdef0123456789abcde",
        "?123456789abcdef0123456789abcdef",
    ] {
        assert!(text.parse::<TokenId>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_while_the_store_is_down() {
    let (bench, issuer) = opaque().await;
    let tokens = family(&bench, &issuer).await;
    let live = issuer
        .check_one(&tokens[0], &bench.context())
        .await
        .unwrap()
        .unwrap();
    bench.store.set_down(true);
    let context = bench.context();
    assert!(
        issuer
            .revoke_client_tokens(&id("a"), &context)
            .await
            .is_err()
    );
    assert!(
        issuer
            .revoke_subject_tokens("a".parse().unwrap(), &context)
            .await
            .is_err()
    );
    let by_id = issuer
        .revoke_token_id(live.key.to_string().parse().unwrap(), &context)
        .await;
    assert!(matches!(by_id, Err(AdminError::Broken(_))), "{by_id:?}");
    assert!(
        issuer
            .count_tokens(TokenFilter::default(), &context)
            .await
            .is_err()
    );
    assert!(
        issuer
            .tokens(TokenFilter::default(), None, 1, &context)
            .await
            .is_err()
    );
    bench.store.set_down(false);
    bench.pass(HOUR / 2);
    assert_eq!(alive(&bench, &issuer, &tokens[..2]).await, [true, true]);
    let revoked = issuer
        .revoke(&[&tokens[1]], &Revoker::Administrator, &bench.context())
        .await;
    assert!(matches!(revoked.unwrap()[..], [(_, Revoked::Revoked)]));
}
