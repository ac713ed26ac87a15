//! What a provider says about opaque tokens: asked for, verified where signed, held to the policy.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::address::check_url;
use super::calls::Outcome;
use super::check_askable;
use super::clock::Clock;
use super::form::{self, ClientCredentials};
use super::http::{FetchError, FetchRequest, FetchResponse, HttpClient};
use super::introspection::{IntrospectionError, IntrospectionSettings};
use super::retry::retry;
use super::source::KeySource;
use crate::blocking;
use crate::builder::LEEWAY_MAX;
use crate::danger::DangerousBuilder as _;
use crate::error::{BuildError, Error};
use crate::policy::{Claim, Policy, TokenType};
use crate::token::{NoClaims, VerifiedToken};
use crate::verifier::Verifier;

/// Most tokens in one request.
const TOKENS_PER_REQUEST_MAX: usize = 100;
/// How old a signed answer may be.
const ANSWER_AGE_MAX: Duration = Duration::from_secs(60);
const SIGNED_TYPE: &str = "application/token-introspection+jwt";

/// Whom to ask, and what to expect.
pub(super) struct Expectation {
    url: String,
    pub(super) batch_url: Option<String>,
    issuer: String,
    audience: String,
    credentials: ClientCredentials,
    pub(super) keys: Option<KeySource>,
    /// Claims of which nothing need be said.
    pub(super) tolerated: Vec<Claim>,
}

impl Expectation {
    pub(super) fn new(
        url: &str,
        issuer: &str,
        audience: &str,
        credentials: ClientCredentials,
    ) -> Self {
        let (url, issuer, audience) = (url.to_owned(), issuer.to_owned(), audience.to_owned());
        Self {
            url,
            batch_url: None,
            issuer,
            audience,
            credentials,
            keys: None,
            // RFC 7662 §2.2 requires nothing but `active`. Who was asked vouches for the token and
            // for its time; whom it is for, it has to say.
            tolerated: vec![Claim::Issuer, Claim::ExpiresAt, Claim::IssuedAt],
        }
    }
}

pub(super) struct Answers {
    expectation: Expectation,
    settings: IntrospectionSettings,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    policy: Policy,
    signed: Option<blocking::Verifier<SignedAnswer>>,
}

/// The claims of a signed answer (RFC 9701 §5).
#[derive(Deserialize)]
struct SignedAnswer {
    token_introspection: Box<RawValue>,
}

impl Answers {
    pub(super) fn new(
        expectation: Expectation,
        settings: IntrospectionSettings,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        let Expectation {
            issuer,
            audience,
            keys,
            credentials,
            tolerated,
            ..
        } = &expectation;
        for (name, value) in [("issuer", issuer), ("audience", audience)] {
            if value.is_empty() {
                return Err(BuildError::Empty(name));
            }
        }
        check_askable(&expectation.url)?;
        expectation
            .batch_url
            .as_deref()
            .map_or(Ok(()), check_askable)?;
        if settings.leeway > LEEWAY_MAX {
            return Err(BuildError::Leeway);
        }
        let policy = Policy {
            issuers: vec![issuer.as_str().into()],
            audiences: vec![audience.as_str().into()],
            tolerated: tolerated.clone(),
            leeway: settings.leeway,
            ..Policy::default()
        };
        let signed = keys.as_ref().map(|keys| {
            let verifier = Verifier::builder()
                .claims::<SignedAnswer>()
                .issuer(issuer)
                .audience(credentials.id())
                .key_source(keys)
                .clock(Arc::clone(&clock))
                .token_type(TokenType::Exactly("token-introspection+jwt".into()))
                .limits(tollgate_jose::Limits {
                    token_bytes_max: settings.bytes_max,
                    ..tollgate_jose::Limits::default()
                })
                .max_age(ANSWER_AGE_MAX)
                .leeway(settings.leeway)
                // RFC 9701 §5: the answer itself has no `exp`; its age is bounded instead.
                .tolerate_missing(Claim::ExpiresAt);
            verifier.build().map(|verifier| verifier.blocking())
        });
        Ok(Self {
            signed: signed.transpose()?,
            expectation,
            settings,
            http,
            clock,
            policy,
        })
    }

    /// How many tokens one request may ask about.
    pub(super) fn tokens_per_request(&self) -> usize {
        let is_batched = self.expectation.batch_url.is_some() && self.signed.is_none();
        if is_batched {
            TOKENS_PER_REQUEST_MAX
        } else {
            1
        }
    }

    /// Asks about these tokens, at most as many as go into one request.
    pub(super) fn ask(&self, tokens: &[&str]) -> Vec<Outcome> {
        let timeout = self.settings.timeout;
        self.ask_until(self.clock.elapsed().saturating_add(timeout), tokens)
    }

    fn ask_until(&self, deadline: Duration, tokens: &[&str]) -> Vec<Outcome> {
        let url = match &self.expectation.batch_url {
            Some(url) if tokens.len() > 1 => url,
            _ => {
                return tokens
                    .iter()
                    .map(|token| self.ask_one(deadline, token))
                    .collect();
            }
        };
        match self.ask_many(deadline, url, tokens) {
            Ok(answers) => answers,
            // It may be so for the sake of one token, which must not cost others their answer.
            Err(error) if may_be_of_one(&error) => {
                let (some, others) = tokens.split_at(tokens.len() / 2);
                let mut answers = self.ask_until(deadline, some);
                answers.extend(self.ask_until(deadline, others));
                answers
            }
            Err(error) => tokens.iter().map(|_| Err(error.clone().into())).collect(),
        }
    }

