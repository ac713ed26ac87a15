//! Changes of clients, cuts and keys: rare, so each is one commit of its own.

use std::sync::Arc;

use fjall::OwnedWriteBatch;
use tollgate_protocol::{ClientId, UnixSeconds};
use tollgate_store::{
    ClientChange, ClientRecord, Cut, KeyRing, KeyRingChange, Snapshot, StoreError, TokenKey,
};

use crate::{
    active::ActiveCounts,
    codec,
    engine::{Engine, Newest},
    index::{Index, IndexChange},
    keys::{self, Generation, MarkKind},
    request::{Administration, Answer},
};

/// What an administration comes to.
pub(crate) struct Decision {
    pub(crate) answer: Answer,
    /// None: nothing changes, and nothing is committed.
    pub(crate) change: Option<IndexChange>,
    /// The counters from then on, where they change.
    pub(crate) counts: Option<ActiveCounts>,
}

impl Decision {
    fn nothing(answer: Answer) -> Self {
        Self {
            answer,
            change: None,
            counts: None,
        }
    }

    fn change(answer: Answer, change: IndexChange) -> Self {
        Self {
            answer,
            change: Some(change),
            counts: None,
        }
    }
}

/// What is known when an administration is decided.
pub(crate) struct Office<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) index: &'a Index,
    pub(crate) counts: &'a ActiveCounts,
    pub(crate) batch: &'a mut OwnedWriteBatch,
}

