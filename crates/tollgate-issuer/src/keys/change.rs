//! Changes of the ring: planned, made in the store, and swapped in for requests as one.

use std::{sync::Arc, time::Duration};

use tollgate_jose::Algorithm;
use tollgate_protocol::{ClientId, UnixSeconds};
use tollgate_store::{KeyRing, KeyRingChange, Store, StoreError, StoredKey};

use super::{
    KeyView, Keys,
    generate::{Dates, FreshKey},
    plan::{Birth, Plan, Rhythm},
    prepared::{Prepared, algorithm},
    ring,
};
use crate::{AdminError, Context, IssuerError};

/// How often a change is tried while other instances change the ring too.
const ATTEMPTS_MAX: usize = 8;
const CLIENTS_PAGE: usize = 1000;

/// What should become of the ring, beside what the clock demands.
pub(super) enum Wish {
    /// Nothing else.
    Tick,
    /// There should be a key of this algorithm.
    Line(Algorithm),
    /// The key that signs with this algorithm should get a successor.
    Rotate(Algorithm),
    /// This key should be withdrawn.
    Revoke(String),
}

/// What became of the ring.
pub(super) struct Outcome {
    /// The key that was asked for.
    pub(super) kid: Option<String>,
    /// Whether keys left, so that verified tokens must be verified anew.
    pub(super) keys_left: bool,
    /// What is to be done next, and when.
    pub(super) plan: Plan,
}

/// A change of the ring that is not made yet.
struct Draft {
    ring: KeyRing,
    keep: Duration,
    kid: Option<String>,
}

impl Keys {
    const fn rhythm(&self) -> Rhythm {
        let policy = &self.settings.keys;
        Rhythm {
            rotate_every: policy.rotate_every,
            publish_ahead: policy.publish_ahead,
        }
    }

    /// Reads the ring, changes it as the clock and `wish` demand, and swaps in what requests read.
    pub(super) async fn fulfil<S: Store>(
        &self,
        store: &S,
        wish: &Wish,
        context: &Context<'_>,
    ) -> Result<Outcome, IssuerError> {
        match self.try_fulfil(store, wish, context).await {
            Ok(outcome) => Ok(outcome),
            Err(AdminError::Broken(error)) => Err(error),
            Err(other) => Err(StoreError::Unavailable(other.to_string()).into()),
        }
    }

