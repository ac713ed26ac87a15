//! One call as the endpoints see it: its head, where it came from, when, and its body once read.

use std::{net::IpAddr, time::Instant};

use bytes::Bytes;
use http::{
    StatusCode,
    header::{AsHeaderName, CONTENT_TYPE},
    request::Parts,
};
use tollgate_issuer::Context;
use tollgate_protocol::{ErrorCode, Form, OAuthError};
use tollgate_store::Store;
use tollgate_web::{RequestContext, RequestId};

use crate::{Api, audit::AuditEvent, limits::Metered, refusal::Refusal};

/// What a body must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyType {
    Form,
    Json,
}

/// One call.
pub(crate) struct Call<'a> {
    pub(crate) parts: Parts,
    pub(crate) ip: IpAddr,
    pub(crate) peer: IpAddr,
    pub(crate) request_id: RequestId,
    pub(crate) started: Instant,
    pub(crate) context: Context<'a>,
    pub(crate) metered: Metered,
}

impl<'a> Call<'a> {
    pub(crate) fn new<S: Store>(api: &'a Api<S>, parts: Parts, request: &RequestContext) -> Self {
        Self {
            parts,
            ip: request.client_ip(),
            peer: request.peer().ip().to_canonical(),
            request_id: *request.request_id(),
            started: request.started(),
            context: api.context_at(request.started()),
            metered: Metered::at(request.started()),
        }
    }

    /// The call had to wait for its body or its turn: decisions are made by the time that it is
    /// now, not by that of a head long since read.
    pub(crate) fn waited<S: Store>(&mut self, api: &'a Api<S>) {
        let now = Instant::now();
        self.context = api.context_at(now);
        self.metered.later(now);
    }

    /// The only value of a header; none if there is none.
    pub(crate) fn only_header(&self, name: impl AsHeaderName) -> Result<Option<&[u8]>, Refusal> {
        let mut values = self.parts.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (first, None) => Ok(first.map(http::HeaderValue::as_bytes)),
            _ => Err(Refusal::bad_request(
                ErrorCode::InvalidRequest,
                "a header is repeated",
            )),
        }
    }

    /// Refuses what is not of the media type `expected`, and any query: what stands in a URL ends
    /// up in logs, and a parameter in both places would mean one thing here and another elsewhere.
    pub(crate) fn expect_body(&self, expected: BodyType) -> Result<(), Refusal> {
        self.refuse_query()?;
        let (media_type, status, description) = match expected {
            BodyType::Form => (
                "application/x-www-form-urlencoded",
                StatusCode::BAD_REQUEST,
                "the body must be application/x-www-form-urlencoded",
            ),
            BodyType::Json => (
                "application/json",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be application/json",
            ),
        };
        if self.is_of_type(media_type) {
            return Ok(());
        }
        let error = OAuthError::new(ErrorCode::InvalidRequest, description);
        Err(Refusal::new(status, error))
    }

    fn refuse_query(&self) -> Result<(), Refusal> {
        match self.parts.uri.query() {
            None | Some("") => Ok(()),
            Some(_) => Err(Refusal::bad_request(
                ErrorCode::InvalidRequest,
                "parameters belong in the body, not in the URL",
            )),
        }
    }

    /// Whether the body says that it is of the media type `expected`, parameters aside.
    fn is_of_type(&self, expected: &str) -> bool {
        let value = self
            .parts
            .headers
            .get(CONTENT_TYPE)
            .map_or(&b""[..], http::HeaderValue::as_bytes);
        let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
        media_type
            .trim_ascii()
            .eq_ignore_ascii_case(expected.as_bytes())
    }

    /// An event of this call, of which nothing else is known yet.
    pub(crate) fn audit_event(&self, event: &'static str) -> AuditEvent<'_> {
        AuditEvent {
            request_id: Some(self.request_id.as_str()),
            ip: Some(self.ip),
            ..AuditEvent::new(self.context.now.wall, event)
        }
    }
}

/// The form, with no parameter given twice but those that may be.
pub(crate) fn form<'b>(body: &'b Bytes, repeatable: &[&str]) -> Result<Form<'b>, Refusal> {
    let form = Form::parse(body)?;
    form.refuse_repeated(repeatable)?;
    Ok(form)
}
