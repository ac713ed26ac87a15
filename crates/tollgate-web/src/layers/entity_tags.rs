//! Entity tags for answers that have none, and conditional requests (RFC 9110 §13).

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use xxhash_rust::xxh3::xxh3_128;

use super::policy::refusal;
use crate::entity_tag::{is_any, is_listed, same_strongly, same_weakly};
use crate::head::cache_control_says;

/// Answers `304 Not Modified` to clients that have the answer already, and `412` to those that
/// want another one than there is.
///
/// A successful answer to `GET` without an `ETag` gets one, a strong one made of its bytes, if its
/// length is known and within the bound and it is not `no-store`. Answers with an `ETag` or a
/// `Last-Modified` of the service's own are compared by that, whatever their length.
///
/// An answer to `HEAD` has no bytes to make a tag of: where the service gives it none, tags that the
/// client names in `If-Match` are passed over.
///
/// `GET` and `HEAD` alone: what changes something must compare before it changes it, which only
/// the service can.
///
/// ```
/// use axum::{Router, routing::get};
/// use tollgate_web::layers::EntityTags;
///
/// let app: Router = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .layer(EntityTags::new(64 * 1024));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EntityTags(u64);

impl EntityTags {
    /// Makes tags for answers of at most this many bytes, which are held in memory meanwhile.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self(bytes_max)
    }
}

impl<S> Layer<S> for EntityTags {
    type Service = Tagged<S>;

    fn layer(&self, inner: S) -> Tagged<S> {
        Tagged {
            inner,
            bytes_max: self.0,
        }
    }
}

/// The service of [`EntityTags`].
#[derive(Clone, Debug)]
pub struct Tagged<S> {
    inner: S,
    bytes_max: u64,
}

impl<S, B, R> Service<Request<B>> for Tagged<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes> + From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = TaggedFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = request.method();
        let compared = *method == Method::GET || *method == Method::HEAD;
        TaggedFuture {
            // An answer to HEAD has no bytes to make a tag of.
            made_bytes_max: (*method == Method::GET).then_some(self.bytes_max),
            conditions: compared
                .then(|| Conditions::of(request.headers()))
                .flatten(),
            stage: Stage::Asked {
                future: self.inner.call(request),
            },
        }
    }
}

pin_project! {
    /// The future of [`Tagged`].
    pub struct TaggedFuture<F, R> {
        made_bytes_max: Option<u64>,
        conditions: Option<Box<Conditions>>,
        #[pin]
        stage: Stage<F, R>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F, R> {
        Asked { #[pin] future: F },
        Reading { head: Option<Box<Parts>>, #[pin] body: R, read: Read },
    }
}

impl<F, R, E> Future for TaggedFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes> + From<Bytes>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Asked { future } => {
                    let response = ready!(future.poll(cx))?;
                    let (head, body) = response.into_parts();
                    if this.made_bytes_max.is_none()
                        && !head.headers.contains_key(ETAG)
                        && let Some(conditions) = this.conditions
                    {
                        conditions.if_match.clear();
                    }
                    if !gets_tag(&head, body.size_hint().exact(), *this.made_bytes_max) {
                        return Poll::Ready(Ok(judged(this.conditions.take(), head, body)));
                    }
                    this.stage.set(Stage::Reading {
                        head: Some(Box::new(head)),
                        body,
                        read: Read::default(),
                    });
                }
                StageProjection::Reading { head, body, read } => {
                    let whole = ready!(poll_whole(body, read, *this.made_bytes_max, cx));
                    let Some(mut head) = head.take() else {
                        return Poll::Pending;
                    };
                    let Ok(whole) = whole else {
                        tracing::error!("an answer's body broke off while its tag was made");
                        let failed = refusal(StatusCode::INTERNAL_SERVER_ERROR);
                        return Poll::Ready(Ok(failed.map(R::from)));
                    };
                    head.headers.insert(ETAG, tag_of(&whole));
                    let conditions = this.conditions.take();
                    return Poll::Ready(Ok(judged(conditions, *head, R::from(whole))));
                }
            }
        }
    }
}

fn gets_tag(head: &Parts, length: Option<u64>, bytes_max: Option<u64>) -> bool {
    let fits = length.is_some_and(|length| Some(length) <= bytes_max);
    fits && head.status == StatusCode::OK
        && !head.headers.contains_key(ETAG)
        && !cache_control_says(&head.headers, &["no-store"])
}

/// What has been read of a body; one piece is not copied.
#[derive(Default)]
struct Read {
    first: Bytes,
    all: BytesMut,
}