    pub(super) async fn try_fulfil<S: Store>(
        &self,
        store: &S,
        wish: &Wish,
        context: &Context<'_>,
    ) -> Result<Outcome, AdminError> {
        let now = context.now.steady.to_seconds();
        let _turn = self.changes.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let stored = store.key_ring().await?;
            let keep = match wish {
                Wish::Tick if self.is_settled(&stored, now) => Duration::ZERO,
                _ => self.keep(store, &stored).await?,
            };
            let mut draft = Draft {
                ring: stored.clone(),
                keep,
                kid: None,
            };
            let plan = self.revise(&mut draft, wish, context).await?;
            let changed = draft.ring != stored;
            if changed {
                draft.ring.revision = stored.revision.saturating_add(1);
                // Seen before it is stored: a slow disk is not at the expense of validators, which
                // need their time to learn a key before it signs.
                let announcing = self.prepared.load().announcing(&draft.ring, now)?;
                self.prepared.store(Arc::new(announcing));
                let change = store.replace_key_ring(draft.ring.clone()).await?;
                if change == KeyRingChange::Conflict {
                    continue;
                }
            }
            let keys_left = self.install(draft.ring, now)?;
            return Ok(Outcome {
                kid: draft.kid,
                keys_left,
                plan,
            });
        }
        Err(AdminError::Conflict("key ring"))
    }

    /// Whether nothing is due and no key is on its way out, as it is almost always; all clients
    /// need not be asked for their life times then.
    fn is_settled(&self, ring: &KeyRing, now: UnixSeconds) -> bool {
        let leaves = |key: &StoredKey| key.retired_at.is_some() && key.revoked_at.is_none();
        !ring.keys.iter().any(leaves)
            && lines(ring, [self.settings.keys.signing_alg]).is_ok_and(|lines| {
                self.rhythm()
                    .plan(&ring.keys, &lines, now)
                    .births
                    .is_empty()
            })
    }

    /// Lets `import` replace the whole store, ring included, and reads the new ring.
    pub(crate) async fn replaced_by<S: Store>(
        &self,
        store: &S,
        import: impl AsyncFnOnce(KeyRing) -> Result<(), StoreError>,
        context: &Context<'_>,
    ) -> Result<(), IssuerError> {
        {
            let _turn = self.changes.lock().await;
            import(store.key_ring().await?).await?;
        }
        self.fulfil(store, &Wish::Tick, context).await.map(|_| ())
    }

    /// Applies to `draft` what `wish` and then the clock demand; what the clock demands later.
    async fn revise(
        &self,
        draft: &mut Draft,
        wish: &Wish,
        context: &Context<'_>,
    ) -> Result<Plan, AdminError> {
        let now = context.now.steady.to_seconds();
        let latest = self.rhythm().earliest(now);
        ring::bring_forward(&mut draft.ring.keys, latest, draft.keep);
        ring::keep_longer(&mut draft.ring.keys, draft.keep);
        ring::drop_gone(&mut draft.ring.keys, now);
        let mut wanted = vec![self.settings.keys.signing_alg];
        match wish {
            Wish::Tick => {}
            Wish::Line(algorithm) => wanted.push(*algorithm),
            Wish::Rotate(algorithm) => {
                let birth = self.succession(&draft.ring, *algorithm, now)?;
                draft.kid = Some(self.bear(draft, birth, context).await?);
            }
            Wish::Revoke(kid) => {
                draft.kid = Some(kid.clone());
                self.withdraw(draft, kid, context).await?;
                // What else is due can wait, a stolen key cannot.
                return Ok(Plan::default());
            }
        }
        let lines = lines(&draft.ring, wanted)?;
        let plan = self.rhythm().plan(&draft.ring.keys, &lines, now);
        for birth in &plan.births {
            self.bear(draft, *birth, context).await?;
        }
        if plan.births.is_empty() {
            return Ok(plan);
        }
        Ok(self.rhythm().plan(&draft.ring.keys, &lines, now))
    }

    /// The algorithms whose next key is due at `now` and has no room.
    pub(super) fn held_back(&self, now: UnixSeconds) -> Result<Vec<Algorithm>, IssuerError> {
        let ring = &self.prepared.load().ring;
        let lines = lines(ring, [])?;
        Ok(self.rhythm().plan(&ring.keys, &lines, now).held_back)
    }

    fn succession(
        &self,
        ring: &KeyRing,
        algorithm: Algorithm,
        now: UnixSeconds,
    ) -> Result<Birth, AdminError> {
        if ring::published(&ring.keys) >= ring::KEYS_MAX {
            let message = format!("there are {} keys already", ring::KEYS_MAX);
            return Err(AdminError::Invalid(message));
        }
        let current = ring
            .keys
            .iter()
            .filter(|key| ring::is_current(key, algorithm.name(), now));
        match current.map(|key| key.signs_from).max() {
            Some(newest) => Ok(self.rhythm().successor(algorithm, newest, now)),
            None => Ok(Birth {
                algorithm,
                signs_from: now,
            }),
        }
    }

    async fn withdraw(
        &self,
        draft: &mut Draft,
        kid: &str,
        context: &Context<'_>,
    ) -> Result<(), AdminError> {
        let now = context.now.steady.to_seconds();
        let key = draft.ring.keys.iter().find(|key| key.kid == kid);
        let algorithm = algorithm(key.ok_or(AdminError::NotFound("key"))?)?;
        match ring::revoke(&mut draft.ring.keys, kid, draft.keep, now) {
            // It is revoked already; the date stays the first one.
            None | Some(ring::Revoked::LineSigns) => Ok(()),
            // Whoever revokes sees to it afterwards that there is another.
            Some(ring::Revoked::LineIsEmpty) if !self.is_ready(algorithm) => Ok(()),
            Some(ring::Revoked::LineIsEmpty) => {
                let birth = Birth {
                    algorithm,
                    signs_from: now,
                };
                self.bear(draft, birth, context).await?;
                Ok(())
            }
        }
    }

    /// Whether a key of `algorithm` is there or takes no time to make.
    fn is_ready(&self, algorithm: Algorithm) -> bool {
        let spares = self.spares.lock();
        !algorithm.is_rsa() || spares.iter().any(|spare| spare.algorithm() == algorithm)
    }

    /// Adds a new key to `draft`; its identifier.
    async fn bear(
        &self,
        draft: &mut Draft,
        birth: Birth,
        context: &Context<'_>,
    ) -> Result<String, IssuerError> {
        let now = context.now.steady.to_seconds();
        let fresh = match self.take_spare(birth.algorithm) {
            Some(spare) => spare,
            None => FreshKey::generate(birth.algorithm).await?,
        };
        let dates = Dates {
            created_at: now,
            signs_from: birth.signs_from,
        };
        let key = fresh.seal(&self.master, dates, context.entropy)?;
        let kid = key.kid.clone();
        ring::add(&mut draft.ring.keys, key, draft.keep, now);
        Ok(kid)
    }

    /// Swaps in `ring` for requests; whether keys left.
    fn install(&self, ring: KeyRing, now: UnixSeconds) -> Result<bool, IssuerError> {
        let known = self.prepared.load();
        if known.is_of(&ring) {
            return Ok(false);
        }
        let later = Prepared::new(ring, &known, &self.master, now)?;
        let keys_left = known.loses_keys_to(&later);
        self.prepared.store(Arc::new(later));
        Ok(keys_left)
    }

    fn take_spare(&self, algorithm: Algorithm) -> Option<FreshKey> {
        let mut spares = self.spares.lock();
        let place = spares
            .iter()
            .position(|spare| spare.algorithm() == algorithm)?;
        Some(spares.swap_remove(place))
    }

    pub(super) async fn make_spares(&self, algorithms: &[Algorithm]) -> Result<(), IssuerError> {
        for &algorithm in algorithms {
            let has_one =
                |spares: &[FreshKey]| spares.iter().any(|spare| spare.algorithm() == algorithm);
            if has_one(&self.spares.lock()) {
                continue;
            }
            let fresh = FreshKey::generate(algorithm).await?;
            let mut spares = self.spares.lock();
            if !has_one(&spares) {
                spares.push(fresh);
            }
        }
        Ok(())
    }

    /// How long a key stays in the JWKS after its last signature: the longest life of an access
    /// token, and some more.
    async fn keep<S: Store>(&self, store: &S, ring: &KeyRing) -> Result<Duration, StoreError> {
        let mut longest = self.settings.access_ttl;
        let mut after: Option<ClientId> = None;
        // Nothing has been signed yet.
        if ring.keys.is_empty() {
            return Ok(longest.saturating_add(self.settings.keys.retain_after));
        }
        loop {
            let page = store.clients(after, CLIENTS_PAGE).await?;
            let own = page.iter().filter_map(|client| client.access_ttl).max();
            longest = longest.max(own.unwrap_or_default());
            match page.last() {
                Some(last) if page.len() == CLIENTS_PAGE => after = Some(last.id.clone()),
                _ => return Ok(longest.saturating_add(self.settings.keys.retain_after)),
            }
        }
    }

    pub(super) fn view(&self, kid: &str, now: UnixSeconds) -> Option<KeyView> {
        let prepared = self.prepared.load();
        let key = prepared.ring.keys.iter().find(|key| key.kid == kid)?;
        Some(KeyView::of(key, now))
    }
}

/// The algorithms of `ring` and of `wanted`: each has a line of keys.
fn lines(
    ring: &KeyRing,
    wanted: impl IntoIterator<Item = Algorithm>,
) -> Result<Vec<Algorithm>, IssuerError> {
    let unrevoked = ring.keys.iter().filter(|key| key.revoked_at.is_none());
    let mut lines = unrevoked.map(algorithm).collect::<Result<Vec<_>, _>>()?;
    lines.extend(wanted);
    lines.sort_unstable();
    lines.dedup();
    Ok(lines)
}
