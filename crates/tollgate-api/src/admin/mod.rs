//! The management API: an axum router for a listener of its own, one file an endpoint group.
//!
//! Everything but `/metrics`, `/health` and `/ready` asks for the admin token. Handlers parse, ask
//! the [`Issuer`](tollgate_issuer::Issuer) and answer; what happened goes to the audit log.

mod auth;
mod backup;
mod cache;
mod clients;
mod extract;
mod failure;
mod handler;
mod keys;
mod limits;
mod probes;
mod profiling;
mod state;
mod stats;
mod tokens;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{delete, get, post},
};
use tollgate_store::Store;

pub use auth::{AdminToken, InvalidAdminToken};
pub use handler::{AdminHandler, ROUTE_TEMPLATES, RunToTheEnd};
pub use state::{AdminParts, AdminState};

/// The longest JSON body, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// The longest backup that is restored, in bytes.
pub const RESTORE_BYTES_MAX: usize = tollgate_issuer::backup::FILE_BYTES_MAX;

/// Every route of the management API.
pub fn router<S: Store>(state: AdminState<S>) -> Router {
    let protected = Router::new()
        .route("/admin/clients", get(clients::list).post(clients::create))
        .route(
            "/admin/clients/{id}",
            get(clients::show)
                .patch(clients::update)
                .delete(clients::delete),
        )
        .route("/admin/clients/{id}/secret", post(clients::rotate_secret))
        .route("/admin/keys", get(keys::list))
        .route("/admin/keys/rotate", post(keys::rotate))
        .route("/admin/keys/{kid}", delete(keys::revoke))
        .route(
            "/admin/tokens",
            get(tokens::list)
                .post(tokens::issue)
                .delete(tokens::revoke_many),
        )
        .route("/admin/tokens/count", get(tokens::count))
        .route("/admin/tokens/introspect", post(tokens::introspect))
        .route("/admin/tokens/redeem", post(tokens::redeem))
        .route("/admin/tokens/revoke", post(tokens::revoke))
        .route("/admin/cache", get(cache::statistics).delete(cache::forget))
        .route("/admin/limits", get(limits::statistics))
        .route("/admin/stats", get(stats::show))
        .route("/admin/config", get(stats::config))
        .route("/admin/backup", get(backup::backup))
        .route(
            "/admin/restore",
            post(backup::restore).layer(DefaultBodyLimit::max(RESTORE_BYTES_MAX)),
        )
        .route("/debug/pprof/profile", get(profiling::cpu))
        .route("/debug/pprof/heap", get(profiling::heap))
        .fallback(failure::no_route)
        .method_not_allowed_fallback(failure::no_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            auth::require_token::<S>,
        ));
    Router::new()
        .route("/metrics", get(probes::metrics))
        .route("/health", get(probes::health))
        .route("/ready", get(probes::ready))
        .method_not_allowed_fallback(failure::no_method)
        .merge(protected)
        .layer(middleware::from_fn(handler::note_route))
        .with_state(state)
}
