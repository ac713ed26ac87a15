//! Compressed answers, where that pays and gives nothing away; the work is `tower-http`'s.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, SET_COOKIE, VARY,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_http::compression::predicate::Predicate;
use tower_http::compression::{Compression as Compressor, CompressionBody, CompressionLayer};
use tower_layer::Layer;
use tower_service::Service;

use crate::StreamError;
use crate::entity_tag::{is_listed, same_strongly};
use crate::head::{cache_control_says, members, told_length};

const BYTES_MIN: u64 = 1024;

/// Packs answers with zstd, br or gzip, as the client prefers.
///
/// Left alone are answers that are
/// - marked [`SecretAnswer`], `Cache-Control: no-store` or `no-transform`, or set a cookie: the
///   length of packed bytes tells of secrets that stand beside what an attacker chose (BREACH);
/// - shorter than 1 KiB, if their length is known;
/// - of a type that packs badly, or that must not wait (`text/event-stream`);
/// - errors, parts (206), or packed already.
///
/// `Vary: Accept-Encoding` is added to all that could be packed, and the `ETag` of what is packed
/// becomes weak (RFC 9110 §8.8.1). A `304` says the same as the answer that it stands for would:
/// it varies, and its tag is weak for whoever was told a weak one.
///
/// A client that refuses the answer as it is, by `identity;q=0`, and names no coding of ours is
/// answered 406, after the service has done its work.
///
/// ```
/// use axum::{Router, routing::get};
/// use tollgate_web::layers::Compression;
///
/// let app: Router = Router::new()
///     .route("/", get(|| async { "hello ".repeat(1000) }))
///     .layer(Compression::new());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Compression(Worthwhile);

/// Marks an answer, among its extensions, as one that must never be packed.
#[derive(Clone, Copy, Debug)]
pub struct SecretAnswer;

impl Compression {
    /// Packs what has 1 KiB or more.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Packs what has this many bytes or more.
    #[must_use]
    pub fn bytes_min(bytes: u64) -> Self {
        Self(Worthwhile { bytes_min: bytes })
    }
}

/// What is worth packing, and may be.
#[derive(Clone, Copy, Debug)]
pub struct Worthwhile {
    bytes_min: u64,
}

impl Default for Worthwhile {
    fn default() -> Self {
        Self {
            bytes_min: BYTES_MIN,
        }
    }
}

impl Predicate for Worthwhile {
    fn should_compress<B: Body>(&self, response: &Response<B>) -> bool {
        let told = told_length(response.headers());
        let length = response.body().size_hint().exact().or(told);
        let kind = response.headers().get(CONTENT_TYPE);
        response.status().is_success()
            && response.status() != StatusCode::PARTIAL_CONTENT
            && length.is_none_or(|bytes| bytes >= self.bytes_min)
            && kind.is_some_and(packs_well)
            && may_be_packed(response)
    }
}

fn may_be_packed<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    let secret = response.extensions().get::<SecretAnswer>().is_some();
    let kept = cache_control_says(headers, &["no-store", "no-transform"]);
    !kept && !secret && !headers.contains_key(SET_COOKIE)
}

fn packs_well(content_type: &HeaderValue) -> bool {
    let Ok(content_type) = content_type.to_str() else {
        return false;
    };
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let text = essence.starts_with("text/") && essence != "text/event-stream";
    let structured = essence.ends_with("+json") || essence.ends_with("+xml");
    let known = [
        "application/json",
        "application/javascript",
        "application/x-ndjson",
        "application/xml",
        "application/wasm",
        "image/svg+xml",
    ];
    text || structured || known.contains(&essence.as_str())
}

impl<S> Layer<S> for Compression {
    type Service = Packed<S>;

    fn layer(&self, inner: S) -> Packed<S> {
        let compressor = CompressionLayer::new().compress_when(self.0);
        Packed(compressor.layer(Noting(inner)))
    }
}

/// The service of [`Compression`].
#[derive(Clone)]
pub struct Packed<S>(Compressor<Noting<S>, Worthwhile>);

