//! Tokens for a service's own calls: `client_credentials` (RFC 6749 §4.4), kept and renewed ahead.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::address::check_url;
use super::clock::{Clock, SystemClock};
use super::flight::Flight;
use super::form::{self, ClientCredentials};
use super::http::{FetchError, FetchRequest, HttpClient};
use super::retry::rest_after;
use crate::lock::lock;

/// Longest answer of a token endpoint, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Time for one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// After a failure, the token endpoint is left alone for this long …
const COOL_DOWN: Duration = Duration::from_secs(1);
/// … or for as long as it says itself, but for no longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// A token that runs out within this time, or within a tenth of its life, is renewed before it is
/// handed out.
const RESERVE_MAX: Duration = Duration::from_secs(10);
const EXPIRED: FetchError = FetchError::Invalid("token expired on arrival");
/// Life time of a token whose answer does not give one.
const LIFE_UNKNOWN: Duration = Duration::from_secs(60);

/// An access token, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// The token, for the `Authorization` header.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(redacted)")
    }
}

/// Keeps one access token of a client, and gets the next before it runs out. Cheap to clone;
/// clones share the token.
///
/// However many ask, one request is under way; nobody waits while the token still serves, but for the
/// last seconds of one that was not asked for when it could have been renewed in time.
#[derive(Clone)]
pub struct ClientTokens {
    shared: Arc<Shared>,
}

/// [`ClientTokens`] in the making.
#[must_use]
pub struct ClientTokensBuilder {
    request: TokenRequest,
    http: Option<Arc<dyn HttpClient>>,
    clock: Option<Arc<dyn Clock>>,
}

struct TokenRequest {
    url: String,
    credentials: ClientCredentials,
    scope: Option<String>,
    resource: Option<String>,
}

impl ClientTokens {
    /// Tokens from the token endpoint at `url`.
    pub fn builder(url: &str, credentials: ClientCredentials) -> ClientTokensBuilder {
        let url = url.to_owned();
        let request = TokenRequest {
            url,
            credentials,
            scope: None,
            resource: None,
        };
        ClientTokensBuilder {
            request,
            http: None,
            clock: None,
        }
    }

    /// A token that still serves.
    ///
    /// # Errors
    /// [`FetchError`] when there is none and none can be had.
    pub async fn token(&self) -> Result<AccessToken, FetchError> {
        match self.shared.begin() {
            Begun::Ready(outcome) => outcome,
            Begun::Waiting(flight) => {
                flight.landing().await;
                self.shared.outcome()
            }
        }
    }

    /// [`ClientTokens::token`] for code without an async runtime.
    ///
    /// # Errors
    /// As there.
    pub fn token_blocking(&self) -> Result<AccessToken, FetchError> {
        match self.shared.begin() {
            Begun::Ready(outcome) => outcome,
            Begun::Waiting(flight) => {
                flight.wait();
                self.shared.outcome()
            }
        }
    }

    /// Forgets a token that a resource server has refused, so that the next call gets another. One
    /// that was got within the last second stays: who refuses that refuses the next one too.
    pub fn discard(&self, refused: &AccessToken) {
        let now = self.shared.clock.elapsed();
        let mut state = lock(&self.shared.state);
        let is_refused = |kept: &mut Kept| {
            kept.token == *refused && now >= kept.got_at.saturating_add(COOL_DOWN)
        };
        state.kept.take_if(is_refused);
    }
}

impl fmt::Debug for ClientTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientTokens")
            .field(&self.shared.request.credentials)
            .finish()
    }
}

impl ClientTokensBuilder {
    /// Asks for this scope.
    pub fn scope(mut self, scope: &str) -> Self {
        self.request.scope = Some(scope.to_owned());
        self
    }

    /// Asks for tokens meant for this resource (RFC 8707).
    pub fn resource(mut self, resource: &str) -> Self {
        self.request.resource = Some(resource.to_owned());
        self
    }

    /// Asks through this client instead of the default one.
    pub fn http(mut self, http: Arc<dyn HttpClient>) -> Self {
        self.http = Some(http);
        self
    }

    /// Takes the time from here.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The keeper. Nothing is fetched before the first call.
    #[must_use]
    pub fn build(self) -> ClientTokens {
        let clock = self
            .clock
            .unwrap_or_else(|| Arc::new(SystemClock::default()));
        let http = self.http.unwrap_or_else(super::default_http_client);
        let (request, state) = (self.request, Mutex::default());
        ClientTokens {
            shared: Arc::new(Shared {
                request,
                http,
                clock,
                state,
            }),
        }
    }
}

struct Shared {
    request: TokenRequest,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    flight: Option<Flight>,
    failure: Option<(FetchError, Duration)>,
}

struct Kept {
    token: AccessToken,
    got_at: Duration,
    renew_at: Duration,
    /// So little time is left that the token may run out on its way.
    ends_at: Duration,
    serves_until: Duration,
}

enum Begun {
    Ready(Result<AccessToken, FetchError>),
    Waiting(Flight),
}

