//! What handlers take out of a request, each refusing with a JSON error.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use axum::{
    body::Bytes,
    extract::{self, FromRequest, FromRequestParts, Request},
    http::{HeaderValue, header::CONTENT_TYPE, request::Parts},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error as _,
};
use tollgate_protocol::UnixMillis;
use tollgate_web::RequestId;

use super::failure::Failure;
use crate::audit::AuditEvent;

/// Where a request came from, and how the logs name it.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) id: Option<RequestId>,
    pub(super) ip: IpAddr,
}

impl Origin {
    /// An event of this request, of which nothing else is known yet.
    pub(super) fn audit_event(&self, time: UnixMillis, event: &'static str) -> AuditEvent<'_> {
        AuditEvent {
            request_id: self.id.as_ref().map(RequestId::as_str),
            ip: Some(self.ip),
            ..AuditEvent::new(time, event)
        }
    }
}

impl<T: Send + Sync> FromRequestParts<T> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &T) -> Result<Self, Infallible> {
        // Served by anything but our own handler, a request has no origin that could be told.
        let unknown = || Self {
            id: None,
            ip: Ipv4Addr::UNSPECIFIED.into(),
        };
        Ok(parts.extensions.get().cloned().unwrap_or_else(unknown))
    }
}

/// A JSON object in the body; no body counts as `{}`.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, U: Send + Sync> FromRequest<U> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &U) -> Result<Self, Failure> {
        let is_json = request.headers().get(CONTENT_TYPE).is_some_and(is_json);
        let body = Bytes::from_request(request, state).await?;
        let text: &[u8] = match body.trim_ascii() {
            b"" => b"{}",
            _ if !is_json => return Err(Failure::no_json()),
            text => text,
        };
        // A struct would be read from an array too, members in the order of the source code.
        if !text.starts_with(b"{") {
            return Err(Failure::invalid("the body must be a JSON object"));
        }
        let value = serde_json::from_slice(text);
        value
            .map(Self)
            .map_err(|error| Failure::invalid(reason(&error)))
    }
}

/// Why a body was refused; where in it, when it is no JSON at all.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(reason) if error.is_data() => reason.to_owned(),
        _ => text,
    }
}

fn is_json(content_type: &HeaderValue) -> bool {
    let media_type = content_type.as_bytes().split(|byte| *byte == b';').next();
    media_type
        .unwrap_or_default()
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/json")
}

/// The query, each parameter at most once and none unknown.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, U: Send + Sync> FromRequestParts<U> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &U) -> Result<Self, Failure> {
        let extract::Query(value) = extract::Query::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// The parameter in the path, decoded.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, U: Send + Sync> FromRequestParts<U> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &U) -> Result<Self, Failure> {
        let extract::Path(value) = extract::Path::from_request_parts(parts, state).await?;
        Ok(Self(value))
    }
}

/// The body as it is.
pub(super) struct Whole(pub(super) Bytes);

impl<U: Send + Sync> FromRequest<U> for Whole {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &U) -> Result<Self, Failure> {
        Ok(Self(Bytes::from_request(request, state).await?))
    }
}

/// A duration as people write it: `90s`, `1h 30m`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text(pub(super) Duration);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = humantime::parse_duration(&text);
        duration
            .map(Self)
            .map_err(|error| D::Error::custom(format!("a duration like 1h: {error}")))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

/// A member that is there: `null` is a value, and refused where the type has none.
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
