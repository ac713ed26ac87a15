//! Clients: registered, changed, given new secrets, disabled and deleted by administrators.
//!
//! Disabling, deleting and revoking everything of a client each draw a new random epoch, and
//! tokens of another epoch are dead: also those that were never stored.

mod jwks;
mod secret;

use std::{sync::Arc, time::Duration};

use tollgate_jose::Algorithm;
use tollgate_protocol::{
    ClientId, ClientSecret, Entropy, GrantType, Resources, Scope, TokenFormat,
    entropy::{EntropyUnavailable, random},
};
use tollgate_store::{ClientChange, ClientEpoch, ClientRecord, ClientState, Store};

pub use jwks::{JWKS_BYTES_MAX, JWKS_KEYS_MAX};
pub use secret::{OVERLAP_MAX, RotatedSecret, SECRET_CHARS_MIN, SECRETS_MAX};

use crate::{AdminError, Context, Issuer};

/// The longest life of an access token that a client may be given.
pub const ACCESS_TTL_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// The most clients in one page.
pub const PAGE_MAX: usize = 1000;
/// How often a change is tried while others change the same client.
const ATTEMPTS_MAX: usize = 8;

/// A client to be registered.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its identifier.
    pub id: ClientId,
    /// What people call it.
    pub name: String,
    /// Whether it may do anything from the start.
    pub state: ClientState,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// The most that it may ask for.
    pub scope: Scope,
    /// The resources that it may ask tokens for.
    pub audiences: Resources,
    /// The resources that it is.
    pub serves: Resources,
    /// The format of its access tokens, where it differs from the server's.
    pub token_format: Option<TokenFormat>,
    /// The life time of its access tokens, where it differs from the server's.
    pub access_ttl: Option<Duration>,
    /// The algorithm of its JWTs, where it differs from the server's.
    pub signing_alg: Option<Algorithm>,
    /// Its public keys as a JWK Set document, for `private_key_jwt`.
    pub jwks: Option<String>,
    /// A secret that it has already; without one and without keys, a secret is made.
    pub secret: Option<ClientSecret>,
}

impl NewClient {
    /// A client that may use `client_credentials` and has nothing else.
    #[must_use]
    pub fn new(id: ClientId) -> Self {
        Self {
            id,
            name: String::new(),
            state: ClientState::Enabled,
            grants: vec![GrantType::ClientCredentials],
            scope: Scope::default(),
            audiences: Resources::default(),
            serves: Resources::default(),
            token_format: None,
            access_ttl: None,
            signing_alg: None,
            jwks: None,
            secret: None,
        }
    }
}

/// What is to be changed of a client; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ClientPatch {
    /// What people call it.
    pub name: Option<String>,
    /// Whether it may do anything.
    pub state: Option<ClientState>,
    /// The grants that it may use.
    pub grants: Option<Vec<GrantType>>,
    /// The most that it may ask for.
    pub scope: Option<Scope>,
    /// The resources that it may ask tokens for.
    pub audiences: Option<Resources>,
    /// The resources that it is.
    pub serves: Option<Resources>,
    /// The format of its access tokens; `Some(None)` for the server's.
    pub token_format: Option<Option<TokenFormat>>,
    /// The life time of its access tokens; `Some(None)` for the server's.
    pub access_ttl: Option<Option<Duration>>,
    /// The algorithm of its JWTs; `Some(None)` for the server's.
    pub signing_alg: Option<Option<Algorithm>>,
    /// Its public keys; `Some(None)` for none.
    pub jwks: Option<Option<String>>,
}

/// A client as it was registered.
#[derive(Debug)]
pub struct CreatedClient {
    /// What is kept of it.
    pub record: Arc<ClientRecord>,
    /// Its secret, shown this once; none for clients with keys alone.
    pub secret: Option<ClientSecret>,
}

