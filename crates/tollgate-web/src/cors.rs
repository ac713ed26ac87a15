//! Cross-origin requests from the origins that are named, and no others. Without credentials
//! unless told.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::ResponseBody;

/// The origins whose scripts may read answers; with the feature `layers` also a tower layer.
///
/// What is not said otherwise: any method, the request headers `Authorization`, `Content-Type`
/// and `Accept`, the answer's `X-Request-Id`, `Retry-After`, `RateLimit` and `WWW-Authenticate`.
#[derive(Clone, Debug, Default)]
pub struct Cors(Arc<Rules>);

#[derive(Clone, Debug)]
struct Rules {
    origins: Box<[HeaderValue]>,
    /// `None`: the one that is asked for.
    methods: Option<HeaderValue>,
    request_headers: HeaderValue,
    answer_headers: HeaderValue,
    credentials: Credentials,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credentials {
    Never,
    Allowed,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            origins: Box::default(),
            methods: None,
            request_headers: HeaderValue::from_static("authorization, content-type, accept"),
            answer_headers: HeaderValue::from_static(
                "x-request-id, retry-after, ratelimit, www-authenticate",
            ),
            credentials: Credentials::Never,
        }
    }
}

/// Not an origin: `scheme://host[:port]`, nothing after it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin: it must read scheme://host or scheme://host:port")]
pub struct OriginError(String);

impl Cors {
    /// Allows these origins, compared as they are (RFC 6454 §6.2 spells them in lower case).
    ///
    /// # Errors
    /// When one of them is not an origin. `*` is none: nothing here is meant for everyone.
    pub fn new<O: AsRef<str>>(origins: &[O]) -> Result<Self, OriginError> {
        let origins = origins.iter().map(|origin| parse_origin(origin.as_ref()));
        Ok(Self(Arc::new(Rules {
            origins: origins.collect::<Result<_, _>>()?,
            ..Rules::default()
        })))
    }

    /// Allows these methods alone.
    #[must_use]
    pub fn methods(mut self, methods: &[Method]) -> Self {
        Arc::make_mut(&mut self.0).methods = Some(list(methods.iter().map(Method::as_str)));
        self
    }

    /// Allows these headers in requests, in place of the ones above.
    #[must_use]
    pub fn request_headers(mut self, names: &[HeaderName]) -> Self {
        Arc::make_mut(&mut self.0).request_headers = list(names.iter().map(HeaderName::as_str));
        self
    }

    /// Shows these headers of answers, in place of the ones above.
    #[must_use]
    pub fn answer_headers(mut self, names: &[HeaderName]) -> Self {
        Arc::make_mut(&mut self.0).answer_headers = list(names.iter().map(HeaderName::as_str));
        self
    }

    /// Lets scripts send cookies and read what comes back.
    ///
    /// # Security
    /// Each allowed origin can then do whatever its visitors may do here.
    #[must_use]
    pub fn with_credentials(mut self) -> Self {
        Arc::make_mut(&mut self.0).credentials = Credentials::Allowed;
        self
    }

    /// The answer to a preflight request; `None` for any other request.
    #[must_use]
    pub fn preflight(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Response<ResponseBody>> {
        if self.0.origins.is_empty() || method != Method::OPTIONS {
            return None;
        }
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        if self.decorate(headers, answer) {
            let methods = self.0.methods.as_ref().unwrap_or(wanted);
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.0.request_headers.clone());
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
        }
        Some(response)
    }

    /// Adds what lets an allowed origin read the answer; returns whether the origin is allowed.
    pub fn decorate(&self, request: &HeaderMap, answer: &mut HeaderMap) -> bool {
        self.decorate_for(request.get(ORIGIN), answer)
    }

    /// The same for the origin itself.
    pub(crate) fn decorate_for(
        &self,
        origin: Option<&HeaderValue>,
        answer: &mut HeaderMap,
    ) -> bool {
        if self.0.origins.is_empty() {
            return false;
        }
        // Also without a match: a cache must not hand this answer to an allowed origin.
        answer.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) = origin.filter(|origin| self.0.origins.contains(origin)) else {
            return false;
        };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.0.answer_headers.clone());
        if self.0.credentials == Credentials::Allowed {
            let yes = HeaderValue::from_static("true");
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        true
    }
}

/// Methods and header names hold nothing that a header could not.
fn list<'a>(words: impl Iterator<Item = &'a str>) -> HeaderValue {
    let words: Vec<&str> = words.collect();
    HeaderValue::from_str(&words.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

pub(crate) fn parse_origin(origin: &str) -> Result<HeaderValue, OriginError> {
    let is_host = |rest: &str| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ', '*']);
    let valid = origin.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty()
            && scheme
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
            && is_host(rest)
    });
    let value = HeaderValue::from_str(origin).ok().filter(|_| valid);
    value.ok_or_else(|| OriginError(origin.to_owned()))
}
