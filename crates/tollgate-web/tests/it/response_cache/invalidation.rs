//! What takes answers away before their time.

use http::Response;
use tollgate_web::cache::TAGS_MAX;
use tollgate_web::response_cache::{CacheTags, ResponseCacheConfig};

use super::{Headers, Origin, answer};

const VARIES: Headers<'static> = &[("cache-control", "max-age=60"), ("vary", "accept")];

#[tokio::test]
async fn a_change_takes_away_what_stands_at_its_address() {
    let check = async |method: &str, status: u16, gone: bool| {
        let origin = Origin::with(ResponseCacheConfig::default(), move |request| {
            let mut response = answer(VARIES);
            if request.method() != "GET" {
                *response.status_mut() = status.try_into().unwrap();
            }
            response
        });
        let other: Headers<'static> = &[("accept", "x")];
        origin.get("/a", &[]).await;
        origin.get("/a", other).await;
        origin.get("/b", &[]).await;
        let seen = origin.ask(method, "/a", &[]).await;
        assert_eq!(seen.header("cache-status"), Some("tollgate; fwd=method"));
        let now = [
            origin.get("/a", &[]).await.body,
            origin.get("/a", other).await.body,
            origin.get("/b", &[]).await.body,
        ];
        let expected = if gone {
            ["5", "6", "3"]
        } else {
            ["1", "2", "3"]
        };
        assert_eq!(now, expected, "{method} {status}");
    };
    for method in ["POST", "PUT", "DELETE", "PATCH", "UNKNOWN"] {
        check(method, 200, true).await;
    }
    check("POST", 303, true).await;
    check("POST", 400, false).await;
    check("POST", 500, false).await;
    check("OPTIONS", 200, false).await;
}

/// Tagged by their paths' first and second parts.
fn tagged() -> Origin {
    Origin::with(ResponseCacheConfig::default(), |request| {
        let mut response: Response<()> = answer(VARIES);
        let parts = request.uri().path().split('/').skip(1);
        let tags = CacheTags(parts.map(str::to_owned).collect());
        response.extensions_mut().insert(tags);
        response
    })
}

#[tokio::test]
async fn purges_take_what_they_name_and_no_more() {
    let check = async |purge: &dyn Fn(&Origin), gone: &[&str]| {
        let origin = tagged();
        let paths = ["/news/1", "/news/2?x=1", "/old/1"];
        for path in paths {
            origin.get(path, &[]).await;
        }
        purge(&origin);
        for (path, call) in paths.iter().zip(1..) {
            let kept = origin.get(path, &[]).await.body == call.to_string();
            assert_eq!(kept, !gone.contains(path), "{path} of {gone:?}");
        }
    };
    check(&|_| {}, &[]).await;
    check(&|o| o.cache.purge("example.com", "/news/1"), &["/news/1"]).await;
    check(&|o| o.cache.purge("EXAMPLE.com", "/news/1"), &["/news/1"]).await;
    check(&|o| o.cache.purge("example.com", "/news/2"), &[]).await;
    check(&|o| o.cache.purge("other", "/news/1"), &[]).await;
    let news = ["/news/1", "/news/2?x=1"];
    check(&|o| o.cache.purge("example.com", "/news/*"), &news).await;
    check(&|o| o.cache.purge_tag("news"), &news).await;
    check(&|o| o.cache.purge_tag("1"), &["/news/1", "/old/1"]).await;
    check(&|o| o.cache.purge_tag("none"), &[]).await;
    let all = ["/news/1", "/news/2?x=1", "/old/1"];
    check(&|o| o.cache.purge_all(), &all).await;
}

#[tokio::test]
async fn what_could_not_be_purged_is_not_stored() {
    let origin = tagged();
    let path = "/t".repeat(TAGS_MAX + 1);
    origin.get(&path, &[]).await;
    assert_eq!(origin.get(&path, &[]).await.body, "2");
    assert_eq!(origin.cache.statistics().not_stored, 2);
    assert_eq!(origin.get(&path[2..], &[]).await.body, "3");
    assert_eq!(origin.get(&path[2..], &[]).await.body, "3");
}
