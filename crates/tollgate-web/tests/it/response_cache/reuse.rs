//! Which answers are given again, and how they look then.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty, Full};
use tollgate_web::RouteId;
use tollgate_web::cache::CacheClock;
#[cfg(feature = "layers")]
use tollgate_web::layers::SecretAnswer;
use tollgate_web::response_cache::{Authorized, ResponseCache, ResponseCacheConfig, SetCookie};
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;

use super::{Headers, Origin, answer};

const MINUTE: Headers<'static> = &[("cache-control", "max-age=60")];

#[tokio::test]
async fn a_fresh_answer_is_given_again_with_its_age() {
    let origin = Origin::saying(MINUTE);
    let first = origin.get("/a", &[]).await;
    assert_eq!((first.status, first.body.as_str()), (200, "1"));
    assert_eq!(
        first.header("cache-status"),
        Some("tollgate; fwd=uri-miss; stored")
    );
    assert_eq!(first.header("age"), None);
    origin.clock.advance(Duration::from_secs(59));
    let again = origin.get("/a", &[]).await;
    assert_eq!((again.status, again.body.as_str()), (200, "1"));
    assert_eq!(again.header("cache-status"), Some("tollgate; hit; ttl=1"));
    assert_eq!(again.header("age"), Some("59"));
    assert_eq!(again.header("cache-control"), Some("max-age=60"));
    origin.clock.advance(Duration::from_secs(1));
    let later = origin.get("/a", &[]).await;
    assert_eq!(later.body, "2");
    let figures = origin.cache.statistics();
    assert_eq!((figures.hits, figures.misses, figures.stored), (1, 2, 2));
    assert!(figures.memory.bytes > 0);
}

#[tokio::test]
async fn the_time_that_an_answer_took_counts_to_its_age() {
    let clock = Arc::new(OnceLock::<CacheClock>::new());
    let slow = Arc::clone(&clock);
    let origin = Origin::with(ResponseCacheConfig::default(), move |_| {
        slow.get().unwrap().advance(Duration::from_secs(30));
        answer(MINUTE)
    });
    clock.set(origin.clock.clone()).unwrap();
    origin.get("/a", &[]).await;
    let again = origin.get("/a", &[]).await;
    assert_eq!(again.header("age"), Some("30"));
    origin.clock.advance(Duration::from_secs(30));
    assert_eq!(origin.get("/a", &[]).await.body, "2");
}

#[tokio::test]
async fn an_answer_says_to_other_layers_what_it_said_at_first() {
    let cache = ResponseCache::new(ResponseCacheConfig::default());
    let service = service_fn(|_: Request<Empty<Bytes>>| async {
        let mut response = answer(MINUTE).map(|()| Full::<Bytes>::from("page"));
        response.extensions_mut().insert(RouteId::OTHER);
        #[cfg(feature = "layers")]
        response.extensions_mut().insert(SecretAnswer);
        Ok::<_, Infallible>(response)
    });
    for status in ["fwd=uri-miss; stored", "hit; ttl=60"] {
        let request = Request::get("/a").header("host", "t");
        let request = request.body(Empty::new()).unwrap();
        let response = cache.layer(service).oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        body.collect().await.unwrap();
        let told = head.headers["cache-status"].to_str().unwrap();
        assert!(told.ends_with(status), "{told}");
        assert!(head.extensions.get::<RouteId>().is_some(), "{status}");
        #[cfg(feature = "layers")]
        assert!(head.extensions.get::<SecretAnswer>().is_some(), "{status}");
    }
}

