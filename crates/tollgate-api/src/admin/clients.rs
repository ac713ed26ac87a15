//! `/admin/clients`: clients are listed, registered, changed, given new secrets and deleted.

use std::time::Duration;

use axum::{body::Body, extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::value::RawValue;
use tollgate_issuer::clients::{ClientPatch, NewClient, PAGE_MAX};
use tollgate_jose::Algorithm;
use tollgate_protocol::{
    ClientId, ClientSecret, GrantType, Resources, Scope, TokenFormat, UnixSeconds,
};
use tollgate_store::{ClientRecord, ClientState, Store};

use super::{
    AdminState,
    extract::{Json, Origin, Path, Query, Text, present},
    failure::Failure,
    state::Note,
};
use crate::respond;

const LIMIT_DEFAULT: usize = 100;

/// A client as administrators see it: never with a secret.
#[derive(Serialize)]
struct ClientView<'a> {
    client_id: &'a ClientId,
    name: &'a str,
    enabled: bool,
    grants: &'a [GrantType],
    scope: &'a Scope,
    audiences: &'a Resources,
    serves: &'a Resources,
    token_format: Option<TokenFormat>,
    access_ttl: Option<Text>,
    signing_alg: Option<&'a str>,
    jwks: Option<&'a RawValue>,
    secrets: Vec<SecretView>,
    created_at: UnixSeconds,
    updated_at: UnixSeconds,
}

#[derive(Serialize)]
struct SecretView {
    created_at: UnixSeconds,
    expires_at: Option<UnixSeconds>,
}

impl<'a> ClientView<'a> {
    fn of(record: &'a ClientRecord) -> Self {
        let secret = |secret: &tollgate_store::SecretHash| SecretView {
            created_at: secret.created_at,
            expires_at: secret.expires_at,
        };
        Self {
            client_id: &record.id,
            name: &record.name,
            enabled: record.state == ClientState::Enabled,
            grants: &record.grants,
            scope: &record.scope,
            audiences: &record.audiences,
            serves: &record.serves,
            token_format: record.token_format,
            access_ttl: record.access_ttl.map(Text),
            signing_alg: record.signing_alg.as_deref(),
            jwks: record
                .jwks
                .as_deref()
                .and_then(|jwks| serde_json::from_str(jwks).ok()),
            secrets: record.secrets.iter().map(secret).collect(),
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }

    fn answer(record: &'a ClientRecord) -> Response {
        respond::json(StatusCode::OK, &Self::of(record)).map(Body::new)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    after: Option<ClientId>,
    limit: Option<usize>,
}

pub(super) async fn list<S: Store>(
    State(state): State<AdminState<S>>,
    Query(query): Query<ListQuery>,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Clients<'a> {
        clients: Vec<ClientView<'a>>,
        next: Option<&'a ClientId>,
    }
    let limit = page(query.limit)?;
    // One more than asked for tells whether there is another page.
    let mut records = state
        .issuer()
        .clients(query.after, limit.saturating_add(1))
        .await?;
    let has_more = records.len() > limit;
    records.truncate(limit);
    let clients = Clients {
        next: records.last().map(|record| &record.id).filter(|_| has_more),
        clients: records
            .iter()
            .map(|record| ClientView::of(record))
            .collect(),
    };
    Ok(respond::json(StatusCode::OK, &clients).map(Body::new))
}

/// The length of a page.
pub(super) fn page(limit: Option<usize>) -> Result<usize, Failure> {
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if (1..=PAGE_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(Failure::invalid(format!("limit is 1 to {PAGE_MAX}")))
    }
}

/// What can be said of a client; `null` gives back to the server's what can be the server's.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Members {
    #[serde(deserialize_with = "present")]
    client_id: Option<ClientId>,
    #[serde(deserialize_with = "secret")]
    client_secret: Option<ClientSecret>,
    #[serde(deserialize_with = "present")]
    name: Option<String>,
    #[serde(deserialize_with = "present")]
    enabled: Option<bool>,
    #[serde(deserialize_with = "present")]
    grants: Option<Vec<GrantType>>,
    #[serde(deserialize_with = "present")]
    scope: Option<Scope>,
    #[serde(deserialize_with = "present")]
    audiences: Option<Resources>,
    #[serde(deserialize_with = "present")]
    serves: Option<Resources>,
    #[serde(deserialize_with = "present")]
    token_format: Option<Option<TokenFormat>>,
    #[serde(deserialize_with = "present")]
    access_ttl: Option<Option<Text>>,
    #[serde(deserialize_with = "present")]
    signing_alg: Option<Option<Algorithm>>,
    #[serde(deserialize_with = "present")]
    jwks: Option<Option<serde_json::Value>>,
}

/// A secret out of JSON; the error does not repeat it.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ClientSecret>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(ClientSecret::new)
        .transpose()
        .map_err(D::Error::custom)
}

