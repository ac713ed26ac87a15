//! The service of the layer: looks up, passes on, writes down, fetches anew.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::address::Address;
use super::body::CachedBody;
use super::directives::Directives;
use super::fill::{Fill, Place, Variant};
use super::rules::{Asks, asks, keeps};
use super::stored::{Node, Stored, Use};
use super::{Inner, variant_key};
use crate::head::told_length;

static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A service behind a [`ResponseCache`](super::ResponseCache).
#[derive(Clone)]
pub struct Cached<S> {
    service: S,
    cache: Arc<Inner>,
}

impl<S> Cached<S> {
    pub(super) fn new(service: S, cache: Arc<Inner>) -> Self {
        Self { service, cache }
    }
}

impl<S, B, R> Service<Request<B>> for Cached<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Default + Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<CachedBody<R>>;
    type Error = S::Error;
    type Future = CachedFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let told = Directives::of(request.headers());
        let Some(address) = Address::of(&request) else {
            count(&self.cache.counts.bypasses);
            return self.pass(request, Passed::unkept(&self.cache, "bypass"));
        };
        let asks = asks(&request, &told, &self.cache.config);
        if let Asks::Nothing(why) = asks {
            count(&self.cache.counts.bypasses);
            let mut passed = Passed::unkept(&self.cache, why);
            passed.changes = (!request.method().is_safe()).then_some(address);
            return self.pass(request, passed);
        }
        let found = Lookup::of(&self.cache, self.cache.key(&address), request.headers());
        let why = match (asks, found.node.as_deref()) {
            (Asks::Anew, _) => "request",
            (_, Some(Node::Answer(stored))) => {
                match stored.of_use(&told, self.cache.local.now_millis()) {
                    Use::Fresh { age } => {
                        count(&self.cache.counts.hits);
                        return self.give(&request, stored, age);
                    }
                    Use::Stale { age } => {
                        count(&self.cache.counts.stale_hits);
                        self.refresh(&request, &found);
                        return self.give(&request, stored, age);
                    }
                    Use::Not => "stale",
                }
            }
            _ if found.variant.is_some() => "vary-miss",
            _ => "uri-miss",
        };
        count(&self.cache.counts.misses);
        if told.only_if_cached {
            return CachedFuture::ready(gateway_timeout());
        }
        let mut passed = Passed::unkept(&self.cache, why);
        if *request.method() == Method::GET {
            passed.kept = Some(ToKeep {
                place: Place::new(&self.cache, found.key, found.variant),
                request: request.headers().clone(),
            });
        }
        self.pass(request, passed)
    }
}

impl<S> Cached<S> {
    fn pass<B, R>(&mut self, request: Request<B>, passed: Passed) -> CachedFuture<S::Future, R>
    where
        S: Service<Request<B>, Response = Response<R>>,
    {
        CachedFuture {
            stage: Stage::Passed {
                future: self.service.call(request),
                passed: Some(passed),
            },
        }
    }

    fn give<B, F, R: Body<Data = Bytes>>(
        &self,
        request: &Request<B>,
        stored: &Stored,
        age: Duration,
    ) -> CachedFuture<F, R> {
        let mut response = stored.answer(request.headers(), age);
        let name = self.cache.config.name;
        let left = stored.left(age).as_secs();
        note(response.headers_mut(), &format!("{name}; hit; ttl={left}"));
        if *request.method() == Method::HEAD {
            if response.status() != StatusCode::NOT_MODIFIED {
                let length = HeaderValue::from(stored.length());
                response.headers_mut().insert(CONTENT_LENGTH, length);
            }
            *response.body_mut() = Bytes::new();
        }
        CachedFuture::ready(response.map(CachedBody::from))
    }

    /// Fetches a newer answer in the background, unless somebody does.
    fn refresh<B, R>(&self, request: &Request<B>, found: &Lookup)
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send,
        B: Default + Send + 'static,
        R: Body<Data = Bytes> + Send + 'static,
    {
        let refreshes = Arc::clone(&self.cache.refreshes);
        let Ok(permit) = refreshes.try_acquire_owned() else {
            return;
        };
        let (key, variant) = (found.key.clone(), found.variant.clone());
        let Some(place) = Place::refreshing(&self.cache, key, variant) else {
            return;
        };
        count(&self.cache.counts.refreshes);
        let (cache, service) = (Arc::clone(&self.cache), self.service.clone());
        let request = anew(request);
        tokio::spawn(async move {
            let fetched = fetch(service, request, place, &cache);
            let in_time = tokio::time::timeout(cache.config.refresh_timeout, fetched).await;
            if in_time != Ok(true) {
                count(&cache.counts.refresh_failures);
            }
            drop(permit);
        });
    }
}

