//! The layer that lets in requests with a good token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request, Response};
use serde::de::DeserializeOwned;
use tollgate_protocol::BearerToken;
use tower_layer::Layer;
use tower_service::Service;

use super::authenticated::{Authenticated, ClientCertificate};
use super::refusal::{DPOP_NONCE, Realm, Refusal, SharedRealm};
use crate::bound::check_binding;
use crate::client::{IntrospectionError, Introspector};
use crate::dpop::{Presented, Proof};
use crate::error::{BuildError, Error};
use crate::http_url::normalized;
use crate::token::{NoClaims, VerifiedToken};
use crate::validators::Awaited;
use crate::verifier::Verifier;

/// What is told about a refused token: to the log, never to its sender.
type OnRefusal = Arc<dyn Fn(&Error) + Send + Sync>;

/// Lets in requests whose `Authorization` header has a token that the verifier accepts, and
/// leaves [`Authenticated`] in their extensions.
///
/// Refuses with 400, 401 or 403 as RFC 6750 §3.1 says, and with 503 when there are no keys to
/// verify with. Tokens in the body or the URL are not looked at.
pub struct RequireToken<C = NoClaims> {
    verifier: Verifier<C, Awaited>,
    settings: Arc<Settings>,
}

#[derive(Clone, Default)]
struct Settings {
    realm: Arc<Realm>,
    /// Scheme and host that clients see, for DPoP.
    origin: Option<String>,
    on_refusal: Option<OnRefusal>,
    introspector: Option<Introspector>,
}

impl<C> RequireToken<C> {
    /// A layer on this verifier.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a layer is what becomes of a verifier"
    )]
    pub fn new<M>(verifier: Verifier<C, M>) -> Self {
        Self {
            verifier: verifier.awaited(),
            settings: Arc::default(),
        }
    }

    /// Names the realm in challenges.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm_mut().realm = Some(realm.to_owned());
        self
    }

    /// Demands these scope values, separated by spaces, of every request.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.realm_mut().scope = Some(scope.to_owned());
        self
    }

    /// Points to the resource's own metadata in challenges (RFC 9728 §5.1).
    #[must_use]
    pub fn resource_metadata(mut self, url: &str) -> Self {
        self.realm_mut().resource_metadata = Some(url.to_owned());
        self
    }

    /// Accepts tokens bound by DPoP; `origin` is the scheme and host that clients see, such as
    /// `https://orders.example`. It is configured, because a `Host` header is the sender's word.
    /// Where a part of the path is taken off before this layer, as by axum's `nest`, it belongs to
    /// the origin: `https://orders.example/api`.
    ///
    /// # Errors
    /// [`BuildError::Origin`] for one that no proof could name.
    pub fn dpop(mut self, origin: &str) -> Result<Self, BuildError> {
        normalized(origin).ok_or(BuildError::Origin)?;
        let settings = Arc::make_mut(&mut self.settings);
        settings.origin = Some(origin.trim_end_matches('/').to_owned());
        let algorithms = self.verifier.inner.dpop.algorithms().iter();
        let names: Vec<&str> = algorithms.map(|alg| alg.name()).collect();
        Arc::make_mut(&mut settings.realm).dpop_algorithms = Some(names.join(" "));
        Ok(self)
    }

    /// Asks about tokens that have not the form of a JWT here; without this they are refused as
    /// malformed.
    ///
    /// What the provider says of them is held to the verifier's policy as well: its issuers and
    /// audiences, required claims, maximum age, proofs of possession and validators. `aud` has to be
    /// said; `iss`, `exp` and `iat` need not be (RFC 7662 §2.2), unless they are
    /// [required](crate::VerifierBuilder::require) by name.
    #[must_use]
    pub fn introspection(mut self, introspector: &Introspector) -> Self {
        Arc::make_mut(&mut self.settings).introspector = Some(introspector.clone());
        self
    }

    /// Calls this with the cause whenever a token is refused, or cannot be judged, to log it; not for
    /// requests without one, nor for scope that a good one does not carry.
    #[must_use]
    pub fn on_refusal(mut self, log: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.settings).on_refusal = Some(Arc::new(log));
        self
    }

    fn realm_mut(&mut self) -> &mut Realm {
        Arc::make_mut(&mut Arc::make_mut(&mut self.settings).realm)
    }
}

