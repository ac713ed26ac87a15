//! Opaque tokens: asking the provider about them (RFC 7662), with answers signed or not (RFC 9701).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::answers::{Answers, Expectation};
use super::calls::{Begun, Calls, Outcome};
use super::clock::{Clock, SystemClock};
use super::form::ClientCredentials;
use super::http::{FetchError, HttpClient};
use super::source::KeySource;
use crate::danger::DangerousBuilder;
use crate::error::{BuildError, Error};
use crate::policy::Claim;
use crate::token::VerifiedToken;

/// Why it is not known whether a token is active.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntrospectionError {
    /// The provider gave no usable answer.
    #[error("introspect token: {0}")]
    Fetch(#[from] FetchError),
    /// Too many tokens wait for an answer already.
    #[error("introspect token: too many waiting")]
    Overloaded,
    /// The provider calls the token active, but it is not for this resource server, or no access
    /// token, or bound to a key that was not presented, or what is said about it is malformed.
    #[error("introspect token: {0}")]
    Refused(#[from] Error),
    /// The signed answer could not be verified, and so says nothing of the token.
    #[error("introspect token: signed answer: {0}")]
    Unverified(Error),
}

/// Bounds of the introspection client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntrospectionSettings {
    /// How long a token that the provider called active may pass without being asked about again;
    /// zero, the default, asks every time, so that a revocation counts at once. Never beyond the
    /// token's own `exp`. What is not active is asked about every time.
    pub cache_ttl: Duration,
    /// Most tokens kept.
    pub cache_entries_max: usize,
    /// Most requests at a time.
    pub requests_max: usize,
    /// Most tokens that wait for their turn; at least one may.
    pub waiting_max: usize,
    /// Time for one request with all its retries. Who has waited for so long before his turn comes is
    /// told [`FetchError::TimedOut`] without another request.
    pub timeout: Duration,
    /// Further attempts after a failure that may pass, with growing pauses.
    pub retries: u32,
    /// Longest answer, in bytes.
    pub bytes_max: usize,
    /// How far the provider's clock may differ from ours, up to five minutes; zero by default.
    /// Whole seconds count.
    pub leeway: Duration,
}

impl Default for IntrospectionSettings {
    fn default() -> Self {
        Self {
            cache_ttl: Duration::ZERO,
            cache_entries_max: 10_000,
            requests_max: 8,
            waiting_max: 1_000,
            timeout: Duration::from_secs(5),
            retries: 2,
            bytes_max: 1024 * 1024,
            leeway: Duration::ZERO,
        }
    }
}

/// Asks a provider about opaque tokens. Cheap to clone; clones share requests and answers.
///
/// However many ask about one token at a time, the provider is asked once; and where it has an
/// endpoint for many tokens, those that arrive while a request is under way go into the next.
#[derive(Clone)]
pub struct Introspector {
    calls: Arc<Calls>,
}

/// An [`Introspector`] in the making.
#[must_use]
pub struct IntrospectorBuilder {
    expectation: Expectation,
    settings: IntrospectionSettings,
    http: Option<Arc<dyn HttpClient>>,
    clock: Option<Arc<dyn Clock>>,
}

impl Introspector {
    /// A client of the introspection endpoint at `url` of this issuer, for a resource server with
    /// this audience and these credentials.
    ///
    /// The issuer has to say whom a token is for, although RFC 7662 leaves that open: else every
    /// active token would do, whatever it was made for. [`danger`](crate::danger) tolerates it
    /// missing. `iss`, `exp` and `iat` count where they are said.
    pub fn builder(
        url: &str,
        issuer: &str,
        audience: &str,
        credentials: ClientCredentials,
    ) -> IntrospectorBuilder {
        IntrospectorBuilder {
            expectation: Expectation::new(url, issuer, audience, credentials),
            settings: IntrospectionSettings::default(),
            http: None,
            clock: None,
        }
    }

    /// The token, if it is active.
    ///
    /// # Errors
    /// [`IntrospectionError`] when that could not be found out, which is no reason to let it in;
    /// [`Error::KeyBinding`] in it for a token bound to a key, since nothing was presented.
    pub async fn introspect(
        &self,
        token: &str,
    ) -> Result<Option<VerifiedToken>, IntrospectionError> {
        refuse_bound(self.introspect_any(token).await)
    }

    /// [`Introspector::introspect`] for code without an async runtime.
    ///
    /// # Errors
    /// As there.
    pub fn introspect_blocking(
        &self,
        token: &str,
    ) -> Result<Option<VerifiedToken>, IntrospectionError> {
        refuse_bound(match self.calls.begin(token) {
            Begun::Known(answer) => answer,
            Begun::Asking(call) => {
                call.flight.wait();
                call.answer()
            }
        })
    }

    /// Many tokens, no more of them at a time than may wait; the answers stand in their order.
    pub async fn introspect_many(
        &self,
        tokens: &[&str],
    ) -> Vec<Result<Option<VerifiedToken>, IntrospectionError>> {
        let mut answers = Vec::with_capacity(tokens.len());
        for share in tokens.chunks(self.calls.waiting_max()) {
            // All are begun before the first is waited for, so that they go into few requests.
            let begun: Vec<Begun> = share.iter().map(|token| self.calls.begin(token)).collect();
            for begun in begun {
                answers.push(refuse_bound(begun.answer().await));
            }
        }
        answers
    }

    /// The token, if it is active; whoever asks checks what was presented for a bound one.
    pub(crate) async fn introspect_any(
        &self,
        token: &str,
    ) -> Result<Option<VerifiedToken>, IntrospectionError> {
        self.calls.begin(token).answer().await
    }

    /// Requests made, retries not counted, and answers taken from the cache.
    #[must_use]
    pub fn requests_and_hits(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.calls.requests), read(&self.calls.hits))
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Introspector")
            .field(&self.calls.answers)
            .finish()
    }
}

impl DangerousBuilder for IntrospectorBuilder {
    fn tolerate_missing(mut self, claim: Claim) -> Self {
        self.expectation.tolerated.push(claim);
        self
    }
}

impl IntrospectorBuilder {
    /// Bounds and times.
    pub fn settings(mut self, settings: IntrospectionSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Asks about many tokens at once here, in the form of Tollgate's `/oauth/introspect/batch`.
    pub fn batch_url(mut self, url: &str) -> Self {
        self.expectation.batch_url = Some(url.to_owned());
        self
    }

    /// Demands signed answers (RFC 9701) and verifies them with these keys; asks for one token at
    /// a time then.
    pub fn signed(mut self, keys: &KeySource) -> Self {
        self.expectation.keys = Some(keys.clone());
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

    /// The client.
    ///
    /// # Errors
    /// [`BuildError`] for an empty issuer or audience, a URL that may not be asked, or a leeway above
    /// five minutes.
    pub fn build(self) -> Result<Introspector, BuildError> {
        let Self {
            expectation,
            settings,
            http,
            clock,
        } = self;
        let clock = clock.unwrap_or_else(|| Arc::new(SystemClock::default()));
        let http = http.unwrap_or_else(super::default_http_client);
        let answers = Answers::new(expectation, settings, http, Arc::clone(&clock))?;
        Ok(Introspector {
            calls: Calls::new(answers, settings, clock),
        })
    }
}

/// A bound token is worth nothing to whoever presents nothing.
fn refuse_bound(answer: Outcome) -> Outcome {
    match answer {
        Ok(Some(token)) if token.claims.cnf.is_some() => Err(Error::KeyBinding.into()),
        other => other,
    }
}
