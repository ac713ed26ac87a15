//! The flat list of routes, and the way of every request through limits to its endpoint.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::ALLOW};
use tollgate_protocol::{ErrorCode, OAuthError};
use tollgate_store::Store;
use tollgate_web::{Handler, Overload, Permit, RequestBody, RequestContext, ResponseBody, RouteId};

use crate::{
    Api,
    call::{BodyType, Call},
    health,
    limits::Known,
    oauth,
    refusal::Refusal,
    state::RuleKey,
    well_known,
};

/// Everything that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Health,
    Ready,
    Token,
    Introspect,
    IntrospectBatch,
    Revoke,
    RevokeBatch,
    OneTime,
    OneTimeRedeem,
    Validate,
    Jwks,
    Metadata,
    OpenApi,
}

/// The path templates of all routes, in the order in which requests are counted by them.
#[must_use]
pub fn route_templates() -> [&'static str; Route::ALL.len()] {
    Route::ALL.map(Route::path)
}

impl Route {
    pub(crate) const ALL: [Self; 13] = [
        Self::Health,
        Self::Ready,
        Self::Token,
        Self::Introspect,
        Self::IntrospectBatch,
        Self::Revoke,
        Self::RevokeBatch,
        Self::OneTime,
        Self::OneTimeRedeem,
        Self::Validate,
        Self::Jwks,
        Self::Metadata,
        Self::OpenApi,
    ];

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Token => "/oauth/token",
            Self::Introspect => "/oauth/introspect",
            Self::IntrospectBatch => "/oauth/introspect/batch",
            Self::Revoke => "/oauth/revoke",
            Self::RevokeBatch => "/oauth/revoke/batch",
            Self::OneTime => "/oauth/ott",
            Self::OneTimeRedeem => "/oauth/ott/redeem",
            Self::Validate => "/oauth/validate",
            Self::Jwks => "/.well-known/jwks.json",
            Self::Metadata => "/.well-known/oauth-authorization-server",
            Self::OpenApi => "/openapi.json",
        }
    }

    pub(crate) fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.path() == path)
    }

    /// The route at `path`, of an issuer whose URL has the path `below`. Its endpoints are
    /// announced below that, and its metadata with that at the end (RFC 8414 §3.1); a proxy in
    /// front may take it away.
    fn at(path: &str, below: &str) -> Option<Self> {
        let found = Self::of(path);
        if found.is_some() || below.is_empty() {
            return found;
        }
        match path.strip_prefix(below) {
            Some(rest) => Self::of(rest),
            None => Self::of(path.strip_suffix(below)?).filter(|route| *route == Self::Metadata),
        }
    }

    /// The methods, and how `Allow` lists them.
    const fn methods(self) -> (&'static [Method], &'static str) {
        match self {
            Self::Health | Self::Ready | Self::Jwks | Self::Metadata | Self::OpenApi => {
                (&[Method::GET, Method::HEAD], "GET, HEAD")
            }
            // Envoy asks with the method of the request that it asks about.
            Self::Validate => (
                &[
                    Method::GET,
                    Method::HEAD,
                    Method::POST,
                    Method::PUT,
                    Method::PATCH,
                    Method::DELETE,
                    Method::OPTIONS,
                ],
                "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            ),
            Self::Token
            | Self::Introspect
            | Self::IntrospectBatch
            | Self::Revoke
            | Self::RevokeBatch
            | Self::OneTime
            | Self::OneTimeRedeem => (&[Method::POST], "POST"),
        }
    }

    /// What its body must be, if it reads one.
    const fn body(self) -> Option<BodyType> {
        match self {
            Self::Token | Self::Introspect | Self::Revoke | Self::OneTime | Self::OneTimeRedeem => {
                Some(BodyType::Form)
            }
            Self::IntrospectBatch | Self::RevokeBatch => Some(BodyType::Json),
            Self::Health
            | Self::Ready
            | Self::Validate
            | Self::Jwks
            | Self::Metadata
            | Self::OpenApi => None,
        }
    }

    /// Whether it is answered however busy the server is.
    const fn is_always_answered(self) -> bool {
        matches!(self, Self::Health | Self::Ready)
    }

    /// Whether a call gets to where a rule with this key counts it.
    pub(crate) const fn is_limited_by(self, key: RuleKey) -> bool {
        if self.is_always_answered() {
            return false;
        }
        match key {
            RuleKey::Ip | RuleKey::Route | RuleKey::Global => true,
            RuleKey::Client => !matches!(self, Self::Jwks | Self::Metadata | Self::OpenApi),
            RuleKey::Subject => matches!(self, Self::Token | Self::OneTime | Self::Validate),
        }
    }
}