#[tokio::test]
async fn what_must_not_be_given_again_is_not() {
    let check = async |said: Headers<'static>, asked: Headers<'static>, again: bool| {
        let origin = Origin::saying(said);
        origin.get("/a", asked).await;
        let second = origin.get("/a", asked).await;
        let expected = if again { "1" } else { "2" };
        assert_eq!(second.body, expected, "{said:?} {asked:?}");
    };
    check(MINUTE, &[], true).await;
    check(&[], &[], false).await;
    for no in ["no-store", "private, max-age=60", "no-cache, max-age=60"] {
        let said: Headers<'static> = match no {
            "no-store" => &[("cache-control", "no-store, max-age=60")],
            "private, max-age=60" => &[("cache-control", "private, max-age=60")],
            _ => &[("cache-control", "no-cache, max-age=60")],
        };
        check(said, &[], false).await;
    }
    check(MINUTE, &[("authorization", "Bearer x")], false).await;
    let cookie: Headers<'static> = &[("cache-control", "max-age=60"), ("set-cookie", "a=b")];
    check(cookie, &[], false).await;
    check(MINUTE, &[("cache-control", "no-store")], false).await;
    check(MINUTE, &[("cache-control", "no-cache")], false).await;
    check(MINUTE, &[("cache-control", "max-age=0")], false).await;
    check(MINUTE, &[("cache-control", "min-fresh=61")], false).await;
    check(MINUTE, &[("cache-control", "min-fresh=59")], true).await;
    check(MINUTE, &[("pragma", "no-cache")], false).await;
    check(MINUTE, &[("range", "bytes=0-0")], false).await;
    check(
        &[("cache-control", "max-age=60"), ("vary", "*")],
        &[],
        false,
    )
    .await;
    check(&[("expires", "Sun, 09 Sep 2001 01:47:40 GMT")], &[], true).await;
    check(&[("expires", "Sun, 09 Sep 2001 01:46:40 GMT")], &[], false).await;
}

#[tokio::test]
async fn whoever_is_authorized_gets_nothing_of_others_unless_told() {
    let shared: Headers<'static> = &[("cache-control", "public, max-age=60")];
    let one: Headers<'static> = &[("authorization", "Bearer one")];
    let origin = Origin::saying(shared);
    origin.get("/a", &[]).await;
    assert_eq!(origin.get("/a", one).await.body, "2");
    assert_eq!(origin.cache.statistics().bypasses, 1);
    let told = |said: Headers<'static>| {
        let config = ResponseCacheConfig {
            authorized: Authorized::WhenShared,
            ..ResponseCacheConfig::default()
        };
        Origin::with(config, move |_| answer(said))
    };
    let origin = told(shared);
    origin.get("/a", one).await;
    assert_eq!(origin.get("/a", &[]).await.body, "1");
    let origin = told(MINUTE);
    origin.get("/a", one).await;
    assert_eq!(origin.get("/a", &[]).await.body, "2");
}

#[tokio::test]
async fn cookies_are_kept_only_if_told() {
    let config = ResponseCacheConfig {
        set_cookie: SetCookie::LikeOthers,
        ..ResponseCacheConfig::default()
    };
    let said: Headers<'static> = &[("cache-control", "max-age=60"), ("set-cookie", "a=b")];
    let origin = Origin::with(config, move |_| answer(said));
    origin.get("/a", &[]).await;
    let again = origin.get("/a", &[]).await;
    assert_eq!(
        (again.body.as_str(), again.header("set-cookie")),
        ("1", Some("a=b"))
    );
}

#[tokio::test]
async fn addresses_are_kept_apart() {
    let origin = Origin::saying(MINUTE);
    let mut call = 0;
    for path in [
        "/a",
        "/A",
        "/a?x=1",
        "/a?x=2",
        "/a/",
        "https://example.com/a",
    ] {
        call += 1;
        for _ in 0..2 {
            assert_eq!(origin.get(path, &[]).await.body, call.to_string(), "{path}");
        }
    }
    assert_eq!(origin.get("http://EXAMPLE.com/a", &[]).await.body, "1");
}

