//! Any tower service, and with it any `axum::Router`, as a [`Handler`]. The service learns of its
//! client through request extensions; it adds no bound of its own.

use std::net::SocketAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

#[cfg(feature = "layers")]
use crate::TrustedProxies;
use crate::body::with_more;
use crate::serve::ConnectionInfo;
use crate::{
    Handler, RequestBody, RequestContext, RequestId, ResponseBody, RouteId, Scheme, StreamError,
    error_response,
};

/// Bodies of known length up to here are asked for at once, so that they leave with their head.
const AT_ONCE_BYTES_MAX: u64 = 64 * 1024;

/// A tower service behind a [`Server`](crate::Server).
///
/// The service is cloned for each request, as tower demands of a shared one. It finds a
/// [`RequestInfo`] in the request's extensions, and with the feature `axum` also axum's
/// `ConnectInfo<SocketAddr>`. A [`RouteId`] in the extensions of its answer is the route under
/// which the request is counted, a [`RequestId`] there becomes the request's id.
///
/// An error of the service is answered 500. Where the request's body could not be read and the
/// service failed or answered with an error, the answer is what [`BodyError::status`](crate::BodyError::status) says:
/// extractors commonly tell no reason from another.
///
/// ```no_run
/// # #[cfg(feature = "axum")]
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::{Router, routing::get};
/// use tollgate_web::{HttpMetrics, Server, ServerConfig, TowerService, metrics::Registry};
///
/// let app = Router::new().route("/", get(|| async { "hello" }));
/// let metrics = HttpMetrics::register(&Registry::new(), &[])?;
/// let server = Server::bind(ServerConfig::default(), &["0.0.0.0:8080".parse()?], metrics)?;
/// server.run(TowerService::new(app), std::future::pending()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TowerService<S>(S);

impl<S> TowerService<S> {
    /// Serves with this service.
    pub fn new(service: S) -> Self {
        Self(service)
    }
}

impl<S, B> Handler for TowerService<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<StreamError> + Send,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StreamError>,
{
    async fn handle(
        &self,
        mut request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> Response<ResponseBody> {
        tell(&mut request, context);
        let arrival = request.body().arrival();
        let mut service = self.0.clone();
        let answer = async {
            std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        };
        let answer = answer.await;
        let unread = arrival.and_then(|arrival| arrival.failure());
        match (answer, unread) {
            (Ok(response), Some(error)) if is_error(response.status()) => {
                listen(&response, context);
                replaced(response, error_response(error.status()))
            }
            (Ok(response), _) => {
                listen(&response, context);
                let (head, body) = response.into_parts();
                Response::from_parts(head, at_once(body).await)
            }
            (Err(_), Some(error)) => error_response(error.status()),
            (Err(error), None) => failed(&error.into(), context),
        }
    }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// The other answer under the head that the service's layers have added to.
fn replaced<B>(response: Response<B>, other: Response<ResponseBody>) -> Response<ResponseBody> {
    let (mut head, _) = response.into_parts();
    let (other, body) = other.into_parts();
    head.status = other.status;
    for name in [CONTENT_LENGTH, CONTENT_ENCODING] {
        head.headers.remove(name);
    }
    head.headers.extend(other.headers);
    Response::from_parts(head, body)
}

/// Lets the service know who asks.
fn tell(request: &mut Request<RequestBody>, context: &RequestContext) {
    let extensions = request.extensions_mut();
    #[cfg(feature = "axum")]
    extensions.insert(axum::extract::ConnectInfo(context.peer()));
    extensions.insert(RequestInfo(context.clone()));
}

/// Takes over what the service says beside its answer.
fn listen<B>(response: &Response<B>, context: &mut RequestContext) {
    if let Some(&route) = response.extensions().get::<RouteId>() {
        context.set_route(route);
    }
    if let Some(&id) = response.extensions().get::<RequestId>() {
        context.request_id = id;
    }
}

fn failed(error: &StreamError, context: &RequestContext) -> Response<ResponseBody> {
    tracing::error!(request_id = %context.request_id(), %error, "the service failed");
    error_response(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Turns a short body that is at hand into plain bytes, any other into a stream.
async fn at_once<B>(body: B) -> ResponseBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StreamError>,
{
    let length = body.size_hint().exact();
    if length == Some(0) && body.is_end_stream() {
        return ResponseBody::empty();
    }
    let mut body = Box::pin(body);
    let mut first = None;
    if length.is_some_and(|length| length <= AT_ONCE_BYTES_MAX) {
        let frame = std::future::poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await;
        match frame {
            Poll::Ready(Some(Ok(frame))) if body.is_end_stream() => match frame.into_data() {
                Ok(bytes) => return bytes.into(),
                Err(frame) => first = Some(Ok(frame)),
            },
            Poll::Ready(None) => return ResponseBody::empty(),
            Poll::Ready(Some(frame)) => first = Some(frame.map_err(Into::into)),
            // Whoever reads the body next polls it, and is the one to be woken.
            Poll::Pending => {}
        }
    }
    ResponseBody::stream(Rest { first, body })
}

pin_project! {
    /// A body whose first frame may have been taken already.
    struct Rest<B> {
        first: Option<Result<Frame<Bytes>, StreamError>>,
        #[pin]
        body: B,
    }
}

impl<B> Body for Rest<B>
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
        let this = self.project();
        match this.first.take() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => this
                .body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(|first| first.as_ref().ok());
        let taken = first.and_then(Frame::data_ref).map_or(0, Bytes::len);
        with_more(self.body.size_hint(), taken as u64)
    }
}

/// What the server knows of a request beside its bytes, in the extensions of the request; see
/// [`RequestContext`], to which it dereferences.
#[derive(Clone, Debug)]
pub struct RequestInfo(RequestContext);

impl RequestInfo {
    /// What is known where another server than ours accepted the connection.
    #[must_use]
    pub fn new(peer: SocketAddr, local: SocketAddr, scheme: Scheme) -> Self {
        Self(RequestContext {
            connection: ConnectionInfo {
                peer,
                local,
                tls: scheme == Scheme::Https,
            },
            request_id: RequestId::make(),
            client_certificate: None,
            origin: None,
            started: Instant::now(),
            route: RouteId::OTHER,
        })
    }

    /// Finds the client out anew, believing these proxies alone.
    #[cfg(feature = "layers")]
    pub(crate) fn resolve(&mut self, proxies: &TrustedProxies, headers: &http::HeaderMap) {
        self.0.origin = proxies.resolve(self.0.peer().ip(), headers);
    }
}

impl Deref for RequestInfo {
    type Target = RequestContext;

    fn deref(&self) -> &RequestContext {
        &self.0
    }
}
