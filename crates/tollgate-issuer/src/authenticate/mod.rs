//! Who the caller is: client secrets and client assertions.

mod assertion;
mod client;
mod stand_in;

use std::sync::Arc;

use tollgate_protocol::{ClientId, ClientSecret, UnixMillis};
use tollgate_store::{ClientState, Store};

pub use client::Client;
pub(crate) use stand_in::StandIns;

use crate::{
    Context, Issuer, IssuerError,
    cache::{Lookup, Ticket},
};

/// What a caller presents to prove which client it is.
#[non_exhaustive]
pub enum Credentials<'a> {
    /// A secret, from the `Authorization` header or the body (RFC 6749 §2.3.1).
    Secret {
        /// Which client it says it is.
        client_id: ClientId,
        /// The secret.
        secret: ClientSecret,
    },
    /// A JWT signed with the client's own key (RFC 7523 §2.2).
    Assertion {
        /// Which client it says it is beside the assertion, if it says so at all.
        client_id: Option<ClientId>,
        /// The assertion.
        assertion: &'a str,
    },
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Secret { .. } => "Credentials::Secret(…)",
            Self::Assertion { .. } => "Credentials::Assertion(…)",
        })
    }
}

/// Why a caller is not let in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationError {
    /// The proof is wrong. One cause for all: the caller must not learn which clients exist.
    #[error("client authentication failed")]
    Refused,
    /// It could not be found out.
    #[error(transparent)]
    Broken(#[from] IssuerError),
}

impl<S: Store> Issuer<S> {
    /// The client that `credentials` prove.
    ///
    /// # Errors
    ///
    /// When they prove none, or the store does not answer.
    ///
    /// # Security
    ///
    /// An unknown client, a disabled one and a wrong secret take the same steps: one keyed hash. So
    /// do an assertion in the name of nobody and one under a wrong key: one signature is checked.
    pub async fn authenticate(
        &self,
        credentials: Credentials<'_>,
        context: &Context<'_>,
    ) -> Result<Arc<Client>, AuthenticationError> {
        match credentials {
            Credentials::Secret { client_id, secret } => {
                let client = self.find_client(&client_id, context).await?;
                let hashes = client
                    .as_ref()
                    .map_or(&[][..], |client| client.record.secrets.as_slice());
                let now = context.now.steady.to_seconds();
                if self.hasher.matches(&secret, hashes, now) {
                    client
                        .filter(|client| client.is_enabled())
                        .ok_or(AuthenticationError::Refused)
                } else {
                    Err(AuthenticationError::Refused)
                }
            }
            Credentials::Assertion {
                client_id,
                assertion,
            } => {
                // Boxed, as is every way seldom gone, so that the others carry nothing for it.
                Box::pin(self.authenticate_by_assertion(client_id, assertion, context)).await
            }
        }
    }

    /// The client of this identifier, enabled or not, from the cache or the store.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn find_client(
        &self,
        id: &ClientId,
        context: &Context<'_>,
    ) -> Result<Option<Arc<Client>>, IssuerError> {
        let now = context.now.steady;
        let ticket = match self.caches.clients.get(id, now) {
            Lookup::Hit(client) => return Ok(Some(client)),
            Lookup::Miss(ticket) => ticket,
        };
        Box::pin(self.ask_for_client(id, ticket, now)).await
    }

    async fn ask_for_client(
        &self,
        id: &ClientId,
        ticket: Ticket,
        now: UnixMillis,
    ) -> Result<Option<Arc<Client>>, IssuerError> {
        let Some(record) = self.store.client(id).await? else {
            return Ok(None);
        };
        let client = Arc::new(Client::prepare(record, &self.settings, &self.audience)?);
        self.caches
            .clients
            .insert(ticket, id.clone(), Arc::clone(&client), now);
        Ok(Some(client))
    }
}

impl Client {
    /// Whether it may do anything.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.record.state == ClientState::Enabled
    }
}