impl<C> Clone for RequireToken<C> {
    fn clone(&self) -> Self {
        Self {
            verifier: self.verifier.clone(),
            settings: Arc::clone(&self.settings),
        }
    }
}

impl<C> fmt::Debug for RequireToken<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireToken")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

impl<S, C> Layer<S> for RequireToken<C> {
    type Service = RequireTokenService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireTokenService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service made by [`RequireToken`].
#[derive(Debug)]
pub struct RequireTokenService<S, C = NoClaims> {
    inner: S,
    layer: RequireToken<C>,
}

impl<S: Clone, C> Clone for RequireTokenService<S, C> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

impl<S, C, A, B> Service<Request<A>> for RequireTokenService<S, C>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    A: Send + 'static,
    B: From<&'static str>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        // The service that was polled ready is the one to call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let outcome = layer.admit(&head).await;
            request = Request::from_parts(head, body);
            match outcome {
                Ok(authenticated) => {
                    let realm = SharedRealm(Arc::clone(&layer.settings.realm));
                    request.extensions_mut().insert(realm);
                    request.extensions_mut().insert(authenticated);
                    let mut response = inner.call(request).await?;
                    layer.renew_nonce(response.headers_mut());
                    Ok(response)
                }
                Err(refusal) => Ok(layer.refuse(refusal)),
            }
        })
    }
}

impl<C: DeserializeOwned> RequireToken<C> {
    /// Judges the head of a request, for servers that know nothing of tower: the verified token,
    /// or the answer to send instead.
    ///
    /// What counts is the method, the path, the `Authorization` and `DPoP` headers, and a
    /// [`ClientCertificate`] in the extensions. Where nonces are demanded of DPoP proofs, a good answer
    /// should carry the next in `DPoP-Nonce`, from [`Verifier::dpop_nonce_at`](crate::Verifier::dpop_nonce_at);
    /// a refusal does.
    ///
    /// # Errors
    /// The answer, with everything that the specifications want in its head.
    pub async fn authenticate<B: From<&'static str>>(
        &self,
        head: &http::request::Parts,
    ) -> Result<Authenticated<C>, Response<B>> {
        self.admit(head)
            .await
            .map_err(|refusal| self.refuse(refusal))
    }

    async fn admit(&self, head: &http::request::Parts) -> Result<Authenticated<C>, Refusal> {
        let origin = self.settings.origin.as_deref();
        let credentials = Credentials::of(&head.headers, origin.is_some())?;
        let url = format!("{}{}", origin.unwrap_or_default(), head.uri.path());
        let certificate = head.extensions.get::<ClientCertificate>();
        let method = head.method.as_str();
        let proof = credentials.proof.map(|jwt| Proof {
            jwt,
            method,
            url: &url,
        });
        let presented = Presented {
            proof,
            certificate: certificate.map(|certificate| &*certificate.0),
        };
        let token = self
            .verify(credentials.token, &presented)
            .await
            .map_err(|error| {
                if let Some(log) = &self.settings.on_refusal {
                    log(&error);
                }
                Refusal::from(&error)
            })?;
        let demanded = self.settings.realm.scope.as_deref().unwrap_or_default();
        if !token.has_scopes(demanded.split_ascii_whitespace()) {
            return Err(Refusal::InsufficientScope);
        }
        Ok(Authenticated::new(token))
    }

    async fn verify(
        &self,
        token: &str,
        presented: &Presented<'_>,
    ) -> Result<VerifiedToken<C>, Error> {
        let Some(introspector) = self
            .settings
            .introspector
            .as_ref()
            .filter(|_| !has_form_of_jwt(token))
        else {
            return self.verifier.verify_bound(token, presented).await;
        };
        let inner = &self.verifier.inner;
        let started = inner.clock.elapsed();
        let result = self.introspect(introspector, token, presented).await;
        inner.counted(result, started)
    }

    async fn introspect(
        &self,
        introspector: &Introspector,
        token: &str,
        presented: &Presented<'_>,
    ) -> Result<VerifiedToken<C>, Error> {
        match introspector.introspect_any(token).await {
            Ok(Some(active)) => {
                let inner = &self.verifier.inner;
                let now = inner.clock.now();
                inner.policy.check_opaque(active.claims_json(), now)?;
                let active = active.with_custom()?;
                check_binding(&inner.dpop, &active, token, presented, now)?;
                inner.validators.check(&active)?;
                inner.validators.query(&active).await?;
                Ok(active)
            }
            Ok(None) => Err(Error::Inactive),
            Err(IntrospectionError::Refused(error)) => Err(error),
            // Never a guess: whoever has no answer has nothing against the token either.
            Err(_) => Err(Error::KeysUnavailable),
        }
    }

    /// Sends the nonce for the next proof along with a good answer too (RFC 9449 §8.2), so that
    /// the client need not be refused first when the old one runs out.
    fn renew_nonce(&self, headers: &mut HeaderMap) {
        if self.settings.origin.is_none() {
            return;
        }
        let nonce = self.verifier.dpop_nonce_at(self.verifier.inner.clock.now());
        if let Some(Ok(nonce)) = nonce.map(HeaderValue::try_from) {
            headers.insert(DPOP_NONCE.clone(), nonce);
        }
    }

    fn refuse<B: From<&'static str>>(&self, refusal: Refusal) -> Response<B> {
        let nonce = self.verifier.dpop_nonce_at(self.verifier.inner.clock.now());
        refusal.response(&self.settings.realm, nonce.as_deref())
    }
}