impl<S: Store> Issuer<S> {
    /// Registers a client.
    ///
    /// # Errors
    ///
    /// [`AdminError::AlreadyExists`] when the identifier is taken, [`AdminError::Invalid`] when
    /// something about the client makes no sense.
    pub async fn create_client(
        &self,
        new: NewClient,
        context: &Context<'_>,
    ) -> Result<CreatedClient, AdminError> {
        let now = context.now.steady.to_seconds();
        let mut record = ClientRecord {
            id: new.id,
            name: new.name,
            state: new.state,
            epoch: fresh_epoch(context.entropy)?,
            secrets: Vec::new(),
            jwks: new.jwks.as_deref().map(jwks::canonical).transpose()?,
            grants: new.grants,
            scope: new.scope,
            audiences: new.audiences,
            serves: new.serves,
            token_format: new.token_format,
            access_ttl: new.access_ttl,
            signing_alg: new.signing_alg.map(|algorithm| algorithm.name().to_owned()),
            created_at: now,
            updated_at: now,
            revision: 0,
        };
        let secret = match new.secret {
            Some(imported) => Some(secret::imported(imported)?),
            None if record.jwks.is_some() => None,
            None => Some(secret::fresh(context.entropy)?),
        };
        if let Some(secret) = &secret {
            record.secrets.push(self.secret_hash(secret, context));
        }
        validate(&record)?;
        self.ensure_key_of(&record, context).await?;
        match self.store.create_client(record.clone()).await? {
            ClientChange::Done => {}
            ClientChange::AlreadyExists => return Err(AdminError::AlreadyExists("client")),
            ClientChange::NotFound | ClientChange::Conflict => {
                return Err(AdminError::Conflict("client"));
            }
        }
        // An earlier client of this identifier may be cached from another instance's time.
        self.caches.clients.remove(&record.id);
        Ok(CreatedClient {
            record: Arc::new(record),
            secret,
        })
    }

    /// The client of this identifier.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] when there is none.
    pub async fn client(&self, id: &ClientId) -> Result<Arc<ClientRecord>, AdminError> {
        self.store
            .client(id)
            .await?
            .ok_or(AdminError::NotFound("client"))
    }

    /// Up to `limit` clients ([`PAGE_MAX`] at most, and one more to tell whether there is a next page) in the order of their identifiers, those after
    /// `after`.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn clients(
        &self,
        after: Option<ClientId>,
        limit: usize,
    ) -> Result<Vec<Arc<ClientRecord>>, AdminError> {
        Ok(self.store.clients(after, limit.min(PAGE_MAX + 1)).await?)
    }

    /// Changes a client. Disabling it kills its tokens at once, and enabling it again does not
    /// revive them; whatever else changes counts for tokens issued from now on.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] when there is none, [`AdminError::Invalid`] when it would make no
    /// sense any more.
    pub async fn update_client(
        &self,
        id: &ClientId,
        patch: &ClientPatch,
        context: &Context<'_>,
    ) -> Result<Arc<ClientRecord>, AdminError> {
        let jwks = match &patch.jwks {
            Some(Some(document)) => Some(Some(jwks::canonical(document)?)),
            Some(None) => Some(None),
            None => None,
        };
        let epoch = fresh_epoch(context.entropy)?;
        let updated = self
            .change_client(id, context, |record| {
                apply(record, patch, &jwks);
                if patch.state == Some(ClientState::Disabled) {
                    record.epoch = epoch;
                }
                validate(record)
            })
            .await?;
        Ok(updated)
    }

    /// Deletes a client; its tokens are dead from then on, also when a client of the same
    /// identifier is registered later.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] when there is none.
    pub async fn delete_client(&self, id: &ClientId) -> Result<(), AdminError> {
        let change = self.store.delete_client(id.clone()).await;
        // Whatever the store said: a miss costs little, a deleted client that goes on is the fault
        // that must not be.
        self.caches.client_changed(id);
        match change? {
            ClientChange::Done => Ok(()),
            ClientChange::NotFound => Err(AdminError::NotFound("client")),
            ClientChange::AlreadyExists | ClientChange::Conflict => {
                Err(AdminError::Conflict("client"))
            }
        }
    }

    /// Kills every token of a client; the client itself goes on.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] when there is no such client.
    pub async fn revoke_client_tokens(
        &self,
        id: &ClientId,
        context: &Context<'_>,
    ) -> Result<(), AdminError> {
        let epoch = fresh_epoch(context.entropy)?;
        let change = |record: &mut ClientRecord| {
            record.epoch = epoch;
            Ok(())
        };
        self.change_client(id, context, change).await.map(|_| ())
    }

    /// Applies `change` to the client as it is now, again when somebody else was faster.
    async fn change_client(
        &self,
        id: &ClientId,
        context: &Context<'_>,
        change: impl Fn(&mut ClientRecord) -> Result<(), AdminError>,
    ) -> Result<Arc<ClientRecord>, AdminError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut record = ClientRecord::clone(&*self.client(id).await?);
            change(&mut record)?;
            self.ensure_key_of(&record, context).await?;
            record.updated_at = context.now.steady.to_seconds();
            record.revision = record.revision.saturating_add(1);
            let outcome = self.store.update_client(record.clone()).await;
            self.caches.client_changed(id);
            match outcome? {
                ClientChange::Done => return Ok(Arc::new(record)),
                ClientChange::NotFound => return Err(AdminError::NotFound("client")),
                ClientChange::AlreadyExists | ClientChange::Conflict => {}
            }
        }
        Err(AdminError::Conflict("client"))
    }

    async fn ensure_key_of(
        &self,
        record: &ClientRecord,
        context: &Context<'_>,
    ) -> Result<(), AdminError> {
        let Some(name) = &record.signing_alg else {
            return Ok(());
        };
        let algorithm = name
            .parse()
            .map_err(|_| invalid(format!("unknown algorithm {name}")))?;
        self.ensure_algorithm(algorithm, context).await
    }
}

