//! What of a request a client may have.

use tollgate_protocol::{Resources, Scope};

use super::GrantError;
use crate::authenticate::Client;

impl Client {
    /// The scope that a token gets: what was asked for, or all that the client may have.
    pub(crate) fn allow_scope(&self, asked: Option<Scope>) -> Result<Scope, GrantError> {
        match asked {
            Some(scope) if self.record.scope.covers(&scope) => Ok(scope),
            Some(_) => Err(GrantError::InvalidScope),
            None => Ok(self.record.scope.clone()),
        }
    }

    /// The audience that a token gets: the resources asked for, or all that the client may name
    /// (RFC 8707 §2.1).
    pub(crate) fn allow_resources(&self, asked: Resources) -> Result<Resources, GrantError> {
        if asked.is_empty() {
            Ok(self.audience.clone())
        } else if asked
            .iter()
            .all(|resource| self.audience.contains(resource))
        {
            Ok(asked)
        } else {
            Err(GrantError::InvalidTarget)
        }
    }
}
