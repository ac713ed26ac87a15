//! `/admin/tokens/introspect`, `…/redeem` and `…/revoke`: one token, presented as it is.

use axum::{body::Body, extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Deserializer};
use tollgate_issuer::check::Revoker;
use tollgate_store::{Revoked as Outcome, Store};
use zeroize::Zeroizing;

use super::{
    super::{
        AdminState,
        extract::{Json, Origin},
        failure::Failure,
        state::Note,
    },
    Revoked,
};
use crate::{
    oauth::claims::{Introspection, Redemption},
    respond,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Presented {
    #[serde(deserialize_with = "token")]
    token: Zeroizing<String>,
}

fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

/// Whatever client the token belongs to.
pub(in super::super) async fn introspect<S: Store>(
    State(state): State<AdminState<S>>,
    Json(presented): Json<Presented>,
) -> Result<Response, Failure> {
    let issuer = state.issuer();
    let live = issuer.check_one(&presented.token, &state.context()).await?;
    let introspection = Introspection::new(live.as_ref(), &issuer.settings().issuer);
    Ok(respond::json(StatusCode::OK, &introspection).map(Body::new))
}

pub(in super::super) async fn redeem<S: Store>(
    State(state): State<AdminState<S>>,
    origin: Origin,
    Json(presented): Json<Presented>,
) -> Result<Response, Failure> {
    let issuer = state.issuer();
    let redeemed = issuer
        .redeem_as_bearer(&presented.token, &state.context())
        .await;
    let key = redeemed
        .as_ref()
        .ok()
        .map(|redeemed| redeemed.key.to_string());
    let note = Note::new("one_time_token.redeemed").token(key);
    let redeemed = state.audited(&origin, note, redeemed)?;
    let redemption = Redemption::of(&redeemed, &issuer.settings().issuer);
    Ok(respond::json(StatusCode::OK, &redemption).map(Body::new))
}

pub(in super::super) async fn revoke<S: Store>(
    State(state): State<AdminState<S>>,
    origin: Origin,
    Json(presented): Json<Presented>,
) -> Result<Response, Failure> {
    let tokens = [presented.token.as_str()];
    let outcome = state
        .issuer()
        .revoke(&tokens, &Revoker::Administrator, &state.context())
        .await;
    let first = outcome
        .as_ref()
        .ok()
        .and_then(|outcomes| outcomes.first())
        .copied();
    let (key, revoked) = first.unwrap_or((None, Outcome::AlreadyDead));
    let note = Note::new("token.revoked").token(key.map(|key| key.to_string()));
    state.audited(&origin, note, outcome)?;
    if revoked == Outcome::Revoked {
        state.api.metrics.revoked();
    }
    Ok(Revoked::answer(revoked == Outcome::Revoked))
}
