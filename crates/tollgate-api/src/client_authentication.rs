//! Client authentication at every endpoint that asks for it: which credentials were sent, whether
//! they prove anything, and what failures cost.

use std::{borrow::Cow, sync::Arc};

use http::header::AUTHORIZATION;
use serde::Deserialize;
use tollgate_issuer::authenticate::{AuthenticationError, Client, Credentials};
use tollgate_protocol::{BasicCredentials, ClientId, ClientSecret, ErrorCode, Form};
use tollgate_store::Store;

use crate::{Api, audit::AuditEvent, call::Call, limits::Known, refusal::Refusal, router::Route};

/// The only assertion type there is (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a body says of who sent it.
#[derive(Default, Deserialize)]
pub(crate) struct BodyCredentials<'a> {
    #[serde(default, borrow)]
    pub(crate) client_id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) client_secret: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) client_assertion: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) client_assertion_type: Option<Cow<'a, str>>,
}

impl<'a> BodyCredentials<'a> {
    pub(crate) fn of_form(form: &Form<'a>) -> Result<Self, Refusal> {
        Ok(Self {
            client_id: form.value("client_id")?,
            client_secret: form.value("client_secret")?,
            client_assertion: form.value("client_assertion")?,
            client_assertion_type: form.value("client_assertion_type")?,
        })
    }
}

impl<S: Store> Api<S> {
    /// The client that sent the call.
    pub(crate) async fn authenticate(
        &self,
        route: Route,
        body: &BodyCredentials<'_>,
        call: &mut Call<'_>,
    ) -> Result<Arc<Client>, Refusal> {
        self.audit.check()?;
        self.limits.check_failures(call.ip, &mut call.metered)?;
        let named = body.client_id.as_deref();
        let client = match credentials(call, body)? {
            // Malformed credentials are a failure to authenticate like any other.
            None => Err(AuthenticationError::Refused),
            Some(credentials) => self.issuer.authenticate(credentials, &call.context).await,
        };
        match client {
            Ok(client) => {
                let name = client.record().id.as_str();
                self.limits
                    .check(route, Known::Client(name), &mut call.metered)?;
                Ok(client)
            }
            Err(AuthenticationError::Broken(error)) => Err(error.into()),
            Err(error) => {
                let named = attempted_client(call, named);
                let named = named.as_ref().map(ClientId::as_str);
                // Before it is told whether the client's share is used up: each attempt is noted.
                self.audit_failure(call, named);
                self.limits
                    .note_failure(call.ip, named, &mut call.metered)?;
                Err(error.into())
            }
        }
    }

    /// The client did not authenticate, so it is the target and not who asked.
    fn audit_failure(&self, call: &Call<'_>, named: Option<&str>) {
        self.audit.tell(&[AuditEvent {
            outcome: "invalid_client",
            target: named,
            ..call.audit_event("client.authenticated")
        }]);
    }
}

/// The credentials that were sent, by exactly one method (RFC 6749 §2.3); none when they are
/// missing or malformed.
fn credentials<'a>(
    call: &Call<'_>,
    body: &'a BodyCredentials<'_>,
) -> Result<Option<Credentials<'a>>, Refusal> {
    let header = call.only_header(AUTHORIZATION)?;
    let methods = usize::from(header.is_some())
        + usize::from(body.client_secret.is_some())
        + usize::from(body.client_assertion.is_some() || body.client_assertion_type.is_some());
    if methods > 1 {
        return Err(Refusal::bad_request(
            ErrorCode::InvalidRequest,
            "more than one method of client authentication",
        ));
    }
    if let Some(header) = header {
        return of_header(header, body);
    }
    let Ok(client_id) = body
        .client_id
        .as_deref()
        .map(str::parse::<ClientId>)
        .transpose()
    else {
        return Ok(None);
    };
    if let Some(assertion) = body.client_assertion.as_deref() {
        let known_type = body.client_assertion_type.as_deref() == Some(JWT_BEARER);
        return Ok(known_type.then_some(Credentials::Assertion {
            client_id,
            assertion,
        }));
    }
    let secret = body
        .client_secret
        .as_deref()
        .map(|secret| ClientSecret::new(secret.to_owned()));
    Ok(match (client_id, secret) {
        (Some(client_id), Some(Ok(secret))) => Some(Credentials::Secret { client_id, secret }),
        _ => None,
    })
}

fn of_header<'a>(
    header: &[u8],
    body: &BodyCredentials<'_>,
) -> Result<Option<Credentials<'a>>, Refusal> {
    let Ok(BasicCredentials { client_id, secret }) = BasicCredentials::parse(header) else {
        return Ok(None);
    };
    if body
        .client_id
        .as_deref()
        .is_some_and(|other| other != client_id.as_str())
    {
        return Err(Refusal::bad_request(
            ErrorCode::InvalidRequest,
            "client_id is not the one in the Authorization header",
        ));
    }
    Ok(Some(Credentials::Secret { client_id, secret }))
}

/// Which client the failed attempt named, to count the failure against it.
fn attempted_client(call: &Call<'_>, named: Option<&str>) -> Option<ClientId> {
    if let Some(named) = named {
        return named.parse().ok();
    }
    let header = call.parts.headers.get(AUTHORIZATION)?;
    BasicCredentials::parse(header.as_bytes())
        .ok()
        .map(|credentials| credentials.client_id)
}
