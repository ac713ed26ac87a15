//! The response cache: what it gives again, to whom, for how long, and what takes it away.

#[cfg(feature = "layers")]
mod addresses;
mod bodies;
mod invalidation;
mod reuse;
mod stale;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use tollgate_web::cache::CacheClock;
use tollgate_web::response_cache::{ResponseCache, ResponseCacheConfig};
use tower::ServiceExt as _;
use tower::service_fn;
use tower_layer::Layer as _;

type Answer = dyn Fn(&Request<Empty<Bytes>>) -> Response<()> + Send + Sync;

/// A service behind a cache. Its bodies are the number of the call that made them.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) cache: ResponseCache,
    pub(super) clock: CacheClock,
    calls: Arc<AtomicU32>,
    answer: Arc<Answer>,
}

/// What a client sees.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) body: String,
    headers: http::HeaderMap,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

type Headers<'a> = &'a [(&'static str, &'static str)];

impl Origin {
    #[expect(clippy::needless_pass_by_value, reason = "made for this one cache")]
    pub(super) fn with(
        config: ResponseCacheConfig,
        answer: impl Fn(&Request<Empty<Bytes>>) -> Response<()> + Send + Sync + 'static,
    ) -> Self {
        let clock = CacheClock::manual();
        Self {
            cache: ResponseCache::new(ResponseCacheConfig {
                clock: clock.clone(),
                ..config
            }),
            clock,
            calls: Arc::default(),
            answer: Arc::new(answer),
        }
    }

    /// Answers 200 with these headers.
    pub(super) fn saying(headers: Headers<'static>) -> Self {
        Self::with(ResponseCacheConfig::default(), |_| answer(headers))
    }

    pub(super) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    pub(super) async fn get(&self, path: &str, headers: Headers<'_>) -> Seen {
        self.ask("GET", path, headers).await
    }

    pub(super) async fn ask(&self, method: &str, path: &str, headers: Headers<'_>) -> Seen {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = path.parse().unwrap();
        let host = HeaderValue::from_static("example.com");
        request.headers_mut().insert("host", host);
        add(request.headers_mut(), headers);
        let origin = self.clone();
        let service = service_fn(move |request: Request<Empty<Bytes>>| {
            let call = origin.calls.fetch_add(1, Ordering::SeqCst) + 1;
            let response = (origin.answer)(&request).map(|()| Full::from(call.to_string()));
            async move { Ok::<_, Infallible>(response) }
        });
        let response = self.cache.layer(service).oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Seen {
            status: head.status.as_u16(),
            body: String::from_utf8(body.to_vec()).unwrap(),
            headers: head.headers,
        }
    }
}

pub(super) fn answer(headers: Headers<'_>) -> Response<()> {
    let mut response = Response::new(());
    add(response.headers_mut(), headers);
    response
}

fn add(map: &mut http::HeaderMap, headers: Headers<'_>) {
    for (name, value) in headers {
        map.append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
}
