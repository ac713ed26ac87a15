//! The layer that demands scope of a request whose token has been verified.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::authenticated::Authenticated;
use super::refusal::{Realm, Refusal, SharedRealm};
use crate::token::NoClaims;

/// Demands scope values of requests that have passed [`RequireToken`](super::RequireToken), which
/// therefore has to be the outer layer: without a verified token the answer is 401. Behind one for
/// another claims type it is 500, since that is a mistake of the service.
pub struct RequireScope<C = NoClaims> {
    realm: Arc<Realm>,
    claims: PhantomData<fn() -> C>,
}

impl RequireScope {
    /// Demands all of these scope values, separated by spaces.
    #[must_use]
    pub fn new(scope: &str) -> Self {
        Self::for_claims(scope)
    }
}

impl<C> RequireScope<C> {
    /// The same behind a [`RequireToken`](super::RequireToken) with a claims type of its own.
    #[must_use]
    pub fn for_claims(scope: &str) -> Self {
        let realm = Realm {
            scope: Some(scope.to_owned()),
            ..Realm::default()
        };
        Self {
            realm: Arc::new(realm),
            claims: PhantomData,
        }
    }

    /// The challenge of the layer in front, with what is demanded here.
    fn challenge_in(&self, shared: Option<&SharedRealm>) -> Realm {
        let scope = self.realm.scope.clone();
        let shared = shared.map_or_else(Realm::default, |shared| (*shared.0).clone());
        Realm { scope, ..shared }
    }

    fn is_satisfied_by(&self, token: &Authenticated<C>) -> bool {
        let demanded = self.realm.scope.as_deref().unwrap_or_default();
        token.has_scopes(demanded.split_ascii_whitespace())
    }
}

impl<C> Clone for RequireScope<C> {
    fn clone(&self) -> Self {
        Self {
            realm: Arc::clone(&self.realm),
            claims: PhantomData,
        }
    }
}

impl<C> fmt::Debug for RequireScope<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireScope")
            .field(&self.realm.scope)
            .finish()
    }
}

impl<S, C> Layer<S> for RequireScope<C> {
    type Service = RequireScopeService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireScopeService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service made by [`RequireScope`].
#[derive(Debug)]
pub struct RequireScopeService<S, C = NoClaims> {
    inner: S,
    layer: RequireScope<C>,
}

impl<S: Clone, C> Clone for RequireScopeService<S, C> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

impl<S, C, A, B> Service<Request<A>> for RequireScopeService<S, C>
where
    S: Service<Request<A>, Response = Response<B>>,
    B: From<&'static str>,
    C: Send + Sync + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = RequireScopeFuture<S::Future, Ready<Result<Response<B>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let refusal = match request.extensions().get::<Authenticated<C>>() {
            Some(token) if self.layer.is_satisfied_by(token) => {
                return RequireScopeFuture::Inner(Box::pin(self.inner.call(request)));
            }
            Some(_) => Refusal::InsufficientScope,
            None if request.extensions().get::<SharedRealm>().is_some() => Refusal::Misplaced,
            None => Refusal::NoToken,
        };
        let shared = request.extensions().get::<SharedRealm>();
        let realm = self.layer.challenge_in(shared);
        RequireScopeFuture::Refused(ready(Ok(refusal.response(&realm, None))))
    }
}

/// The future of [`RequireScopeService`]: the inner service's answer or a refusal.
#[non_exhaustive]
pub enum RequireScopeFuture<I, R> {
    /// The request was let in.
    Inner(Pin<Box<I>>),
    /// It was not.
    Refused(R),
}

impl<I, R> fmt::Debug for RequireScopeFuture<I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inner(_) => "Inner",
            Self::Refused(_) => "Refused",
        })
    }
}

impl<I, R> Future for RequireScopeFuture<I, R>
where
    I: Future,
    R: Future<Output = I::Output> + Unpin,
{
    type Output = I::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<I::Output> {
        match self.get_mut() {
            Self::Inner(inner) => inner.as_mut().poll(context),
            Self::Refused(refused) => Pin::new(refused).poll(context),
        }
    }
}