#[tokio::test]
async fn answers_that_vary_are_kept_apart() {
    let said: Headers<'static> = &[("cache-control", "max-age=60"), ("vary", "Accept, X-Y")];
    let origin = Origin::saying(said);
    let requests: [Headers<'static>; 7] = [
        &[],
        &[("accept", "a")],
        &[("accept", "b")],
        &[("accept", "")],
        &[("x-y", "a")],
        &[("accept", "a"), ("x-y", "a")],
        &[("accept", "a"), ("accept", "b")],
    ];
    for (request, call) in requests.iter().zip(1..) {
        let first = origin.get("/a", request).await;
        assert_eq!(first.body, call.to_string(), "{request:?}");
    }
    for (request, call) in requests.iter().zip(1..) {
        let again = origin.get("/a", request).await;
        assert_eq!(again.body, call.to_string(), "{request:?}");
    }
    let other = origin.get("/a", &[("accept", "c")]).await;
    assert_eq!(
        other.header("cache-status"),
        Some("tollgate; fwd=vary-miss; stored")
    );
    let unrelated = origin.get("/a", &[("accept", "c"), ("z", "1")]).await;
    assert_eq!(unrelated.body, "8");
}

#[tokio::test]
async fn an_answer_may_begin_to_vary_by_something_else() {
    let origin = Origin::with(ResponseCacheConfig::default(), |request| {
        match request.headers().contains_key("new") {
            true => answer(&[("cache-control", "max-age=60"), ("vary", "new, a")]),
            false => answer(&[("cache-control", "max-age=60"), ("vary", "a")]),
        }
    });
    origin.get("/", &[("a", "1")]).await;
    assert_eq!(origin.get("/", &[("a", "2"), ("new", "1")]).await.body, "2");
    assert_eq!(origin.get("/", &[("a", "2"), ("new", "1")]).await.body, "3");
    assert_eq!(origin.get("/", &[("a", "2"), ("new", "1")]).await.body, "3");
    assert_eq!(origin.get("/", &[("a", "2"), ("new", "2")]).await.body, "4");
}

#[tokio::test]
async fn a_client_that_has_it_is_told_so() {
    let said: Headers<'static> = &[
        ("cache-control", "max-age=60"),
        ("etag", "\"one\""),
        ("last-modified", "Sun, 09 Sep 2001 01:46:40 GMT"),
    ];
    let origin = Origin::saying(said);
    origin.get("/a", &[]).await;
    let check = async |name, value, status: u16| {
        let seen = origin.get("/a", &[(name, value)]).await;
        assert_eq!(seen.status, status, "{name}: {value}");
        assert_eq!(seen.body.is_empty(), status == 304, "{name}: {value}");
        assert_eq!(seen.header("etag"), Some("\"one\""));
    };
    check("if-none-match", "\"one\"", 304).await;
    check("if-none-match", "\"zero\", W/\"one\"", 304).await;
    check("if-none-match", "*", 304).await;
    check("if-none-match", "\"two\"", 200).await;
    check("if-none-match", "\"a,*,b\"", 200).await;
    check("if-modified-since", "Sun, 09 Sep 2001 01:46:40 GMT", 304).await;
    check("if-modified-since", "Sun, 09 Sep 2001 01:46:39 GMT", 200).await;
    check("if-modified-since", "x", 200).await;
    assert_eq!(origin.calls(), 1);
}

#[tokio::test]
async fn heads_are_taken_from_what_is_stored() {
    let origin = Origin::saying(MINUTE);
    origin.ask("HEAD", "/a", &[]).await;
    assert_eq!(origin.get("/a", &[]).await.body, "2", "a head has no body");
    let head = origin.ask("HEAD", "/a", &[]).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some("1"));
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn who_wants_nothing_else_gets_nothing_else() {
    let origin = Origin::saying(MINUTE);
    let only: Headers<'static> = &[("cache-control", "only-if-cached")];
    assert_eq!(origin.get("/a", only).await.status, 504);
    assert_eq!(origin.calls(), 0);
    origin.get("/a", &[]).await;
    assert_eq!(origin.get("/a", only).await.body, "1");
}

#[tokio::test]
async fn what_belonged_to_one_connection_is_not_given_again() {
    let origin = Origin::saying(&[
        ("cache-control", "max-age=60"),
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("x-end", "1"),
        ("age", "5"),
    ]);
    origin.get("/a", &[]).await;
    let again = origin.get("/a", &[]).await;
    assert_eq!(again.header("age"), Some("5"));
    for (name, value) in [("connection", None), ("x-hop", None), ("x-end", Some("1"))] {
        assert_eq!(again.header(name), value, "{name}");
    }
}
