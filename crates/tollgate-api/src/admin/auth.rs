//! The admin token, and the gate that asks for it.

use std::time::Instant;

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use axum::{
    extract::{Request, State},
    http::header::AUTHORIZATION,
    middleware::Next,
    response::Response,
};
use tollgate_protocol::BearerToken;
use tollgate_store::Store;

use super::{AdminState, extract::Origin, failure::Failure, state::Note};
use crate::limits::Metered;

/// The token of the management API, of which only a hash is held.
///
/// # Security
///
/// Whoever has the token owns the service. It must be random; the fast hash does not slow down
/// guessing, it only keeps the token out of core dumps and makes all comparisons equally long.
#[derive(Clone)]
pub struct AdminToken([u8; 32]);

/// The text is no admin token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an admin token has at least {} characters of A-Z a-z 0-9 - . _ ~ + /",
    AdminToken::CHARS_MIN
)]
pub struct InvalidAdminToken;

impl AdminToken {
    /// The fewest characters.
    pub const CHARS_MIN: usize = 32;

    /// Takes `text` as the token.
    ///
    /// # Errors
    ///
    /// When it is too short, or cannot stand in an `Authorization: Bearer` header.
    pub fn new(text: &str) -> Result<Self, InvalidAdminToken> {
        let header = format!("Bearer {text}");
        match BearerToken::parse(header.as_bytes()) {
            Ok(token) if token.expose() == text && text.len() >= Self::CHARS_MIN => {
                Ok(Self(hash(text)))
            }
            _ => Err(InvalidAdminToken),
        }
    }

    /// Whether `presented` is the token, found out in constant time.
    fn is(&self, presented: &str) -> bool {
        verify_slices_are_equal(&self.0, &hash(presented)).is_ok()
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AdminToken(…)")
    }
}

fn hash(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}

/// Lets requests through that bear the token.
pub(super) async fn require_token<S: Store>(
    State(state): State<AdminState<S>>,
    origin: Origin,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    let refused = match (headers.next(), headers.next()) {
        (Some(header), None) => match BearerToken::parse(header.as_bytes()) {
            Ok(token) if state.parts.token.is(token.expose()) => {
                if !request.method().is_safe() {
                    state.api.audit.check()?;
                }
                return Ok(next.run(request).await);
            }
            _ => Failure::wrong_token(),
        },
        (None, _) => Failure::no_token(),
        _ => Failure::wrong_token(),
    };
    // Whoever has the right token is always heard. The others are noted in the audit log, but
    // must not be able to fill it.
    let limits = &state.api.limits;
    let mut metered = Metered::at(Instant::now());
    limits.check_failures(origin.ip, &mut metered)?;
    limits.note_failure(origin.ip, None, &mut metered)?;
    state.audited(&origin, Note::new("admin.refused"), Err(refused))
}
