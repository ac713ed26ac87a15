//! `/admin/tokens`: tokens are issued, looked at, redeemed, listed, counted and revoked.

mod issue;
mod one;

use axum::{body::Body, extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use tollgate_issuer::tokens::TokenId;
use tollgate_protocol::{ClientId, Resources, Scope, Subject, UnixSeconds};
use tollgate_store::{Store, TokenFilter, TokenKey, TokenRecord, TokenUse};

pub(super) use self::{
    issue::issue,
    one::{introspect, redeem, revoke},
};
use super::{
    AdminState,
    clients::page,
    extract::{Origin, Query},
    failure::Failure,
    state::Note,
};
use crate::respond;

/// A stored token as administrators see it: never the token itself.
#[derive(Serialize)]
struct TokenView<'a> {
    id: String,
    kind: &'static str,
    client_id: &'a ClientId,
    sub: &'a Subject,
    scope: &'a Scope,
    aud: &'a Resources,
    iat: UnixSeconds,
    exp: UnixSeconds,
}

impl<'a> TokenView<'a> {
    fn of(key: TokenKey, record: &'a TokenRecord) -> Self {
        Self {
            id: key.to_string(),
            kind: match record.usage {
                TokenUse::Access => "access",
                TokenUse::OneTime => "one_time",
            },
            client_id: &record.client,
            sub: &record.subject,
            scope: &record.scope,
            aud: &record.audience,
            iat: record.issued_at.to_seconds(),
            exp: record.expires_at,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    client: Option<ClientId>,
    subject: Option<Subject>,
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list<S: Store>(
    State(state): State<AdminState<S>>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Tokens<'a> {
        tokens: Vec<TokenView<'a>>,
        next: Option<String>,
    }
    let limit = page(query.limit)?;
    let after = query
        .after
        .map(|after| after.parse::<TokenKey>())
        .transpose();
    let after = after.map_err(|error| Failure::invalid(format!("after: {error}")))?;
    let filter = TokenFilter {
        client: query.client,
        subject: query.subject,
    };
    let page = state
        .issuer()
        .tokens(filter, after, limit, &state.context())
        .await?;
    let tokens = Tokens {
        tokens: page
            .tokens
            .iter()
            .map(|(key, record)| TokenView::of(*key, record))
            .collect(),
        next: page.next.map(|key| key.to_string()),
    };
    Ok(respond::json(StatusCode::OK, &tokens).map(Body::new))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CountQuery {
    client: Option<ClientId>,
    subject: Option<Subject>,
}

pub(super) async fn count<S: Store>(
    State(state): State<AdminState<S>>,
    Query(query): Query<CountQuery>,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Count {
        count: u64,
    }
    let filter = TokenFilter {
        client: query.client,
        subject: query.subject,
    };
    let count = state
        .issuer()
        .count_tokens(filter, &state.context())
        .await?;
    Ok(respond::json(StatusCode::OK, &Count { count }).map(Body::new))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeQuery {
    client: Option<ClientId>,
    subject: Option<Subject>,
    id: Option<String>,
}

/// What `{"revoked":true}` answers.
#[derive(Serialize)]
struct Revoked {
    revoked: bool,
}

impl Revoked {
    fn answer(revoked: bool) -> Response {
        respond::json(StatusCode::OK, &Self { revoked }).map(Body::new)
    }
}

/// Revokes all tokens of a client, all of a subject, or one.
pub(super) async fn revoke_many<S: Store>(
    State(state): State<AdminState<S>>,
    origin: Origin,
    Query(query): Query<RevokeQuery>,
) -> Result<Response, Failure> {
    let (issuer, context) = (state.issuer(), state.context());
    match (query.client, query.subject, query.id) {
        (Some(client), None, None) => {
            let done = issuer.revoke_client_tokens(&client, &context).await;
            let note = Note::new("client.tokens_revoked").of(client.as_str());
            state.audited(&origin, note, done)?;
        }
        (None, Some(subject), None) => {
            let done = issuer
                .revoke_subject_tokens(subject.clone(), &context)
                .await;
            let note = Note::new("subject.tokens_revoked").of(subject.as_str());
            state.audited(&origin, note, done)?;
        }
        (None, None, Some(id)) => {
            let named: TokenId = id
                .parse()
                .map_err(|error| Failure::invalid(format!("id: {error}")))?;
            let done = issuer.revoke_token_id(named, &context).await;
            let key = done.as_ref().ok().map(ToString::to_string);
            let note = Note::new("token.revoked").token(key);
            state.audited(&origin, note, done)?;
            state.api.metrics.revoked();
        }
        _ => {
            return Err(Failure::invalid(
                "exactly one of client, subject and id is asked for",
            ));
        }
    }
    Ok(Revoked::answer(true))
}
