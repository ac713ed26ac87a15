//! The in-memory reference model: short and obviously right, the oracle of every backend. Not a
//! store to run a service on: nothing survives the process.

use std::{collections::BTreeMap, fmt, ops::Bound, sync::Arc};

use parking_lot::Mutex;
use tollgate_protocol::{ClientId, Now, Subject, UnixMillis, UnixSeconds};

use crate::{
    AssertionUse, Batch, ClientChange, ClientEpoch, ClientRecord, ClientState, Cut, Health,
    InsertOutcome, KeyRing, KeyRingChange, MARKS_OUTLAST, NewToken, Page, Probe, Redeemed,
    Redemption, Revocation, Revoked, SignedToken, Snapshot, Standing, Store, StoreError,
    SweepOutcome, TokenFilter, TokenKey, TokenRecord, TokenUse, Watcher,
};

/// A [`Store`] in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

impl MemoryStore {
    /// A store without anything in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[derive(Debug)]
enum Kept {
    Live(Arc<TokenRecord>),
    Consumed { expires_at: UnixSeconds },
}

impl Kept {
    fn expires_at(&self) -> UnixSeconds {
        match self {
            Self::Live(record) => record.expires_at,
            Self::Consumed { expires_at } => *expires_at,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    tokens: BTreeMap<TokenKey, Kept>,
    spent: BTreeMap<TokenKey, UnixSeconds>,
    assertions: BTreeMap<TokenKey, UnixSeconds>,
    clients: BTreeMap<ClientId, Arc<ClientRecord>>,
    key_ring: KeyRing,
    cuts: Vec<Cut>,
    watcher: Told,
}

/// Who is told of tokens that end.
#[derive(Default)]
struct Told(Option<Watcher>);

impl Told {
    fn ended(&self, keys: &[TokenKey]) {
        if let Some(watcher) = &self.0
            && !keys.is_empty()
        {
            watcher(keys);
        }
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Told")
    }
}

impl State {
    fn insert(
        &mut self,
        tokens: Vec<NewToken>,
        active_max: u64,
        now: UnixSeconds,
    ) -> InsertOutcome {
        let alive = |token: &&NewToken| token.record.expires_at > now;
        let new = count(tokens.iter().filter(alive));
        if active_max != 0 && self.active(now).saturating_add(new) > active_max {
            return InsertOutcome::Full;
        }
        for NewToken { key, record } in tokens {
            self.tokens.insert(key, Kept::Live(Arc::new(record)));
        }
        InsertOutcome::Inserted
    }

    fn active(&self, now: UnixSeconds) -> u64 {
        count(
            self.tokens
                .values()
                .filter(|kept| matches!(kept, Kept::Live(record) if record.expires_at > now)),
        )
    }

    fn standing(&self, probe: &Probe, now: UnixSeconds) -> Standing {
        match probe {
            Probe::Stored(key) => match self.tokens.get(key) {
                Some(Kept::Live(record)) if self.counts(record, now) => {
                    Standing::Stored(Arc::clone(record))
                }
                _ => Standing::Dead,
            },
            Probe::Signed(token) if self.counts_signed(token, now) => Standing::Signed,
            Probe::Signed(_) => Standing::Dead,
        }
    }

    fn counts(&self, record: &TokenRecord, now: UnixSeconds) -> bool {
        record.expires_at > now
            && self.client_stands(&record.client, record.epoch)
            && !self.is_cut(&record.subject, record.issued_at)
    }

    fn counts_signed(&self, token: &SignedToken, now: UnixSeconds) -> bool {
        token.expires_at > now
            && !self.spent.contains_key(&token.key)
            && self.client_stands(&token.client, token.epoch)
            && !self.is_cut(&token.subject, token.issued_at)
    }

    fn client_stands(&self, client: &ClientId, epoch: ClientEpoch) -> bool {
        self.clients
            .get(client)
            .is_some_and(|client| client.state == ClientState::Enabled && client.epoch == epoch)
    }

    fn is_cut(&self, subject: &Subject, issued_at: UnixMillis) -> bool {
        self.cuts.iter().any(|cut| cut.covers(subject, issued_at))
    }

    fn redeem(&mut self, redemption: &Redemption, now: UnixSeconds) -> Redeemed {
        let record = match self.tokens.get(&redemption.key) {
            Some(Kept::Consumed { expires_at }) if *expires_at > now => {
                return Redeemed::AlreadyConsumed;
            }
            Some(Kept::Live(record))
                if record.usage == TokenUse::OneTime && self.counts(record, now) =>
            {
                Arc::clone(record)
            }
            _ => return Redeemed::Dead,
        };
        if record.client != redemption.client && !record.audience.intersects(&redemption.serves) {
            return Redeemed::NotYours;
        }
        let expires_at = record.expires_at;
        self.tokens
            .insert(redemption.key, Kept::Consumed { expires_at });
        Redeemed::Consumed(record)
    }

    fn revoke(&mut self, revocation: &Revocation, now: UnixSeconds) -> Revoked {
        let is_owner =
            |client: &ClientId| revocation.owner.as_ref().is_none_or(|own| own == client);
        match &revocation.probe {
            Probe::Stored(key) => match self.tokens.get(key) {
                Some(Kept::Live(record)) if record.expires_at > now => {
                    if !is_owner(&record.client) {
                        return Revoked::NotYours;
                    }
                    self.tokens.remove(key);
                }
                _ => return Revoked::AlreadyDead,
            },
            Probe::Signed(token) => {
                if token.expires_at <= now || self.spent.contains_key(&token.key) {
                    return Revoked::AlreadyDead;
                }
                if !is_owner(&token.client) {
                    return Revoked::NotYours;
                }
                self.spent.insert(token.key, token.expires_at);
            }
        }
        Revoked::Revoked
    }

    fn cut(&mut self, cut: Cut) {
        match self.cuts.iter_mut().find(|own| own.scope == cut.scope) {
            Some(own) => {
                own.issued_up_to = own.issued_up_to.max(cut.issued_up_to);
                own.expires_at = own.expires_at.max(cut.expires_at);
            }
            None => self.cuts.push(cut),
        }
    }

    fn update_client(&mut self, client: ClientRecord) -> ClientChange {
        match self.clients.get_mut(&client.id) {
            None => ClientChange::NotFound,
            Some(own) if own.revision.checked_add(1) != Some(client.revision) => {
                ClientChange::Conflict
            }
            Some(own) => {
                *own = Arc::new(client);
                ClientChange::Done
            }
        }
    }

    fn live(
        &self,
        filter: &TokenFilter,
        after: Option<TokenKey>,
        now: UnixSeconds,
    ) -> impl Iterator<Item = (TokenKey, Arc<TokenRecord>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.tokens
            .range((from, Bound::Unbounded))
            .filter_map(move |(key, kept)| match kept {
                Kept::Live(record) if filter.admits(record) && self.counts(record, now) => {
                    Some((*key, Arc::clone(record)))
                }
                _ => None,
            })
    }

    fn sweep(&mut self, limit: usize, now: Now) -> SweepOutcome {
        let (now, wall) = (now.steady.to_seconds(), now.wall.to_seconds());
        let mut left = limit;
        let (clients, cuts) = (&self.clients, &self.cuts);
        let is_lost = |kept: &Kept| match kept {
            Kept::Live(record) => {
                let client = clients.get(&record.client);
                client.is_none_or(|client| client.epoch != record.epoch)
                    || cuts
                        .iter()
                        .any(|cut| cut.covers(&record.subject, record.issued_at))
            }
            Kept::Consumed { .. } => false,
        };
        self.tokens.retain(|_, kept| {
            let removed = left > 0 && (kept.expires_at() <= now || is_lost(kept));
            left = left.saturating_sub(usize::from(removed));
            !removed
        });
        let mut expired = |expires_at: UnixSeconds, now: UnixSeconds| {
            let removed = expires_at <= now && left > 0;
            left = left.saturating_sub(usize::from(removed));
            removed
        };
        self.spent
            .retain(|_, expires_at| !expired(expires_at.plus(MARKS_OUTLAST), now));
        self.assertions
            .retain(|_, expires_at| !expired(expires_at.plus(MARKS_OUTLAST), wall));
        self.cuts.retain(|cut| !expired(cut.expires_at, now));
        SweepOutcome {
            removed: limit.saturating_sub(left),
            finished: left > 0,
        }
    }

    fn export(&self) -> Snapshot {
        let assertions = self.assertions.iter();
        Snapshot {
            clients: self
                .clients
                .values()
                .map(|client| (**client).clone())
                .collect(),
            key_ring: self.key_ring.clone(),
            assertions: assertions
                .map(|(key, expires_at)| (*key, *expires_at))
                .collect(),
        }
    }

    fn import(&mut self, snapshot: Snapshot) {
        let clients = snapshot.clients.into_iter();
        *self = Self {
            watcher: std::mem::take(&mut self.watcher),
            tokens: BTreeMap::new(),
            spent: BTreeMap::new(),
            assertions: std::mem::take(&mut self.assertions),
            clients: clients
                .map(|client| (client.id.clone(), Arc::new(client)))
                .collect(),
            key_ring: snapshot.key_ring,
            cuts: Vec::new(),
        };
        for (key, expires_at) in snapshot.assertions {
            let own = self.assertions.entry(key).or_insert(expires_at);
            *own = expires_at.max(*own);
        }
    }
}

fn count(iterator: impl Iterator) -> u64 {
    u64::try_from(iterator.count()).unwrap_or(u64::MAX)
}

impl Store for MemoryStore {
    fn watch(&self, watcher: Watcher) {
        self.0.lock().watcher = Told(Some(watcher));
    }

    async fn insert(
        &self,
        tokens: Vec<NewToken>,
        active_max: u64,
        now: UnixSeconds,
    ) -> Result<InsertOutcome, StoreError> {
        Batch::check(&tokens)?;
        Ok(self.0.lock().insert(tokens, active_max, now))
    }

    async fn standing(
        &self,
        probes: &[Probe],
        now: UnixSeconds,
    ) -> Result<Vec<Standing>, StoreError> {
        Batch::check(probes)?;
        let state = self.0.lock();
        Ok(probes
            .iter()
            .map(|probe| state.standing(probe, now))
            .collect())
    }

    async fn redeem(
        &self,
        redemptions: Vec<Redemption>,
        now: UnixSeconds,
    ) -> Result<Vec<Redeemed>, StoreError> {
        Batch::check(&redemptions)?;
        let mut state = self.0.lock();
        let mut ended = Vec::new();
        let mut redeem = |redemption: &Redemption| {
            let redeemed = state.redeem(redemption, now);
            if matches!(redeemed, Redeemed::Consumed(_)) {
                ended.push(redemption.key);
            }
            redeemed
        };
        let outcomes = redemptions.iter().map(&mut redeem).collect();
        state.watcher.ended(&ended);
        Ok(outcomes)
    }

    async fn revoke(
        &self,
        revocations: Vec<Revocation>,
        now: UnixSeconds,
    ) -> Result<Vec<Revoked>, StoreError> {
        Batch::check(&revocations)?;
        let mut state = self.0.lock();
        let mut ended = Vec::new();
        let mut revoke = |revocation: &Revocation| {
            let revoked = state.revoke(revocation, now);
            if revoked == Revoked::Revoked {
                ended.push(revocation.probe.key());
            }
            revoked
        };
        let outcomes = revocations.iter().map(&mut revoke).collect();
        state.watcher.ended(&ended);
        Ok(outcomes)
    }

    async fn cut(&self, cut: Cut) -> Result<(), StoreError> {
        self.0.lock().cut(cut);
        Ok(())
    }

    async fn latest_cut(&self) -> Result<Option<UnixMillis>, StoreError> {
        let state = self.0.lock();
        Ok(state.cuts.iter().map(|cut| cut.issued_up_to).max())
    }

    async fn use_assertion(
        &self,
        assertion: TokenKey,
        expires_at: UnixSeconds,
        now: UnixSeconds,
    ) -> Result<AssertionUse, StoreError> {
        let mut state = self.0.lock();
        if state
            .assertions
            .get(&assertion)
            .is_some_and(|end| *end > now)
        {
            return Ok(AssertionUse::Replayed);
        }
        state.assertions.insert(assertion, expires_at);
        Ok(AssertionUse::Fresh)
    }

    async fn client(&self, id: &ClientId) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        Ok(self.0.lock().clients.get(id).cloned())
    }

    async fn clients(
        &self,
        after: Option<ClientId>,
        limit: usize,
    ) -> Result<Vec<Arc<ClientRecord>>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.0.lock();
        let clients = state.clients.range::<ClientId, _>((from, Bound::Unbounded));
        Ok(clients
            .take(limit)
            .map(|(_, client)| Arc::clone(client))
            .collect())
    }

