//! Nanoseconds that each layer adds to a request that passes it on the layer's usual path: nothing is
//! refused, waited for, packed or unpacked.
//! `cargo bench -p tollgate-web --features axum,cache,layers --bench layers`

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::Full;
use tollgate_limit::{KeysMax, PolicyName, Quota};
use tollgate_web::layers::{
    Admission, BodyLimit, ClientAddress, Compression, Csrf, Decompression, EarlyHints, EntityTags,
    RateLimit, RequestIds, SecurityHeaders, Timeout, TraceSpans,
};
use tollgate_web::metrics::Registry;
use tollgate_web::response_cache::{ResponseCache, ResponseCacheConfig};
use tollgate_web::{
    Cors, Overload, OverloadLimits, RequestInfo, ResponseBody, Scheme, TrustedProxies,
};
use tower_layer::Layer;
use tower_service::Service;

const REQUESTS: u32 = 200_000;
const ROUNDS: usize = 7;

/// Answers at once with a small page.
#[derive(Clone)]
struct Page;

impl<B> Service<Request<B>> for Page {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(&request);
        let mut response = Response::new(ResponseBody::from("hello"));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
        std::future::ready(Ok(response))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bare = nanos(&Page);
    let report = |name: &str, nanos: f64| say(name, nanos - bare);
    say("bare service and request", bare);
    let quota = Quota::new(1_000_000, 1_000_000.0)?;
    let limit = RateLimit::per_client(PolicyName::new("bench")?, quota, KeysMax::new(1000)?);
    let link = HeaderValue::from_static("</style.css>; rel=preload; as=style");
    report("request ids", nanos(&RequestIds::new().layer(Page)));
    report("spans, disabled", nanos(&TraceSpans::new().layer(Page)));
    report(
        "security headers",
        nanos(&SecurityHeaders::new().layer(Page)),
    );
    let cors = Cors::new(&["https://app.example.com"])?;
    report("CORS", nanos(&cors.layer(Page)));
    report(
        "CSRF, cookie known",
        nanos(&Csrf::new(|| [0; 32]).layer(Page)),
    );
    report(
        "compression, too small",
        nanos(&Compression::new().layer(Page)),
    );
    report(
        "decompression, none",
        nanos(&Decompression::new(1000).layer(Page)),
    );
    let timeout = Timeout::new(Duration::from_secs(1));
    report("time-out, not needed", nanos(&timeout.layer(Page)));
    report("rate limit", nanos(&limit.layer(Page)));
    report("body limit", nanos(&BodyLimit::new(1000).layer(Page)));
    let proxies = ClientAddress::new(TrustedProxies::default());
    report("client address", nanos(&proxies.layer(Page)));
    report("entity tag made", nanos(&EntityTags::new(1000).layer(Page)));
    report("link hints", nanos(&EarlyHints::new([link]).layer(Page)));
    let limits = OverloadLimits {
        in_flight_max: 100,
        queue_max: 100,
        queue_wait: Duration::from_secs(1),
    };
    let overload = Arc::new(Overload::new(limits, &Registry::new())?);
    report("admission", nanos(&Admission::new(overload).layer(Page)));
    let cache = ResponseCache::new(ResponseCacheConfig::default());
    let cached = cache.layer(Page);
    read(cached.clone().call(request(&info())));
    report("response cache, hit", nanos(&cached));
    if cache.statistics().misses > 1 {
        return Err("the response cache had no hit".into());
    }
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "a benchmark reports to whoever runs it"
)]
fn say(name: &str, nanos: f64) {
    println!("{name:26} {nanos:6.0} ns");
}

/// The median over some rounds.
fn nanos<S, R>(service: &S) -> f64
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible> + Clone,
    R: Body,
{
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(service)).collect();
    rounds.sort_by(f64::total_cmp);
    rounds.get(ROUNDS / 2).copied().unwrap_or_default()
}

fn round<S, R>(service: &S) -> f64
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible> + Clone,
    R: Body,
{
    let mut context = Context::from_waker(Waker::noop());
    let info = info();
    let started = Instant::now();
    for _ in 0..REQUESTS {
        let mut service = service.clone();
        let mut future = pin!(service.call(request(&info)));
        let _ = black_box(future.as_mut().poll(&mut context));
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(REQUESTS)
}

fn info() -> RequestInfo {
    let local = ([127, 0, 0, 1], 443).into();
    RequestInfo::new(([192, 0, 2, 1], 5000).into(), local, Scheme::Https)
}

#[inline]
fn request(info: &RequestInfo) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    request.extensions_mut().insert(info.clone());
    let headers = request.headers_mut();
    for (name, value) in [
        ("host", "app.example.com"),
        ("accept-encoding", "gzip, br"),
        ("origin", "https://app.example.com"),
        (
            "cookie",
            "__Host-csrf=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    request
}

/// Reads an answer that is at hand to its end.
fn read<R: Body + Unpin>(answer: impl Future<Output = Result<Response<R>, Infallible>>) {
    let mut context = Context::from_waker(Waker::noop());
    if let Poll::Ready(Ok(mut answer)) = pin!(answer).poll(&mut context) {
        while let Poll::Ready(Some(_)) =
            std::pin::Pin::new(answer.body_mut()).poll_frame(&mut context)
        {}
    }
}
