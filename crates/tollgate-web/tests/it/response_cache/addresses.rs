//! Whose answer it is: requests for one host or address get nothing of another's.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tollgate_web::layers::ClientAddress;
use tollgate_web::response_cache::{ResponseCache, ResponseCacheConfig};
use tollgate_web::{RequestInfo, Scheme, TrustedProxies};
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;

/// A cache behind a proxy that is trusted.
struct Site {
    cache: ResponseCache,
    calls: Arc<AtomicU32>,
}

impl Site {
    fn new() -> Self {
        Self {
            cache: ResponseCache::new(ResponseCacheConfig::default()),
            calls: Arc::default(),
        }
    }

    /// The number of the call that made the answer.
    async fn ask(&self, target: &str, headers: &[(&str, &str)], body: &'static str) -> String {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let peer = "10.0.0.1:1".parse().unwrap();
        let info = RequestInfo::new(peer, peer, Scheme::Http);
        let request = request.extension(info).body(Full::from(body)).unwrap();
        let calls = Arc::clone(&self.calls);
        let service = service_fn(move |_: Request<Full<Bytes>>| {
            let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
            let response = Response::builder().header("cache-control", "max-age=60");
            let response = response.body(Full::<Bytes>::from(call.to_string()));
            async move { Ok::<_, Infallible>(response.unwrap()) }
        });
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let service = ClientAddress::new(proxies).layer(self.cache.layer(service));
        let response = service.oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }
}

#[tokio::test]
async fn a_host_does_not_pass_for_a_part_of_the_path() {
    let site = Site::new();
    for (target, host) in [
        ("/b", "example.com/a"),
        ("/b", "example.com/a?x="),
        ("/b", "u@example.com/a"),
        ("http://example.com/a/b", "elsewhere"),
    ] {
        site.ask(target, &[("host", host)], "").await;
    }
    let two = [("host", "elsewhere"), ("host", "example.com")];
    site.ask("/a/b", &two, "").await;
    assert_eq!(site.cache.statistics().stored, 0);
    let ours = [("host", "example.com")];
    assert_eq!(site.ask("/a/b", &ours, "").await, "6");
    assert_eq!(site.ask("/a/b", &ours, "").await, "6");
    assert_eq!(site.ask("/a?x=/b", &ours, "").await, "7");
}

#[tokio::test]
async fn a_proxy_asks_for_its_clients_hosts() {
    let site = Site::new();
    let of = |forwarded| [("host", "backend"), ("x-forwarded-host", forwarded)];
    assert_eq!(site.ask("/a", &of("one.example"), "").await, "1");
    assert_eq!(site.ask("/a", &of("two.example"), "").await, "2");
    assert_eq!(site.ask("/a", &[("host", "backend")], "").await, "3");
    assert_eq!(site.ask("/a", &[("host", "one.example")], "").await, "4");
    let two = [("host", "two.example"), ("x-forwarded-host", "one.example")];
    assert_eq!(site.ask("/a", &two, "").await, "5");
    assert_eq!(site.ask("/a", &of("ONE.example"), "").await, "1");
    site.cache.purge("one.example", "/a");
    assert_eq!(site.ask("/a", &of("one.example"), "").await, "6");
    assert_eq!(site.ask("/a", &two, "").await, "7");
    assert_eq!(site.ask("/a", &of("two.example"), "").await, "2");
    assert_eq!(site.ask("/a", &[("host", "backend")], "").await, "3");
}

#[tokio::test]
async fn what_was_asked_with_a_body_is_nobody_elses() {
    let site = Site::new();
    let host = [("host", "example.com")];
    assert_eq!(site.ask("/a", &host, "q=1").await, "1");
    assert_eq!(site.ask("/a", &host, "").await, "2");
    assert_eq!(site.ask("/a", &host, "q=1").await, "3");
    assert_eq!(site.ask("/a", &host, "").await, "2");
}
