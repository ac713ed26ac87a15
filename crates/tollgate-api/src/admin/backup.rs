//! `GET /admin/backup` and `POST /admin/restore`, both while the service runs.

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, StatusCode},
    response::Response,
};
use serde::Serialize;
use tollgate_protocol::UnixSeconds;
use tollgate_store::Store;

use super::{
    AdminState,
    extract::{Origin, Whole},
    failure::Failure,
    state::Note,
};
use crate::respond;

const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub(super) async fn backup<S: Store>(
    State(state): State<AdminState<S>>,
    origin: Origin,
) -> Result<Response, Failure> {
    // It changes nothing, but who took one must be known.
    state.api.audit.check()?;
    let file = state.issuer().backup().await;
    let file = state.audited(&origin, Note::new("store.backed_up"), file)?;
    Ok(respond::no_store(StatusCode::OK, OCTET_STREAM, Bytes::from(file)).map(Body::new))
}

pub(super) async fn restore<S: Store>(
    State(state): State<AdminState<S>>,
    origin: Origin,
    Whole(file): Whole,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Restored {
        restored: Counts,
        tokens_refused_before: UnixSeconds,
    }
    #[derive(Serialize)]
    struct Counts {
        clients: usize,
        keys: usize,
    }
    let report = state.issuer().restore(&file, &state.context()).await;
    let report = state.audited(&origin, Note::new("store.restored"), report)?;
    let answer = Restored {
        restored: Counts {
            clients: report.clients,
            keys: report.keys,
        },
        tokens_refused_before: report.tokens_refused_before,
    };
    Ok(respond::json(StatusCode::OK, &answer).map(Body::new))
}
