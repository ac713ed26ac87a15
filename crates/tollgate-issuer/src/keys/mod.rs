//! Signing keys: which one signs now, which ones verify, and what the JWKS says.
//!
//! The stages of a key's life are dates in the store, so a change of stage needs no write and every
//! instance sees it at the same second. What requests read is prepared and swapped in one piece;
//! no request ever waits for a key to be made or unsealed.
//!
//! | module | has |
//! |---|---|
//! | `plan` | what should happen to the ring, as a pure function of the ring and the time |
//! | `ring` | how a ring changes |
//! | `prepared` | what requests read |
//! | `generate` | new keys, made away from the async threads |
//! | `lane` | threads for RSA signatures, so that these do not delay other requests |
//! | `change` | how a change is planned, stored and swapped in |
//! | `life` | what the clock and administrators do |

mod change;
mod generate;
mod jwks;
mod lane;
mod life;
mod plan;
mod prepared;
mod ring;
mod view;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tollgate_jose::Algorithm;
use tollgate_protocol::UnixSeconds;
use tollgate_store::Store;

pub use jwks::JwksDocument;
pub(crate) use prepared::{SigningEntry, VerifyingEntry};
pub use view::{KeyState, KeyView};

use self::{change::Wish, generate::FreshKey, lane::SigningLane, prepared::Prepared};
use crate::{Context, IssuerError, MasterKey, Settings};

/// The signing keys of the issuer, read by every request and changed a few times a year.
pub(crate) struct Keys {
    prepared: ArcSwap<Prepared>,
    master: MasterKey,
    settings: Settings,
    /// Keys made ahead of need, at most one an algorithm.
    spares: Mutex<Vec<FreshKey>>,
    /// Held over each read, change and swap of the ring, so that an old ring never replaces a
    /// newer one.
    changes: tokio::sync::Mutex<()>,
    lane: OnceLock<SigningLane>,
}

impl Keys {
    /// Reads the ring, making the first key of the default algorithm when there is none.
    pub(crate) async fn open<S: Store>(
        store: &S,
        settings: &Settings,
        master: MasterKey,
        context: &Context<'_>,
    ) -> Result<Self, IssuerError> {
        let keys = Self {
            prepared: ArcSwap::from_pointee(Prepared::default()),
            master,
            settings: settings.clone(),
            spares: Mutex::default(),
            changes: tokio::sync::Mutex::default(),
            lane: OnceLock::new(),
        };
        keys.fulfil(store, &Wish::Tick, context).await?;
        Ok(keys)
    }

    /// The key that signs with `algorithm` at `now`.
    pub(crate) fn signer(
        &self,
        algorithm: Algorithm,
        now: UnixSeconds,
    ) -> Option<Arc<SigningEntry>> {
        self.prepared.load().signer(algorithm, now)
    }

    /// The key of this identifier, if tokens signed with it count at `now`: neither revoked nor
    /// gone.
    pub(crate) fn verifier(&self, kid: &str, now: UnixSeconds) -> Option<Arc<VerifyingEntry>> {
        self.prepared.load().verifier(kid, now)
    }

    /// The JWKS at `now`.
    pub(crate) fn jwks(&self, now: UnixSeconds) -> Arc<JwksDocument> {
        self.prepared.load().jwks(now)
    }

    /// How many keys there are, without those that were revoked.
    pub(crate) fn count(&self) -> usize {
        ring::published(&self.prepared.load().ring.keys)
    }

    /// The threads for RSA signatures, started when first needed.
    pub(crate) fn lane(&self) -> &SigningLane {
        self.lane.get_or_init(SigningLane::start)
    }

    /// What else is derived from the master key.
    pub(crate) const fn master(&self) -> &MasterKey {
        &self.master
    }
}