/// Whether a token has three parts. Opaque ones may have dots too (RFC 6750 §2.1).
fn has_form_of_jwt(token: &str) -> bool {
    token.bytes().filter(|&byte| byte == b'.').count() == 2
}

/// What a request brought.
struct Credentials<'h> {
    token: &'h str,
    proof: Option<&'h str>,
}

impl<'h> Credentials<'h> {
    /// Without DPoP switched on, its scheme is one among the unknown.
    fn of(headers: &'h HeaderMap, knows_dpop: bool) -> Result<Self, Refusal> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(Refusal::NoToken)?.as_bytes();
        if values.next().is_some() {
            return Err(Refusal::InvalidRequest);
        }
        if let Some(token) = dpop_token(value).filter(|_| knows_dpop) {
            let token = token.ok_or(Refusal::InvalidRequest)?;
            let mut proofs = headers.get_all("dpop").iter();
            let proof = proofs.next().ok_or(Refusal::InvalidProof)?;
            if proofs.next().is_some() {
                return Err(Refusal::InvalidProof);
            }
            let proof = proof.to_str().map_err(|_| Refusal::InvalidProof)?;
            return Ok(Self {
                token,
                proof: Some(proof),
            });
        }
        let token = BearerToken::parse(value).map_err(|error| match error {
            tollgate_protocol::bearer::BearerError::OtherScheme => Refusal::NoToken,
            _ => Refusal::InvalidRequest,
        })?;
        Ok(Self {
            token: token.expose(),
            proof: None,
        })
    }
}

/// The token of a `DPoP` header value; the inner `None` when there is none after the scheme.
fn dpop_token(value: &[u8]) -> Option<Option<&str>> {
    let (scheme, rest) = value.split_at_checked("dpop".len())?;
    let is_ours =
        scheme.eq_ignore_ascii_case(b"dpop") && (rest.is_empty() || rest.starts_with(b" "));
    is_ours.then(|| {
        let token = std::str::from_utf8(rest.trim_ascii()).ok()?;
        (!token.is_empty() && !token.contains([' ', ','])).then_some(token)
    })
}