    fn ask_one(&self, deadline: Duration, token: &str) -> Outcome {
        let body = form::body(&[("token", token), ("token_type_hint", "access_token")]);
        let mut request = self.request(&self.expectation.url)?;
        request.form = Some(body);
        if self.signed.is_some() {
            request.accept = SIGNED_TYPE;
        }
        let response = self.send(deadline, &request)?;
        let Some(verifier) = &self.signed else {
            return self.judge(&response.body);
        };
        let text = std::str::from_utf8(&response.body)
            .map_err(|_| FetchError::Invalid("malformed answer"))?;
        if !response.content_type.as_deref().is_some_and(is_signed_type) {
            return Err(FetchError::Invalid("answer not signed").into());
        }
        // An answer that cannot be verified is none, whatever the token.
        let answer = verifier.verify(text.trim());
        let answer = answer.map_err(IntrospectionError::Unverified)?;
        self.judge(answer.claims().token_introspection.get().as_bytes())
    }

    fn ask_many(
        &self,
        deadline: Duration,
        url: &str,
        tokens: &[&str],
    ) -> Result<Vec<Outcome>, FetchError> {
        #[derive(Deserialize)]
        struct Results<'r> {
            #[serde(borrow)]
            results: Vec<&'r RawValue>,
        }
        let mut request = self.request(url)?;
        request.json = Some(form::tokens_body(tokens));
        let response = self.send(deadline, &request)?;
        let Results { results } = serde_json::from_slice(&response.body)
            .map_err(|_| FetchError::Invalid("malformed answer"))?;
        if results.len() != tokens.len() {
            return Err(FetchError::Invalid("answers missing"));
        }
        Ok(results
            .into_iter()
            .map(|raw| self.judge(raw.get().as_bytes()))
            .collect())
    }

    /// What one answer makes of its token.
    fn judge(&self, json: &[u8]) -> Outcome {
        let malformed = || FetchError::Invalid("malformed answer");
        let text = std::str::from_utf8(json).map_err(|_| malformed())?;
        let activity: Activity = serde_json::from_str(text).map_err(|_| malformed())?;
        if !activity.active {
            return Ok(None);
        }
        let is_dpop = activity.kind()? == Kind::Dpop;
        match self.policy.accept_introspected(text, self.clock.now()) {
            // To which key is not said, so that nobody could show it.
            Ok(claims) if is_dpop && claims.cnf.is_none() => Err(Error::KeyBinding.into()),
            Ok(claims) => {
                let payload = text.into();
                Ok(Some(VerifiedToken {
                    payload,
                    claims,
                    alg: None,
                    custom: NoClaims,
                }))
            }
            // Ours is the clock that counts: what has run out here is not active.
            Err(Error::Expired | Error::NotYetValid) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn request(&self, url: &str) -> Result<FetchRequest, FetchError> {
        check_url(url)?;
        let IntrospectionSettings {
            bytes_max, timeout, ..
        } = self.settings;
        let mut request = FetchRequest::new(url, bytes_max, timeout);
        request.authorization = Some(self.expectation.credentials.authorization());
        Ok(request)
    }

    fn send(
        &self,
        deadline: Duration,
        request: &FetchRequest,
    ) -> Result<FetchResponse, FetchError> {
        let IntrospectionSettings {
            retries, bytes_max, ..
        } = self.settings;
        let left = || deadline.saturating_sub(self.clock.elapsed());
        // To ask twice changes nothing, so a passing failure need not cost a token.
        retry(&*self.clock, left(), retries, |_| {
            let mut request = request.clone();
            request.timeout = left();
            if request.timeout.is_zero() {
                return Err(FetchError::TimedOut);
            }
            self.http.fetch(&request)?.accepted(bytes_max)
        })
    }
}

/// Whether the refusal of a batch may be for the sake of one token in it, or for their number.
fn may_be_of_one(error: &FetchError) -> bool {
    match error {
        FetchError::TooLarge => true,
        FetchError::Status(status) => {
            matches!(status, 400..=499) && ![401, 403, 404, 429].contains(status)
        }
        _ => false,
    }
}

/// Media types are compared without case, and apart from their parameters (RFC 9110 §8.3.1).
fn is_signed_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(SIGNED_TYPE)
}

/// What an answer says before anything of the token.
#[derive(Deserialize)]
struct Activity {
    active: bool,
    token_type: Option<Box<str>>,
    token_use: Option<Box<str>>,
}

/// How an access token is to be presented.
#[derive(PartialEq, Eq)]
enum Kind {
    Unsaid,
    Bearer,
    Dpop,
}

impl Activity {
    /// The provider also calls other tokens active: refresh tokens, one-time tokens. To take one of
    /// those for an access token would give it a power that it was not made for.
    fn kind(&self) -> Result<Kind, Error> {
        let is_of = |known: &[&str], word: &str| known.iter().any(|k| k.eq_ignore_ascii_case(word));
        if let Some(usage) = &self.token_use
            && !is_of(&["access_token", "access"], usage)
        {
            return Err(Error::TokenType);
        }
        match self.token_type.as_deref() {
            None => Ok(Kind::Unsaid),
            Some(word) if is_of(&["DPoP"], word) => Ok(Kind::Dpop),
            Some(word) if is_of(&["Bearer", "access_token"], word) => Ok(Kind::Bearer),
            Some(_) => Err(Error::TokenType),
        }
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers")
            .field("url", &self.expectation.url)
            .finish_non_exhaustive()
    }
}
