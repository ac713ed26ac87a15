//! `private_key_jwt`: an assertion counts once, whatever becomes of the clocks.

use tollgate_issuer::{Context, Issuer, authenticate::Credentials, clients::NewClient};
use tollgate_jose::{Algorithm, SigningKey, compact, encode_header};
use tollgate_protocol::{Now, UnixMillis};
use tollgate_store::Store as _;

use crate::{
    bench::{Bench, HOUR, START, id},
    store::SharedStore,
};

/// The client `keyed`, which has a key and no secret.
pub(crate) struct KeyHolder {
    key: SigningKey,
    audience: String,
}

impl KeyHolder {
    pub(crate) async fn register(bench: &Bench, issuer: &Issuer<SharedStore>) -> Self {
        let (_, key) = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let public = serde_json::to_string(&key.public_jwk().unwrap()).unwrap();
        let new = NewClient {
            jwks: Some(format!(r#"{{"keys":[{public}]}}"#)),
            ..NewClient::new(id("keyed"))
        };
        issuer.create_client(new, &bench.context()).await.unwrap();
        Self {
            key,
            audience: bench.settings.issuer.clone(),
        }
    }

    pub(crate) fn assertion(&self, jti: &str, exp: u64) -> String {
        let claims = serde_json::json!({
            "iss": "keyed", "sub": "keyed", "aud": self.audience, "jti": jti, "exp": exp,
        });
        let header = encode_header(Algorithm::EdDSA, self.key.kid(), "JWT");
        let mut assertion = String::new();
        let claims = claims.to_string();
        compact(&header, claims.as_bytes(), &self.key, &mut assertion).unwrap();
        assertion
    }
}

pub(crate) async fn counts(
    issuer: &Issuer<SharedStore>,
    assertion: &str,
    context: &Context<'_>,
) -> bool {
    let credentials = Credentials::Assertion {
        client_id: None,
        assertion,
    };
    issuer.authenticate(credentials, context).await.is_ok()
}

/// The wall clock and the one that never runs back, in milliseconds after [`START`].
type Clocks = (u64, u64);

const fn now((wall, steady): Clocks) -> Now {
    Now {
        wall: UnixMillis(START * 1000 + wall),
        steady: UnixMillis(START * 1000 + steady),
    }
}

/// The first second in which the assertions no longer count: `exp`, and the leeway of clocks.
const END_SECONDS: u64 = 600 + 30;
const END: u64 = END_SECONDS * 1000;
const HOUR_MILLIS: u64 = HOUR * 1000;

/// An assertion that was used at `first`, before `sweep`, is refused at `again`.
async fn check(what: &str, first: Clocks, sweep: Option<Clocks>, again: Clocks) {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let holder = KeyHolder::register(&bench, &issuer).await;
    let [used, other] = ["used", "other"].map(|jti| holder.assertion(jti, START + 600));
    let at = |clocks| Context {
        now: now(clocks),
        ..bench.context()
    };
    assert!(counts(&issuer, &used, &at(first)).await, "{what}");
    if let Some(sweep) = sweep {
        bench.store.sweep(1000, now(sweep)).await.unwrap();
    }
    assert!(
        counts(&issuer, &other, &at(again)).await,
        "{what}: it is time"
    );
    assert!(!counts(&issuer, &used, &at(again)).await, "{what}");
}

#[tokio::test]
async fn an_assertion_counts_once_whatever_the_clocks_say() {
    let last = (END - 1, END - 1);
    check("to the end", (0, 0), None, last).await;
    check(
        "seconds of two clocks",
        (0, 500),
        None,
        (END - 300, END + 200),
    )
    .await;
    let back = (END - 1, END - 1 + HOUR_MILLIS);
    check("set back", (0, 0), None, back).await;
    check(
        "set back, swept",
        (0, 0),
        Some((END - 1, 9 * HOUR_MILLIS)),
        back,
    )
    .await;
    let stands_back = (0, 9 * HOUR_MILLIS);
    check("stands back, swept", stands_back, Some(back), back).await;
    let late = Some((END + 30_000, END + 30_000));
    check("a call that took long", (0, 0), late, last).await;
}

#[tokio::test]
async fn an_assertion_that_has_expired_does_not_count() {
    let bench = Bench::new();
    let issuer = bench.open().await;
    let holder = KeyHolder::register(&bench, &issuer).await;
    let assertion = holder.assertion("1", START + 600);
    // By the wall clock, which the client reads too.
    for (wall, steady, expected) in [(END, END, false), (END - 1, END + HOUR_MILLIS, true)] {
        let context = Context {
            now: now((wall, steady)),
            ..bench.context()
        };
        assert_eq!(counts(&issuer, &assertion, &context).await, expected);
    }
}