impl<S: Store> Handler for Api<S> {
    async fn handle(
        &self,
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> Response<ResponseBody> {
        let Some(route) = Route::at(request.uri().path(), &self.issuer_path) else {
            return self.readable(&request, not_found().into_response());
        };
        context.set_route(RouteId::new(route as u16));
        // A gateway passes on the method of its caller and lets through what is answered 2xx: a
        // preflight answered there would need no token.
        if route != Route::Validate
            && let Some(preflight) = self.cors.preflight(request.method(), request.headers())
        {
            return preflight;
        }
        let (methods, allow) = route.methods();
        if !methods.contains(request.method()) {
            return self.readable(&request, method_not_allowed(allow));
        }
        let (parts, body) = request.into_parts();
        let mut call = Call::new(self, parts, context);
        // Boxed, so that what wraps this future moves a pointer and not its every state.
        let mut response = match Box::pin(self.serve(route, body, &mut call)).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        };
        self.limits.decorate(&call.metered, response.headers_mut());
        self.cors
            .decorate(&call.parts.headers, response.headers_mut());
        response
    }
}

impl<S: Store> Api<S> {
    /// The answer to a request that goes no further, with what lets a page read why.
    fn readable(
        &self,
        request: &Request<RequestBody>,
        mut response: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        self.cors
            .decorate(request.headers(), response.headers_mut());
        response
    }

    async fn serve<'a>(
        &'a self,
        route: Route,
        body: RequestBody,
        call: &mut Call<'a>,
    ) -> Result<Response<ResponseBody>, Refusal> {
        if !route.is_always_answered() {
            self.limits
                .check(route, Known::Arrival(call.ip), &mut call.metered)?;
        }
        if let Some(expected) = route.body() {
            call.expect_body(expected)?;
        }
        let mut arriving = pin!(self.arrive(route, body));
        let (body, _permit) = match poll_once(arriving.as_mut()).await {
            Poll::Ready(arrived) => arrived?,
            Poll::Pending => {
                let arrived = arriving.await?;
                call.waited(self);
                arrived
            }
        };
        let body = &body;
        match route {
            Route::Health => Ok(health::alive()),
            Route::Ready => Ok(health::ready(self).await),
            Route::Jwks => Ok(well_known::jwks::answer(self, call)),
            Route::Metadata => Ok(well_known::metadata::answer(self)),
            Route::OpenApi => Ok(crate::openapi::answer(self)),
            Route::Validate => oauth::validate::answer(self, call).await,
            Route::Token => oauth::token::answer(self, body, call).await,
            Route::Introspect => oauth::introspect::answer(self, body, call).await,
            Route::IntrospectBatch => oauth::introspect_batch::answer(self, body, call).await,
            Route::Revoke => oauth::revoke::answer(self, body, call).await,
            Route::RevokeBatch => oauth::revoke_batch::answer(self, body, call).await,
            Route::OneTime => oauth::ott::answer(self, body, call).await,
            Route::OneTimeRedeem => oauth::ott_redeem::answer(self, body, call).await,
        }
    }
}

impl<S: Store> Api<S> {
    /// The whole body, and then a place among the work in flight; what is always answered waits
    /// for neither.
    async fn arrive(
        &self,
        route: Route,
        body: RequestBody,
    ) -> Result<(Bytes, Option<Permit<&Overload>>), Refusal> {
        if route.is_always_answered() {
            return Ok((Bytes::new(), None));
        }
        let body = match route.body() {
            Some(kind) => self.arrivals.collect(body, kind).await?,
            None => Bytes::new(),
        };
        Ok((body, Some(self.overload.admit().await?)))
    }
}

/// How far `future` comes without waiting.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

fn not_found() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        OAuthError::new(
            ErrorCode::InvalidRequest,
            "there is nothing at this path; see /openapi.json",
        ),
    )
}

fn method_not_allowed(allow: &'static str) -> Response<ResponseBody> {
    let error = OAuthError::new(
        ErrorCode::InvalidRequest,
        "the method is not allowed here; see Allow",
    );
    let mut response = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error).into_response();
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allow));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_issuer_with_a_path_announces_is_there() {
        let metadata = "/.well-known/oauth-authorization-server";
        for (path, below, route) in [
            ("/oauth/token", "", Some(Route::Token)),
            ("/oauth/token", "/a/b", Some(Route::Token)),
            ("/a/b/oauth/token", "/a/b", Some(Route::Token)),
            ("/a/b/oauth/token", "", None),
            ("/a/oauth/token", "/a/b", None),
            ("/a/b/a/b/oauth/token", "/a/b", None),
            ("/oauth/token/a/b", "/a/b", None),
            (metadata, "/a/b", Some(Route::Metadata)),
            (&format!("{metadata}/a/b"), "/a/b", Some(Route::Metadata)),
            (&format!("/a/b{metadata}"), "/a/b", Some(Route::Metadata)),
            (&format!("{metadata}/a"), "/a/b", None),
            (&format!("{metadata}/a/b"), "", None),
        ] {
            assert_eq!(Route::at(path, below), route, "{path} below {below:?}");
        }
    }
}
