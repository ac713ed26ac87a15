//! Client assertions: `private_key_jwt` (RFC 7523), each used once.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tollgate_jose::{Compact, Header, Limits};
use tollgate_protocol::{ClientId, UnixSeconds};
use tollgate_store::{AssertionUse, Store};

use super::{AuthenticationError, Client, stand_in::Judge};
use crate::{Context, Issuer};

/// How far the client's clock may be off.
const LEEWAY: Duration = Duration::from_secs(30);
/// How far ahead an assertion may expire; it bounds how long its use is remembered.
const LIFETIME_MAX: Duration = Duration::from_secs(3600);
/// The longest `jti`, in bytes.
const JTI_BYTES_MAX: usize = 256;

/// The claims that count. The audience must be the issuer alone: an assertion made out to several
/// servers could be replayed by one of them at another, and `aud` as an array does not deserialise.
#[derive(Deserialize)]
struct Claims {
    iss: ClientId,
    sub: ClientId,
    aud: String,
    exp: serde_json::Number,
    nbf: Option<serde_json::Number>,
    iat: Option<serde_json::Number>,
    jti: String,
}

impl<S: Store> Issuer<S> {
    pub(super) async fn authenticate_by_assertion(
        &self,
        client_id: Option<ClientId>,
        assertion: &str,
        context: &Context<'_>,
    ) -> Result<Arc<Client>, AuthenticationError> {
        let refused = AuthenticationError::Refused;
        let Ok(unverified) = Compact::parse(assertion, &Limits::default()) else {
            return Err(refused);
        };
        let Some(claimed) = claimed_client(&unverified) else {
            return Err(refused);
        };
        if client_id.is_some_and(|id| id != claimed) {
            return Err(refused);
        }
        let client = self.find_client(&claimed, context).await?;
        let client = client.filter(|client| client.is_enabled());
        let own = client.as_ref().map(|client| &client.assertion_keys);
        let payload = Judge::of(unverified.header(), own, &self.stand_ins).verify(&unverified);
        let Some((client, payload)) = client.zip(payload) else {
            return Err(refused);
        };
        if !is_typed(unverified.header()) {
            return Err(refused);
        }
        let Ok(claims) = serde_json::from_slice::<Claims>(payload.as_bytes()) else {
            return Err(refused);
        };
        // The client's clock is a wall clock, so its dates are judged by ours, and its use is
        // remembered by the same: by another clock it could be forgotten while it still counts.
        let wall = context.now.wall.to_seconds();
        let Some(expires_at) = self.expiry(&claims, &claimed, wall) else {
            return Err(refused);
        };
        let used = self.hasher.assertion(claimed.as_str(), &claims.jti);
        match self.store.use_assertion(used, expires_at, wall).await {
            Ok(AssertionUse::Fresh) => Ok(client),
            Ok(AssertionUse::Replayed) => Err(refused),
            Err(error) => Err(AuthenticationError::Broken(error.into())),
        }
    }

    /// Until when the use of an assertion of `claims` must be remembered; none if it does not
    /// count.
    fn expiry(&self, claims: &Claims, client: &ClientId, now: UnixSeconds) -> Option<UnixSeconds> {
        let expires_at = seconds(&claims.exp)?.plus(LEEWAY);
        let soonest = claims.nbf.iter().chain(&claims.iat).map(seconds);
        let begun = soonest
            .into_iter()
            .all(|date| date.is_some_and(|date| date <= now.plus(LEEWAY)));
        let counts = claims.iss == *client
            && claims.sub == *client
            && claims.aud == self.settings.issuer
            && (1..=JTI_BYTES_MAX).contains(&claims.jti.len())
            && now < expires_at
            && expires_at <= now.plus(LIFETIME_MAX).plus(LEEWAY).plus(LEEWAY)
            && begun;
        counts.then_some(expires_at)
    }
}

/// Whether the type, if there is one, is that of a client assertion or of any JWT.
///
/// # Security
///
/// A client may sign other JWTs with the same key, and show those to others (RFC 8725 §3.11).
fn is_typed(header: &Header) -> bool {
    header.typ().is_none() || header.is_typ("JWT") || header.is_typ("client-authentication+jwt")
}

/// Which client the assertion says it is from; what it says is checked against the signature of
/// that client's key afterwards.
fn claimed_client(unverified: &Compact<'_>) -> Option<ClientId> {
    #[derive(Deserialize)]
    struct Subject {
        sub: ClientId,
    }
    let payload = unverified.unverified_payload().ok()?;
    serde_json::from_slice::<Subject>(&payload)
        .ok()
        .map(|claims| claims.sub)
}

/// A *NumericDate* (RFC 7519 §2) in whole seconds; fractions are cut off.
fn seconds(number: &serde_json::Number) -> Option<UnixSeconds> {
    if let Some(whole) = number.as_u64() {
        return Some(UnixSeconds(whole));
    }
    let fraction = number.as_f64().filter(|date| (0.0..=9e15).contains(date))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in range, cut off"
    )]
    Some(UnixSeconds(fraction as u64))
}