impl<S, B, R> Service<Request<B>> for Packed<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<PackedBody<R>>;
    type Error = S::Error;
    type Future = PackedFuture<<Compressor<Noting<S>, Worthwhile> as Service<Request<B>>>::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let known = request.headers().get_all(IF_NONE_MATCH);
        PackedFuture {
            known: known.iter().cloned().collect(),
            inner: self.0.call(request),
        }
    }
}

/// Notes what the service has packed itself, before the compressor comes to it.
#[derive(Clone, Copy)]
pub struct Noting<S>(S);

/// Among an answer's extensions: its coding is the service's own, and so is its tag.
#[derive(Clone, Copy)]
struct OwnCoding;

impl<S, B, R> Service<Request<B>> for Noting<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = NotingFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        NotingFuture {
            inner: self.0.call(request),
        }
    }
}

pin_project! {
    /// The future of [`Noting`].
    pub struct NotingFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F, R, E> Future for NotingFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut response = ready!(self.project().inner.poll(cx))?;
        if response.headers().contains_key(CONTENT_ENCODING) {
            response.extensions_mut().insert(OwnCoding);
        }
        Poll::Ready(Ok(response))
    }
}

pin_project! {
    /// The future of [`Packed`].
    pub struct PackedFuture<F> {
        known: Vec<HeaderValue>,
        #[pin]
        inner: F,
    }
}

impl<F, R, E> Future for PackedFuture<F>
where
    F: Future<Output = Result<Response<CompressionBody<R>>, E>>,
    R: Body,
{
    type Output = Result<Response<PackedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let own = response.extensions_mut().remove::<OwnCoding>().is_some();
        if response.status() == StatusCode::NOT_MODIFIED {
            if may_be_packed(&response) {
                stand_for_packed(response.headers_mut(), this.known);
            }
        } else if !own && response.headers().contains_key(CONTENT_ENCODING) {
            weaken_tag(response.headers_mut());
        }
        Poll::Ready(Ok(response.map(|body| PackedBody {
            kind: Kind::Service { body },
        })))
    }
}

/// Makes a 304 say what the answer said that the client has (RFC 9110 §15.4.5).
fn stand_for_packed(headers: &mut HeaderMap, known: &[HeaderValue]) {
    let coding = ACCEPT_ENCODING.as_str().as_bytes();
    let names_coding = |name: &[u8]| name == b"*" || name.eq_ignore_ascii_case(coding);
    if !members(headers, VARY).any(names_coding) {
        headers.append(VARY, ACCEPT_ENCODING.into());
    }
    let Some(tag) = headers.get(ETAG) else { return };
    let weak = |known: &[u8]| {
        let strong = known.strip_prefix(b"W/");
        strong.is_some_and(|known| same_strongly(known, tag.as_bytes()))
    };
    if is_listed(known, weak) {
        weaken_tag(headers);
    }
}

/// A strong tag promises the same bytes, which other codings of them are not.
fn weaken_tag(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG) else { return };
    if tag.as_bytes().starts_with(b"\"") {
        let weak = [b"W/", tag.as_bytes()].concat();
        if let Ok(weak) = HeaderValue::from_bytes(&weak) {
            headers.insert(ETAG, weak);
        }
    }
}

pin_project! {
    /// The body of an answer that may have been packed, or that a layer further out gave.
    pub struct PackedBody<B: Body> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B: Body> {
        Service { #[pin] body: CompressionBody<B> },
        Layer { bytes: Bytes },
    }
}

impl<B: Body> From<Bytes> for PackedBody<B> {
    fn from(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Layer { bytes },
        }
    }
}

impl<B> Body for PackedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<StreamError>,
{
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        match self.project().kind.project() {
            KindProjection::Service { body } => body.poll_frame(cx),
            KindProjection::Layer { bytes } if bytes.is_empty() => Poll::Ready(None),
            KindProjection::Layer { bytes } => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Service { body } => body.is_end_stream(),
            Kind::Layer { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Service { body } => body.size_hint(),
            Kind::Layer { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