impl Read {
    fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&piece);
    }

    fn length(&self) -> u64 {
        self.first.len().max(self.all.len()) as u64
    }

    fn take(&mut self) -> Bytes {
        if self.all.is_empty() {
            return std::mem::take(&mut self.first);
        }
        self.all.split().freeze()
    }
}

/// The body was longer than it said, or failed.
struct Broken;

fn poll_whole<R: Body<Data = Bytes>>(
    mut body: Pin<&mut R>,
    read: &mut Read,
    bytes_max: Option<u64>,
    cx: &mut Context<'_>,
) -> Poll<Result<Bytes, Broken>> {
    while let Some(frame) = ready!(body.as_mut().poll_frame(cx)) {
        let Ok(frame) = frame else {
            return Poll::Ready(Err(Broken));
        };
        // Trailers of so short an answer are let go.
        if let Ok(piece) = frame.into_data() {
            read.push(piece);
        }
        if Some(read.length()) > bytes_max {
            return Poll::Ready(Err(Broken));
        }
    }
    Poll::Ready(Ok(read.take()))
}

fn tag_of(bytes: &[u8]) -> HeaderValue {
    let tag = format!("\"{:032x}\"", xxh3_128(bytes));
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))
}

/// What the client demands of the answer.
struct Conditions {
    if_match: Vec<HeaderValue>,
    if_none_match: Vec<HeaderValue>,
    if_modified_since: Option<HeaderValue>,
    if_unmodified_since: Option<HeaderValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Send,
    NotModified,
    Failed,
}

impl Conditions {
    fn of(headers: &HeaderMap) -> Option<Box<Self>> {
        let get = |name: HeaderName| headers.get(name).cloned();
        // Without lines nothing is allocated.
        let all = |name: HeaderName| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        let conditions = Self {
            if_match: all(IF_MATCH),
            if_none_match: all(IF_NONE_MATCH),
            if_modified_since: get(IF_MODIFIED_SINCE),
            if_unmodified_since: get(IF_UNMODIFIED_SINCE),
        };
        let any = !conditions.if_match.is_empty()
            || !conditions.if_none_match.is_empty()
            || conditions.if_modified_since.is_some()
            || conditions.if_unmodified_since.is_some();
        any.then(|| Box::new(conditions))
    }

    /// In the order of RFC 9110 §13.2.2.
    fn judge(&self, answer: &HeaderMap) -> Verdict {
        let tag = answer.get(ETAG).map(HeaderValue::as_bytes);
        let names = |lines: &[HeaderValue], same: fn(&[u8], &[u8]) -> bool| {
            is_any(lines) || tag.is_some_and(|tag| is_listed(lines, |one| same(one, tag)))
        };
        if !self.if_match.is_empty() {
            if !names(&self.if_match, same_strongly) {
                return Verdict::Failed;
            }
        } else if let Some(since) = &self.if_unmodified_since
            && is_later(answer.get(LAST_MODIFIED), since) == Some(true)
        {
            return Verdict::Failed;
        }
        let known = match &self.if_modified_since {
            _ if !self.if_none_match.is_empty() => names(&self.if_none_match, same_weakly),
            Some(since) => is_later(answer.get(LAST_MODIFIED), since) == Some(false),
            None => false,
        };
        if known {
            Verdict::NotModified
        } else {
            Verdict::Send
        }
    }
}

/// Whether the answer changed after that moment; `None` when either is no date.
fn is_later(modified: Option<&HeaderValue>, since: &HeaderValue) -> Option<bool> {
    let modified = httpdate::parse_http_date(modified?.to_str().ok()?).ok()?;
    let since = httpdate::parse_http_date(since.to_str().ok()?).ok()?;
    Some(modified > since)
}

fn judged<R: From<Bytes>>(
    conditions: Option<Box<Conditions>>,
    mut head: Parts,
    body: R,
) -> Response<R> {
    let verdict = match conditions {
        Some(conditions) if head.status == StatusCode::OK => conditions.judge(&head.headers),
        _ => Verdict::Send,
    };
    match verdict {
        Verdict::Send => Response::from_parts(head, body),
        Verdict::Failed => refusal(StatusCode::PRECONDITION_FAILED).map(R::from),
        Verdict::NotModified => {
            head.status = StatusCode::NOT_MODIFIED;
            for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
                head.headers.remove(name);
            }
            Response::from_parts(head, R::from(Bytes::new()))
        }
    }
}