    async fn create_client(&self, client: ClientRecord) -> Result<ClientChange, StoreError> {
        let mut state = self.0.lock();
        if state.clients.contains_key(&client.id) {
            return Ok(ClientChange::AlreadyExists);
        }
        state.clients.insert(client.id.clone(), Arc::new(client));
        Ok(ClientChange::Done)
    }

    async fn update_client(&self, client: ClientRecord) -> Result<ClientChange, StoreError> {
        Ok(self.0.lock().update_client(client))
    }

    async fn delete_client(&self, id: ClientId) -> Result<ClientChange, StoreError> {
        Ok(match self.0.lock().clients.remove(&id) {
            Some(_) => ClientChange::Done,
            None => ClientChange::NotFound,
        })
    }

    async fn key_ring(&self) -> Result<KeyRing, StoreError> {
        Ok(self.0.lock().key_ring.clone())
    }

    async fn replace_key_ring(&self, ring: KeyRing) -> Result<KeyRingChange, StoreError> {
        let mut state = self.0.lock();
        if state.key_ring.revision.checked_add(1) != Some(ring.revision) {
            return Ok(KeyRingChange::Conflict);
        }
        state.key_ring = ring;
        Ok(KeyRingChange::Done)
    }

    async fn tokens(
        &self,
        filter: TokenFilter,
        after: Option<TokenKey>,
        limit: usize,
        now: UnixSeconds,
    ) -> Result<Page, StoreError> {
        let state = self.0.lock();
        let mut live = state.live(&filter, after, now);
        let tokens: Vec<_> = live.by_ref().take(limit).collect();
        let has_more = live.next().is_some();
        let next = tokens.last().map(|(key, _)| *key).filter(|_| has_more);
        Ok(Page { tokens, next })
    }

    async fn count(&self, filter: TokenFilter, now: UnixSeconds) -> Result<u64, StoreError> {
        Ok(count(self.0.lock().live(&filter, None, now)))
    }

    fn active(&self, now: UnixSeconds) -> u64 {
        self.0.lock().active(now)
    }

    async fn sweep(&self, limit: usize, now: Now) -> Result<SweepOutcome, StoreError> {
        Ok(self.0.lock().sweep(limit, now))
    }

    async fn health(&self) -> Health {
        Health::Ok
    }

    async fn export(&self) -> Result<Snapshot, StoreError> {
        Ok(self.0.lock().export())
    }

    async fn import(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        self.0.lock().import(snapshot);
        Ok(())
    }
}