impl Members {
    fn creation(self) -> Result<NewClient, Failure> {
        let id = self
            .client_id
            .ok_or_else(|| Failure::invalid("client_id is missing"))?;
        let usual = NewClient::new(id);
        Ok(NewClient {
            name: self.name.unwrap_or(usual.name),
            state: self.enabled.map_or(usual.state, client_state),
            grants: self.grants.unwrap_or(usual.grants),
            scope: self.scope.unwrap_or(usual.scope),
            audiences: self.audiences.unwrap_or(usual.audiences),
            serves: self.serves.unwrap_or(usual.serves),
            token_format: self.token_format.flatten(),
            access_ttl: self.access_ttl.flatten().map(|Text(ttl)| ttl),
            signing_alg: self.signing_alg.flatten(),
            jwks: self.jwks.flatten().map(|jwks| jwks.to_string()),
            secret: self.client_secret,
            ..usual
        })
    }

    fn patch(self) -> Result<ClientPatch, Failure> {
        if self.client_id.is_some() || self.client_secret.is_some() {
            return Err(Failure::invalid(
                "client_id stays as it is, and a new secret is asked for at …/secret",
            ));
        }
        Ok(ClientPatch {
            name: self.name,
            state: self.enabled.map(client_state),
            grants: self.grants,
            scope: self.scope,
            audiences: self.audiences,
            serves: self.serves,
            token_format: self.token_format,
            access_ttl: self.access_ttl.map(|ttl| ttl.map(|Text(ttl)| ttl)),
            signing_alg: self.signing_alg,
            jwks: self.jwks.map(|jwks| jwks.map(|jwks| jwks.to_string())),
        })
    }
}

const fn client_state(enabled: bool) -> ClientState {
    if enabled {
        ClientState::Enabled
    } else {
        ClientState::Disabled
    }
}

pub(super) async fn create<S: Store>(
    State(state): State<AdminState<S>>,
    origin: Origin,
    Json(members): Json<Members>,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Created<'a> {
        #[serde(flatten)]
        client: ClientView<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_secret: Option<&'a str>,
    }
    let new = members.creation()?;
    let id = new.id.clone();
    let kids = state.issuer().key_ids();
    let created = state.issuer().create_client(new, &state.context()).await;
    state.audit_keys(&origin, &kids, None);
    let created = state.audited(
        &origin,
        Note::new("client.created").of(id.as_str()),
        created,
    )?;
    let answer = Created {
        client: ClientView::of(&created.record),
        client_secret: created.secret.as_ref().map(ClientSecret::expose),
    };
    Ok(respond::json(StatusCode::CREATED, &answer).map(Body::new))
}

pub(super) async fn show<S: Store>(
    State(state): State<AdminState<S>>,
    Path(id): Path<ClientId>,
) -> Result<Response, Failure> {
    let record = state.issuer().client(&id).await?;
    Ok(ClientView::answer(&record))
}

pub(super) async fn update<S: Store>(
    State(state): State<AdminState<S>>,
    Path(id): Path<ClientId>,
    origin: Origin,
    Json(members): Json<Members>,
) -> Result<Response, Failure> {
    let patch = members.patch()?;
    let note = change(&patch).of(id.as_str());
    let kids = state.issuer().key_ids();
    let updated = state
        .issuer()
        .update_client(&id, &patch, &state.context())
        .await;
    state.audit_keys(&origin, &kids, None);
    let record = state.audited(&origin, note, updated)?;
    Ok(ClientView::answer(&record))
}

/// What a patch is to the audit log: being let in or not is one thing, all else another.
fn change<'a>(patch: &ClientPatch) -> Note<'a> {
    const UPDATED: &str = "client.updated";
    let nothing_else = matches!(
        patch,
        ClientPatch {
            state: _,
            name: None,
            grants: None,
            scope: None,
            audiences: None,
            serves: None,
            token_format: None,
            access_ttl: None,
            signing_alg: None,
            jwks: None,
        }
    );
    let state = patch.state.map(|state| match state {
        ClientState::Enabled => "client.enabled",
        ClientState::Disabled => "client.disabled",
    });
    match state {
        Some(state) => Note::new(state).also((!nothing_else).then_some(UPDATED)),
        None => Note::new(UPDATED),
    }
}

pub(super) async fn delete<S: Store>(
    State(state): State<AdminState<S>>,
    Path(id): Path<ClientId>,
    origin: Origin,
) -> Result<StatusCode, Failure> {
    let deleted = state.issuer().delete_client(&id).await;
    state.audited(
        &origin,
        Note::new("client.deleted").of(id.as_str()),
        deleted,
    )?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rotation {
    keep_old: Option<Text>,
    #[serde(deserialize_with = "secret")]
    client_secret: Option<ClientSecret>,
}

pub(super) async fn rotate_secret<S: Store>(
    State(state): State<AdminState<S>>,
    Path(id): Path<ClientId>,
    origin: Origin,
    Json(rotation): Json<Rotation>,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Rotated<'a> {
        client_id: &'a ClientId,
        client_secret: &'a str,
        previous_expires_at: Option<UnixSeconds>,
    }
    let keep_old: Option<Duration> = rotation.keep_old.map(|Text(duration)| duration);
    let context = state.context();
    let rotated = state
        .issuer()
        .rotate_secret(&id, keep_old, rotation.client_secret, &context)
        .await;
    let note = Note::new("client.secret_rotated").of(id.as_str());
    let rotated = state.audited(&origin, note, rotated)?;
    let answer = Rotated {
        client_id: &id,
        client_secret: rotated.secret.expose(),
        previous_expires_at: rotated.previous_expires_at,
    };
    Ok(respond::json(StatusCode::OK, &answer).map(Body::new))
}
