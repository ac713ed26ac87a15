//! Answers to requests that are not let in: RFC 6750 §3, RFC 9449 §§7.1 and 9, RFC 9728 §5.1.
//!
//! Whoever is refused with 401 learns that, and not why: the body and the challenge are the same
//! for every cause. The cause is for the log.

use std::fmt::Write as _;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::dpop::ProofError;
use crate::error::Error;

/// The nonce header of RFC 9449 §8.
pub(crate) static DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// When keys may be back.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// Why a request is not let in, as far as its sender is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No token at all: a challenge without an error code.
    NoToken,
    /// More than one token, or a header that holds none.
    InvalidRequest,
    InvalidToken,
    InvalidProof,
    UseNonce,
    InsufficientScope,
    Unavailable,
    /// The service asks for a token of another claims type than the one that was verified.
    Misplaced,
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        match error {
            Error::KeysUnavailable | Error::Undecided(_) | Error::Proof(ProofError::StoreFull) => {
                Self::Unavailable
            }
            Error::Proof(ProofError::Nonce) => Self::UseNonce,
            Error::Proof(ProofError::Binding) => Self::InvalidToken,
            Error::Proof(_) => Self::InvalidProof,
            _ => Self::InvalidToken,
        }
    }
}

/// What the challenges say beside the error.
#[derive(Debug, Clone, Default)]
pub(crate) struct Realm {
    pub(crate) realm: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) resource_metadata: Option<String>,
    pub(crate) dpop_algorithms: Option<String>,
}

/// What the challenges of one layer say, left in a request for the guards behind it.
#[derive(Clone)]
pub(crate) struct SharedRealm(pub(crate) Arc<Realm>);

impl Refusal {
    pub(crate) fn response<B: From<&'static str>>(
        self,
        realm: &Realm,
        nonce: Option<&str>,
    ) -> Response<B> {
        let (status, body) = self.status_and_body();
        let mut response = Response::new(B::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self == Self::Unavailable {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
            return response;
        }
        if self == Self::Misplaced {
            return response;
        }
        for challenge in self.challenges(realm) {
            if let Ok(value) = HeaderValue::try_from(challenge) {
                headers.append(WWW_AUTHENTICATE, value);
            }
        }
        if let Some(Ok(nonce)) = nonce.map(HeaderValue::try_from) {
            headers.insert(DPOP_NONCE.clone(), nonce);
        }
        response
    }

    fn status_and_body(self) -> (StatusCode, &'static str) {
        match self {
            Self::NoToken | Self::InvalidToken | Self::InvalidProof | Self::UseNonce => {
                (StatusCode::UNAUTHORIZED, r#"{"error":"unauthorized"}"#)
            }
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, r#"{"error":"invalid_request"}"#),
            Self::InsufficientScope => (StatusCode::FORBIDDEN, r#"{"error":"insufficient_scope"}"#),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"error":"temporarily_unavailable"}"#,
            ),
            Self::Misplaced => (
                StatusCode::INTERNAL_SERVER_ERROR,
                r#"{"error":"server_error"}"#,
            ),
        }
    }

    fn challenges(self, realm: &Realm) -> Vec<String> {
        let mut challenges = Vec::with_capacity(2);
        if !matches!(self, Self::InvalidProof | Self::UseNonce) {
            let error = match self {
                Self::InvalidRequest => "invalid_request",
                Self::InsufficientScope => "insufficient_scope",
                Self::InvalidToken => "invalid_token",
                _ => "",
            };
            challenges.push(challenge("Bearer", error, None, realm));
        }
        if let Some(algorithms) = &realm.dpop_algorithms {
            let error = match self {
                Self::InvalidProof => "invalid_dpop_proof",
                Self::UseNonce => "use_dpop_nonce",
                Self::InvalidToken => "invalid_token",
                Self::InsufficientScope => "insufficient_scope",
                _ => "",
            };
            challenges.push(challenge("DPoP", error, Some(algorithms), realm));
        }
        challenges
    }
}

fn challenge(scheme: &str, error: &str, algorithms: Option<&str>, realm: &Realm) -> String {
    let parameters = [
        ("realm", realm.realm.as_deref()),
        ("error", Some(error)),
        ("scope", realm.scope.as_deref()),
        ("algs", algorithms),
        ("resource_metadata", realm.resource_metadata.as_deref()),
    ];
    let mut out = String::from(scheme);
    let present = parameters
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    for (position, (name, value)) in present.enumerate() {
        let separator = if position == 0 { " " } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(out, "{separator}{name}=\"{}\"", quotable(value));
    }
    out
}

/// What may stand in a quoted string as it is.
fn quotable(value: &str) -> String {
    value
        .chars()
        .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
        .collect()
}