impl Office<'_> {
    /// Decides, and writes what changes to the batch.
    pub(crate) fn decide(&mut self, administration: Administration) -> Option<Decision> {
        // An error goes to whoever asked; nothing of the batch is committed then.
        macro_rules! decided {
            ($reply:ident, $outcome:expr) => {
                match $outcome {
                    Ok(outcome) => outcome,
                    Err(error) => {
                        $reply.send(Err(error));
                        return None;
                    }
                }
            };
        }
        Some(match administration {
            Administration::CreateClient(client, reply) => {
                let (outcome, change) = decided!(reply, self.create(client));
                with(Answer::Client(reply, outcome), change)
            }
            Administration::UpdateClient(client, reply) => {
                let (outcome, change) = decided!(reply, self.update(client));
                with(Answer::Client(reply, outcome), change)
            }
            Administration::DeleteClient(id, reply) => {
                let (outcome, change) = self.delete(id);
                with(Answer::Client(reply, outcome), change)
            }
            Administration::ReplaceKeyRing(ring, reply) => {
                let (outcome, change) = decided!(reply, self.replace_key_ring(ring));
                with(Answer::KeyRing(reply, outcome), change)
            }
            Administration::Cut(cut, reply) => {
                let change = decided!(reply, self.cut(cut));
                Decision::change(Answer::Done(reply), change)
            }
            Administration::Forget(now, limit, reply) => {
                self.forget(now, limit, |cuts| Answer::Forgot(reply, cuts))
            }

            Administration::Import(snapshot, reply) => {
                let index = decided!(reply, self.import(*snapshot));
                Decision {
                    answer: Answer::Done(reply),
                    change: Some(IndexChange::Everything(Box::new(index))),
                    counts: Some(ActiveCounts::default()),
                }
            }
        })
    }

    fn create(
        &mut self,
        client: ClientRecord,
    ) -> Result<(ClientChange, Option<IndexChange>), StoreError> {
        if self.index.clients.contains_key(&client.id) {
            return Ok((ClientChange::AlreadyExists, None));
        }
        self.put_client(client)
            .map(|change| (ClientChange::Done, Some(change)))
    }

    fn update(
        &mut self,
        client: ClientRecord,
    ) -> Result<(ClientChange, Option<IndexChange>), StoreError> {
        let Some(own) = self.index.clients.get(&client.id) else {
            return Ok((ClientChange::NotFound, None));
        };
        if own.revision.checked_add(1) != Some(client.revision) {
            return Ok((ClientChange::Conflict, None));
        }
        self.put_client(client)
            .map(|change| (ClientChange::Done, Some(change)))
    }

    fn put_client(&mut self, client: ClientRecord) -> Result<IndexChange, StoreError> {
        let row_key = keys::client(&client.id);
        let row = codec::json_row(&row_key, &client)?;
        self.batch.insert(&self.engine.meta, row_key, row);
        Ok(IndexChange::Client(Arc::new(client)))
    }

    fn delete(&mut self, id: ClientId) -> (ClientChange, Option<IndexChange>) {
        if !self.index.clients.contains_key(&id) {
            return (ClientChange::NotFound, None);
        }
        self.batch.remove(&self.engine.meta, keys::client(&id));
        (ClientChange::Done, Some(IndexChange::NoClient(id)))
    }

    fn replace_key_ring(
        &mut self,
        ring: KeyRing,
    ) -> Result<(KeyRingChange, Option<IndexChange>), StoreError> {
        if self.index.key_ring.revision.checked_add(1) != Some(ring.revision) {
            return Ok((KeyRingChange::Conflict, None));
        }
        let row = codec::json_row(keys::KEY_RING, &ring)?;
        self.batch.insert(&self.engine.meta, keys::KEY_RING, row);
        Ok((KeyRingChange::Done, Some(IndexChange::KeyRing(ring))))
    }

    fn cut(&mut self, cut: Cut) -> Result<IndexChange, StoreError> {
        let cut = self.index.merged(cut);
        let row_key = keys::cut(&cut.scope);
        let row = codec::json_row(&row_key, &cut)?;
        self.batch.insert(&self.engine.meta, row_key, row);
        Ok(IndexChange::Cut(cut))
    }

    fn forget(
        &mut self,
        now: UnixSeconds,
        limit: usize,
        answer: impl FnOnce(usize) -> Answer,
    ) -> Decision {
        let mut cuts = self.index.expired_cuts(now);
        cuts.truncate(limit);
        let seconds = self.counts.expired(now);
        let answer = answer(cuts.len());
        if cuts.is_empty() && seconds.is_empty() {
            return Decision::nothing(answer);
        }
        for scope in &cuts {
            self.batch.remove(&self.engine.meta, keys::cut(scope));
        }
        let mut counts = self.counts.clone();
        for second in seconds {
            self.batch.remove(&self.engine.meta, keys::count(second));
            counts.set(second, 0);
        }
        Decision {
            answer,
            change: Some(IndexChange::NoCuts(cuts)),
            counts: Some(counts),
        }
    }

    /// Tokens and revocations are left behind in their generation, for the sweep to remove.
    fn import(&mut self, snapshot: Snapshot) -> Result<Index, StoreError> {
        let generation = self.index.generation.0.checked_add(1);
        let generation = Generation(
            generation.ok_or_else(|| StoreError::Unavailable("restored too often".to_owned()))?,
        );
        let meta = &self.engine.meta;
        let row = codec::number_row(keys::GENERATION, u64::from(generation.0));
        self.batch.insert(meta, keys::GENERATION, row);
        let mut index = Index::new(generation, snapshot.key_ring);
        for client in snapshot.clients {
            index.apply(IndexChange::Client(Arc::new(client)));
        }
        self.remove_meta_not_in(&index);
        for client in index.clients.values() {
            let row_key = keys::client(&client.id);
            let row = codec::json_row(&row_key, &**client)?;
            self.batch.insert(meta, row_key, row);
        }
        let row = codec::json_row(keys::KEY_RING, &index.key_ring)?;
        self.batch.insert(meta, keys::KEY_RING, row);
        self.put_assertions(generation, snapshot.assertions)?;
        Ok(index)
    }

    /// No key twice in a batch: what is written anew is not removed before.
    fn remove_meta_not_in(&mut self, index: &Index) {
        let meta = &self.engine.meta;
        for id in self.index.clients.keys() {
            if !index.clients.contains_key(id) {
                self.batch.remove(meta, keys::client(id));
            }
        }
        for scope in self.index.cuts.keys() {
            self.batch.remove(meta, keys::cut(scope));
        }
        for second in self.counts.expired(UnixSeconds(u64::MAX)) {
            self.batch.remove(meta, keys::count(second));
        }
    }

    /// Beside those that are there; of two ends of one the later counts.
    fn put_assertions(
        &mut self,
        current: Generation,
        mut assertions: Vec<(TokenKey, UnixSeconds)>,
    ) -> Result<(), StoreError> {
        let kind = MarkKind::Assertion;
        assertions.sort_unstable();
        assertions.reverse();
        assertions.dedup_by_key(|(key, _)| *key);
        for (key, end) in assertions {
            let own = self.engine.mark(&Newest, kind, current, key)?;
            if own.is_none_or(|own| own < end) {
                let row_key = keys::mark(kind, kind.generation(current), key);
                let row = codec::number_row(&row_key, end.0);
                self.batch.insert(&self.engine.marks, row_key, row);
            }
        }
        Ok(())
    }
}

fn with(answer: Answer, change: Option<IndexChange>) -> Decision {
    match change {
        Some(change) => Decision::change(answer, change),
        None => Decision::nothing(answer),
    }
}
