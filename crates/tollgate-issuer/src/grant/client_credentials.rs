//! The client acts for itself (RFC 6749 §4.4).

use tollgate_store::Store;

use super::{Allowed, GrantError, IssuedToken, TokenRequest};
use crate::{Context, Issuer, authenticate::Client};

impl<S: Store> Issuer<S> {
    pub(super) async fn client_credentials(
        &self,
        client: &Client,
        request: TokenRequest,
        context: &Context<'_>,
    ) -> Result<IssuedToken, GrantError> {
        let allowed = Allowed {
            subject: client.subject.clone(),
            scope: client.allow_scope(request.scope)?,
            audience: client.allow_resources(request.resources)?,
        };
        Ok(self.issue_access(client, allowed, context).await?)
    }
}