impl Shared {
    fn begin(self: &Arc<Self>) -> Begun {
        let now = self.clock.elapsed();
        let mut state = lock(&self.state);
        if let Some(kept) = state.kept.as_ref().filter(|kept| now < kept.serves_until) {
            let token = kept.token.clone();
            let (is_due, is_ending) = (now >= kept.renew_at, now >= kept.ends_at);
            // Where the last attempt failed, the next may take all the time that is left.
            let is_worth_waiting = is_ending && state.failure.is_none();
            let renewal = is_due.then(|| self.launch(&mut state, now));
            return match renewal {
                Some(Ok(flight)) if is_worth_waiting => Begun::Waiting(flight),
                // Ahead of need: nobody waits for this one.
                _ => Begun::Ready(Ok(token)),
            };
        }
        match self.launch(&mut state, now) {
            Ok(flight) => Begun::Waiting(flight),
            Err(error) => Begun::Ready(Err(error)),
        }
    }

    /// Joins the request under way or sends one, unless the last has just failed.
    fn launch(self: &Arc<Self>, state: &mut State, now: Duration) -> Result<Flight, FetchError> {
        if let Some(flight) = &state.flight {
            return Ok(flight.clone());
        }
        if let Some((error, since)) = &state.failure
            && now < since.saturating_add(rest_after(error, COOL_DOWN, RETRY_AFTER_MAX))
        {
            return Err(error.clone());
        }
        let flight = Flight::default();
        let (shared, landing) = (Arc::clone(self), flight.clone());
        // Made on the new thread: dropped here, the guard would take the lock that is held here.
        let work = move || {
            let lost = Err(FetchError::Invalid("answer lost"));
            let mut guard = LandOnDrop {
                shared,
                flight: landing,
                outcome: lost,
            };
            guard.outcome = guard.shared.fetch();
        };
        let spawned = thread::Builder::new()
            .name("tollgate-token".into())
            .spawn(work);
        spawned.map_err(|error| FetchError::Failed(error.to_string().into()))?;
        state.flight = Some(flight.clone());
        Ok(flight)
    }

    /// What the request that was waited for has brought.
    fn outcome(&self) -> Result<AccessToken, FetchError> {
        let now = self.clock.elapsed();
        let state = lock(&self.state);
        match (&state.kept, &state.failure) {
            (Some(kept), _) if now < kept.serves_until => Ok(kept.token.clone()),
            (_, Some((error, _))) => Err(error.clone()),
            _ => Err(EXPIRED),
        }
    }

    fn fetch(&self) -> Result<Kept, FetchError> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: Zeroized,
            token_type: String,
            expires_in: Option<u64>,
        }
        let TokenRequest {
            url,
            credentials,
            scope,
            resource,
        } = &self.request;
        check_url(url)?;
        let mut parameters = vec![("grant_type", "client_credentials")];
        parameters.extend(scope.as_deref().map(|scope| ("scope", scope)));
        parameters.extend(resource.as_deref().map(|resource| ("resource", resource)));
        let mut request = FetchRequest::new(url, ANSWER_BYTES_MAX, TIMEOUT);
        request.form = Some(form::body(&parameters));
        request.authorization = Some(credentials.authorization());
        // The life time counts from before the request, so that it ends too early, not too late.
        let now = self.clock.elapsed();
        let response = self.http.fetch(&request)?.accepted(ANSWER_BYTES_MAX)?;
        let body = Zeroizing::new(response.body);
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| FetchError::Invalid("malformed answer"))?;
        if !answer.token_type.eq_ignore_ascii_case("Bearer") || answer.access_token.0.is_empty() {
            return Err(FetchError::Invalid("no bearer token"));
        }
        let life = answer.expires_in.map_or(LIFE_UNKNOWN, Duration::from_secs);
        let (got_at, serves_until) = (self.clock.elapsed(), now.saturating_add(life));
        if got_at >= serves_until {
            // A failure as any other, or every call would be a request.
            return Err(EXPIRED);
        }
        let reserve = RESERVE_MAX.min(life / 10);
        Ok(Kept {
            got_at,
            token: AccessToken(answer.access_token.0),
            renew_at: now.saturating_add(life.saturating_mul(4) / 5),
            ends_at: serves_until.saturating_sub(reserve),
            serves_until,
        })
    }

    fn finish(&self, outcome: Result<Kept, FetchError>) {
        let now = self.clock.elapsed();
        let mut state = lock(&self.state);
        state.flight = None;
        match outcome {
            Ok(kept) => (state.kept, state.failure) = (Some(kept), None),
            Err(error) => state.failure = Some((error, now)),
        }
    }
}

/// A string that is wiped when dropped, read from JSON.
struct Zeroized(Zeroizing<String>);

impl<'de> Deserialize<'de> for Zeroized {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// Records the outcome and lets the waiters go, also when the client panicked.
struct LandOnDrop {
    shared: Arc<Shared>,
    flight: Flight,
    outcome: Result<Kept, FetchError>,
}

impl Drop for LandOnDrop {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Err(FetchError::Invalid("taken")));
        self.shared.finish(outcome);
        self.flight.land();
    }
}
