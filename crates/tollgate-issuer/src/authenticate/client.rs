//! A client as requests use it: its record, with what follows from it worked out once.

use std::{sync::Arc, time::Duration};

use tollgate_jose::{Algorithm, JwkSet, KeySet};
use tollgate_protocol::{GrantType, Resources, Subject, TokenFormat};
use tollgate_store::ClientRecord;

use crate::{IssuerError, Settings, grant::claims};

/// A registered client, prepared for requests.
pub struct Client {
    pub(crate) record: Arc<ClientRecord>,
    /// The client as the subject of its own tokens.
    pub(crate) subject: Subject,
    pub(crate) format: TokenFormat,
    pub(crate) access_ttl: Duration,
    pub(crate) signing_alg: Algorithm,
    /// What its tokens name when it asks for no resource.
    pub(crate) audience: Resources,
    /// The constant claims of a JWT with everything that it may have: what most requests want.
    pub(crate) claims: String,
    /// The keys that it signs assertions with.
    pub(crate) assertion_keys: KeySet,
}

impl Client {
    pub(crate) fn prepare(
        record: Arc<ClientRecord>,
        settings: &Settings,
        issuer: &Resources,
    ) -> Result<Self, IssuerError> {
        let corrupt = |what: &str| IssuerError::Corrupt(format!("{what} of client {}", record.id));
        let signing_alg = match &record.signing_alg {
            Some(name) => name.parse().map_err(|_| corrupt("signing_alg"))?,
            None => settings.keys.signing_alg,
        };
        let assertion_keys = match &record.jwks {
            Some(document) => {
                let set = JwkSet::from_slice(document.as_bytes()).map_err(|_| corrupt("jwks"))?;
                KeySet::from_jwk_set(&set).0
            }
            None => KeySet::default(),
        };
        let audience = if record.audiences.is_empty() {
            issuer
        } else {
            &record.audiences
        }
        .clone();
        let subject = Subject::from(&record.id);
        let claims = claims::constant(&claims::Constant {
            issuer: &settings.issuer,
            client: &record.id,
            subject: &subject,
            audience: &audience,
            scope: &record.scope,
        });
        Ok(Self {
            subject,
            format: record.token_format.unwrap_or(settings.access_format),
            access_ttl: record.access_ttl.unwrap_or(settings.access_ttl),
            signing_alg,
            audience,
            claims,
            assertion_keys,
            record,
        })
    }

    /// The record that the client was prepared from.
    #[must_use]
    pub fn record(&self) -> &ClientRecord {
        &self.record
    }

    /// Whether it may use `grant`.
    #[must_use]
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.record.grants.contains(&grant)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Client")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}
