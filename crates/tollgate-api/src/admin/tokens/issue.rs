//! `POST /admin/tokens`: a token is issued in the name of a client.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use tollgate_issuer::{authenticate::Client, grant::TokenRequest, one_time::OneTimeRequest};
use tollgate_protocol::{ClientId, GrantType, Resources, Scope, Subject, TokenFormat, TokenKind};
use tollgate_store::Store;

use super::super::{
    AdminState,
    extract::{Json, Origin},
    failure::Failure,
    state::Note,
};
use crate::{
    oauth::{ott::OneTimeResponse, token::TokenResponse},
    respond,
};

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Access,
    OneTime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Issue {
    client_id: ClientId,
    #[serde(default)]
    kind: Kind,
    /// Empty as much as left out: all that the client may have.
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    resource: Resources,
    subject: Option<Subject>,
    expires_in: Option<u64>,
    data: Option<serde_json::Value>,
}

pub(in super::super) async fn issue<S: Store>(
    State(state): State<AdminState<S>>,
    origin: Origin,
    Json(wish): Json<Issue>,
) -> Result<Response, Failure> {
    let context = state.context();
    let client = state
        .issuer()
        .find_client(&wish.client_id, &context)
        .await?;
    let client = client.ok_or_else(|| Failure::not_found("no such client"))?;
    if !client.is_enabled() {
        return Err(Failure::conflict("the client is disabled"));
    }
    match wish.kind {
        Kind::Access => access(&state, &origin, &client, wish).await,
        Kind::OneTime => one_time(&state, &origin, &client, wish).await,
    }
}

async fn access<S: Store>(
    state: &AdminState<S>,
    origin: &Origin,
    client: &Client,
    wish: Issue,
) -> Result<Response, Failure> {
    if wish.subject.is_some() || wish.expires_in.is_some() || wish.data.is_some() {
        return Err(Failure::invalid(
            "subject, expires_in and data are for one-time tokens",
        ));
    }
    let request = TokenRequest {
        scope: Some(wish.scope).filter(|scope| !scope.is_empty()),
        resources: wish.resource,
    };
    let grant = GrantType::ClientCredentials;
    let issued = state
        .issuer()
        .grant(grant, client, request, &state.context())
        .await;
    let key = issued.as_ref().ok().map(|issued| issued.key.to_string());
    let note = Note::new("token.issued")
        .of(wish.client_id.as_str())
        .token(key);
    let issued = state.audited(origin, note, issued)?;
    state.api.metrics.issued(TokenKind::Access, issued.format);
    let answer = TokenResponse::from(&issued);
    Ok(respond::json(StatusCode::OK, &answer).map(Body::new))
}

async fn one_time<S: Store>(
    state: &AdminState<S>,
    origin: &Origin,
    client: &Client,
    wish: Issue,
) -> Result<Response, Failure> {
    let request = OneTimeRequest {
        scope: Some(wish.scope).filter(|scope| !scope.is_empty()),
        resources: wish.resource,
        subject: wish.subject,
        expires_in: wish.expires_in.map(Duration::from_secs),
        data: wish.data.map(|data| Arc::from(data.to_string())),
    };
    let issued = state
        .issuer()
        .issue_one_time(client, request, &state.context())
        .await;
    let key = issued.as_ref().ok().map(|issued| issued.key.to_string());
    let note = Note::new("one_time_token.issued")
        .of(wish.client_id.as_str())
        .token(key);
    let issued = state.audited(origin, note, issued)?;
    state
        .api
        .metrics
        .issued(TokenKind::OneTime, TokenFormat::Opaque);
    let answer = OneTimeResponse::from(&issued);
    Ok(respond::json(StatusCode::OK, &answer).map(Body::new))
}
