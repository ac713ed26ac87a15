//! `/admin/keys`: signing keys are listed, rotated by hand and revoked in an emergency.

use axum::{body::Body, extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use tollgate_issuer::keys::KeyView;
use tollgate_jose::Algorithm;
use tollgate_store::Store;

use super::{
    AdminState,
    extract::{Json, Origin, Path},
    failure::Failure,
    state::Note,
};
use crate::respond;

pub(super) async fn list<S: Store>(State(state): State<AdminState<S>>) -> Response {
    #[derive(Serialize)]
    struct Keys {
        keys: Vec<KeyView>,
    }
    let keys = Keys {
        keys: state.issuer().keys(&state.context()),
    };
    respond::json(StatusCode::OK, &keys).map(Body::new)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rotation {
    alg: Option<Algorithm>,
}

pub(super) async fn rotate<S: Store>(
    State(state): State<AdminState<S>>,
    origin: Origin,
    Json(rotation): Json<Rotation>,
) -> Result<Response, Failure> {
    let issuer = state.issuer();
    let rotated = match issuer.prepare_key(rotation.alg).await {
        Ok(()) => issuer.rotate_key(rotation.alg, &state.context()).await,
        Err(error) => Err(error),
    };
    let target = rotated
        .as_ref()
        .ok()
        .map(|key| key.kid.clone())
        .unwrap_or_default();
    let key = state.audited(&origin, Note::new("key.rotated").of(&target), rotated)?;
    Ok(respond::json(StatusCode::CREATED, &key).map(Body::new))
}

pub(super) async fn revoke<S: Store>(
    State(state): State<AdminState<S>>,
    Path(kid): Path<String>,
    origin: Origin,
) -> Result<Response, Failure> {
    let kids = state.issuer().key_ids();
    let revoked = state.issuer().revoke_key(&kid, &state.context()).await;
    // Its successor.
    state.audit_keys(&origin, &kids, Some(&kid));
    let key = state.audited(&origin, Note::new("key.revoked").of(&kid), revoked)?;
    Ok(respond::json(StatusCode::OK, &key).map(Body::new))
}
