//! The issuer itself: what its decisions share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tollgate_protocol::{Entropy, Now, Resource, Resources, UnixMillis};
use tollgate_store::Store;

use crate::{
    IssuerError, MasterKey, Settings, authenticate::StandIns, cache::Caches, hash::Hasher,
    keys::Keys,
};

/// The time and the randomness of one call.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// When the call came in.
    pub now: Now,
    /// Where identifiers, tokens and secrets come from.
    pub entropy: &'a dyn Entropy,
}

/// The token service without its network: every decision, on top of a store.
pub struct Issuer<S> {
    pub(crate) store: S,
    pub(crate) settings: Settings,
    pub(crate) hasher: Hasher,
    pub(crate) keys: Keys,
    pub(crate) caches: Arc<Caches>,
    pub(crate) stand_ins: StandIns,
    /// The audience of tokens that name no resource: the issuer itself.
    pub(crate) audience: Resources,
    /// Tokens are issued later than this, so that no cut reaches those that follow it.
    issue_floor: AtomicU64,
}

impl<S: Store> Issuer<S> {
    /// Opens the service on `store`: unseals the signing keys, making the first one when there is
    /// none.
    ///
    /// # Errors
    ///
    /// When the store does not answer, or its keys were sealed under another master key.
    pub async fn open(
        store: S,
        settings: Settings,
        master: MasterKey,
        context: &Context<'_>,
    ) -> Result<Self, IssuerError> {
        let audience = settings
            .issuer
            .parse::<Resource>()
            .map(Resources::one)
            .map_err(|error| IssuerError::Corrupt(format!("issuer: {error}")))?;
        let hasher = Hasher::new(&master);
        let floor = store.latest_cut().await?.unwrap_or_default();
        let keys = Keys::open(&store, &settings, master, context).await?;
        let caches = Arc::new(Caches::new(&settings));
        let watched = Arc::clone(&caches);
        store.watch(Arc::new(move |ended| watched.tokens_ended(ended)));
        let issue_floor = AtomicU64::new(floor.0);
        Ok(Self {
            store,
            settings,
            hasher,
            keys,
            caches,
            stand_ins: StandIns::new(),
            audience,
            issue_floor,
        })
    }

    /// The store underneath, for health checks and statistics.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// What the operator decided.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The millisecond that a token issued now carries: later than every cut.
    pub(crate) fn issue_time(&self, now: Now) -> UnixMillis {
        UnixMillis(
            now.steady
                .0
                .max(self.issue_floor.load(Ordering::Acquire).saturating_add(1)),
        )
    }

    /// The millisecond up to which a cut made now reaches: every token issued before it.
    pub(crate) fn cut_time(&self, now: Now) -> UnixMillis {
        let cut = self.issue_time(now);
        self.issue_floor.fetch_max(cut.0, Ordering::AcqRel);
        cut
    }
}