fn apply(record: &mut ClientRecord, patch: &ClientPatch, jwks: &Option<Option<String>>) {
    fn set<T: Clone>(place: &mut T, value: &Option<T>) {
        if let Some(value) = value {
            place.clone_from(value);
        }
    }
    set(&mut record.name, &patch.name);
    set(&mut record.state, &patch.state);
    set(&mut record.grants, &patch.grants);
    set(&mut record.scope, &patch.scope);
    set(&mut record.audiences, &patch.audiences);
    set(&mut record.serves, &patch.serves);
    set(&mut record.token_format, &patch.token_format);
    set(&mut record.access_ttl, &patch.access_ttl);
    if let Some(algorithm) = patch.signing_alg {
        record.signing_alg = algorithm.map(|algorithm| algorithm.name().to_owned());
    }
    set(&mut record.jwks, jwks);
}

fn validate(record: &ClientRecord) -> Result<(), AdminError> {
    if record.name.len() > NAME_BYTES_MAX || record.name.chars().any(char::is_control) {
        let message = format!("name has at most {NAME_BYTES_MAX} bytes and no control characters");
        return Err(invalid(message));
    }
    if record.grants.is_empty() || record.grants.len() > GrantType::ALL.len() {
        return Err(invalid(
            "grants names each grant once, and at least one".into(),
        ));
    }
    let ttl_fits = |ttl: Duration| (Duration::from_secs(1)..=ACCESS_TTL_MAX).contains(&ttl);
    if record
        .access_ttl
        .is_some_and(|ttl| !ttl_fits(ttl) || ttl.subsec_nanos() != 0)
    {
        return Err(invalid("access_ttl is whole seconds, 1s to 30d".into()));
    }
    if record.secrets.is_empty() && record.jwks.is_none() {
        return Err(invalid(
            "a client needs a secret or jwks to authenticate with".into(),
        ));
    }
    Ok(())
}

/// Lets a client that comes out of a backup begin a life of its own, so that no token that was
/// issued to it before counts.
///
/// # Security
///
/// A change that was read before and is written afterwards would put the old life back: it names a
/// revision that is no longer there. A clock that stood ahead when secrets were rotated must not let
/// the old ones overlap for longer than any may.
pub(crate) fn begin_anew(
    record: &mut ClientRecord,
    context: &Context<'_>,
) -> Result<(), EntropyUnavailable> {
    record.epoch = fresh_epoch(context.entropy)?;
    // 48 bits: as safe as it must be, and a number in JSON that everybody reads alike.
    record.revision = u64::from_be_bytes(random(context.entropy)?) >> 16;
    let latest = context.now.steady.to_seconds().plus(OVERLAP_MAX);
    for secret in &mut record.secrets {
        secret.expires_at = secret.expires_at.map(|end| end.min(latest));
    }
    Ok(())
}

/// An epoch that no earlier life of any client had, but with a chance of one in 2⁶⁴.
fn fresh_epoch(entropy: &dyn Entropy) -> Result<ClientEpoch, EntropyUnavailable> {
    random(entropy).map(u64::from_be_bytes).map(ClientEpoch)
}

const fn invalid(message: String) -> AdminError {
    AdminError::Invalid(message)
}