/// Asks for an answer to store; whether one came, to its end.
async fn fetch<S, B, R>(
    mut service: S,
    request: Request<B>,
    place: Place,
    cache: &Arc<Inner>,
) -> bool
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    let headers = request.headers().clone();
    if std::future::poll_fn(|cx| service.poll_ready(cx))
        .await
        .is_err()
    {
        return false;
    }
    let Ok(response) = service.call(request).await else {
        return false;
    };
    let mut passed = Passed::unkept(cache, "stale");
    passed.kept = Some(ToKeep {
        place,
        request: headers,
    });
    let (response, kept) = passed.finish(response);
    let mut body = std::pin::pin!(response.into_body());
    if !kept {
        return false;
    }
    loop {
        match std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            Some(Ok(_)) => {}
            Some(Err(_)) => return false,
            None => return true,
        }
    }
}

/// The same question, asked for everybody.
fn anew<B: Default>(request: &Request<B>) -> Request<B> {
    let mut anew = Request::new(B::default());
    anew.uri_mut().clone_from(request.uri());
    *anew.version_mut() = request.version();
    anew.headers_mut().clone_from(request.headers());
    for condition in [IF_NONE_MATCH, IF_MODIFIED_SINCE, CONTENT_LENGTH] {
        anew.headers_mut().remove(condition);
    }
    anew.extensions_mut().clone_from(request.extensions());
    #[cfg(feature = "arena")]
    anew.extensions_mut()
        .remove::<crate::request_memory::RequestMemory>();
    anew
}

/// What is known of a request's answer.
struct Lookup {
    key: String,
    variant: Option<Variant>,
    node: Option<Arc<Node>>,
}

impl Lookup {
    fn of(cache: &Inner, key: String, request: &HeaderMap) -> Self {
        let node = cache.local.get(&key);
        let Some(Node::Varies(number, names)) = node.as_deref() else {
            return Self {
                key,
                variant: None,
                node,
            };
        };
        let variant_key = variant_key(&key, *number, names, request);
        Self {
            node: cache.local.get(&variant_key),
            key: variant_key,
            variant: Some(Variant {
                of: key,
                names: names.clone(),
            }),
        }
    }
}

/// What is to be done with the answer of a request that was passed on.
struct Passed {
    cache: Arc<Inner>,
    why: &'static str,
    kept: Option<ToKeep>,
    /// The address whose answers a success makes untrue (RFC 9111 §4.4).
    changes: Option<Address>,
}

struct ToKeep {
    place: Place,
    request: HeaderMap,
}

impl Passed {
    fn unkept(cache: &Arc<Inner>, why: &'static str) -> Self {
        Self {
            cache: Arc::clone(cache),
            why,
            kept: None,
            changes: None,
        }
    }

    /// The answer as it is passed on, and whether it is being stored.
    fn finish<R: Body<Data = Bytes>>(
        self,
        response: Response<R>,
    ) -> (Response<CachedBody<R>>, bool) {
        let (mut head, body) = response.into_parts();
        let success = head.status.is_success() || head.status.is_redirection();
        if let Some(address) = self.changes.filter(|_| success) {
            self.cache.forget(&address);
        }
        let config = &self.cache.config;
        let fits = body.size_hint().lower() <= config.body_bytes_max as u64;
        let fill = self.kept.filter(|_| fits).and_then(|to_keep| {
            let authorized = to_keep.request.contains_key(AUTHORIZATION);
            let kept = keeps(authorized, &head, config, config.clock.wall())?;
            Some(Fill::new(
                to_keep.place,
                head.clone(),
                kept,
                to_keep.request,
            ))
        });
        let kept = fill.is_some();
        let stored = if kept { "; stored" } else { "" };
        let status = format!("{}; fwd={}{stored}", config.name, self.why);
        note(&mut head.headers, &status);
        let body = match fill {
            Some(fill) => CachedBody::recorded(body, told_length(&head.headers), fill),
            None => CachedBody::passed(body),
        };
        (Response::from_parts(head, body), kept)
    }
}

/// Says in the answer what became of its request (RFC 9211).
fn note(headers: &mut HeaderMap, status: &str) {
    if let Ok(status) = HeaderValue::from_str(status) {
        headers.append(CACHE_STATUS.clone(), status);
    }
}

fn gateway_timeout<R: Body<Data = Bytes>>() -> Response<CachedBody<R>> {
    let mut response = Response::new(CachedBody::from(Bytes::new()));
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    response
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pin_project! {
    /// The future of [`Cached`].
    pub struct CachedFuture<F, R> {
        #[pin]
        stage: Stage<F, R>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F, R> {
        Ready { response: Option<Response<CachedBody<R>>> },
        Passed { #[pin] future: F, passed: Option<Passed> },
    }
}

impl<F, R> CachedFuture<F, R> {
    fn ready(response: Response<CachedBody<R>>) -> Self {
        Self {
            stage: Stage::Ready {
                response: Some(response),
            },
        }
    }
}

impl<F, R, E> Future for CachedFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<CachedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            // Polled after its end, a future may do as it likes.
            StageProjection::Ready { response } => response
                .take()
                .map_or(Poll::Pending, |r| Poll::Ready(Ok(r))),
            StageProjection::Passed { future, passed } => {
                let response = ready!(future.poll(cx))?;
                let Some(passed) = passed.take() else {
                    return Poll::Pending;
                };
                Poll::Ready(Ok(passed.finish(response).0))
            }
        }
    }
}
