//! Why a request is refused, by cause.

use tollgate_protocol::entropy::EntropyUnavailable;
use tollgate_store::StoreError;

/// What broke while the issuer worked; never the caller's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The random generator did not deliver.
    #[error(transparent)]
    Entropy(#[from] EntropyUnavailable),
    /// There is no key to sign with.
    #[error("no signing key for {0}")]
    NoSigningKey(&'static str),
    /// Signing failed.
    #[error("failed to sign: {0}")]
    Sign(String),
    /// The signing lane's queue is full.
    #[error("too many signatures are waiting")]
    SigningLaneFull,
    /// There are as many live tokens as allowed.
    #[error("the bound on live tokens is reached")]
    TokensFull,
    /// What was sealed cannot be opened.
    #[error(transparent)]
    Seal(#[from] crate::master_key::SealError),
    /// A stored record does not make sense.
    #[error("corrupt record: {0}")]
    Corrupt(String),
}

/// Why an administrator's request is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// There is no such thing.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// There is one already.
    #[error("there is a {0} of this name already")]
    AlreadyExists(&'static str),
    /// Somebody else changed it at the same time.
    #[error("the {0} was changed at the same time; try again")]
    Conflict(&'static str),
    /// The request makes no sense; why.
    #[error("{0}")]
    Invalid(String),
    /// Something broke.
    #[error(transparent)]
    Broken(#[from] IssuerError),
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Broken(error.into())
    }
}

impl From<EntropyUnavailable> for AdminError {
    fn from(error: EntropyUnavailable) -> Self {
        Self::Broken(error.into())
    }
}
