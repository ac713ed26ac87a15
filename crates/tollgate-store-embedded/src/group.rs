//! The operations of one commit, evaluated one after the other: each sees what is durable and what
//! those before it change.

use std::{collections::BTreeSet, sync::Arc};

use fjall::OwnedWriteBatch;
use hashbrown::HashMap;
use tollgate_protocol::{ClientId, Now, UnixSeconds};
use tollgate_store::{
    AssertionUse, InsertOutcome, NewToken, Probe, Redeemed, Redemption, Revocation, Revoked,
    SignedToken, StoreError, TokenKey, TokenRecord, TokenUse,
};

use crate::{
    active::ActiveCounts,
    codec,
    engine::{Engine, Newest, Read, store_error},
    index::Index,
    keys::{self, MarkKind},
    request::DeadRow,
    row_cache::{Lookup, RowCache},
    token_row::{self, Kept, TokenRow},
};

/// What the operations so far change.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// None: removed.
    tokens: HashMap<TokenKey, Option<Kept>>,
    /// None: removed.
    marks: HashMap<(MarkKind, TokenKey), Option<UnixSeconds>>,
    /// Rows of older generations, which nothing reads.
    leftovers: Vec<DeadRow>,
    /// The counters that change.
    counts: BTreeSet<UnixSeconds>,
}

/// Evaluates operations.
pub(crate) struct Group<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) index: &'a Index,
    pub(crate) counts: &'a mut ActiveCounts,
    pub(crate) changes: &'a mut Changes,
}

/// What one operation changes: taken over when the whole of it went well.
#[derive(Default)]
struct Operation {
    tokens: Vec<(TokenKey, Option<Kept>)>,
    marks: Vec<(MarkKind, TokenKey, UnixSeconds)>,
    /// A token that expires then is no longer alive.
    ended: Vec<UnixSeconds>,
}

impl Group<'_> {
    pub(crate) fn insert(
        &mut self,
        tokens: Vec<NewToken>,
        active_max: u64,
        now: UnixSeconds,
    ) -> InsertOutcome {
        if active_max != 0 {
            let new = tokens.iter().filter(|token| token.record.expires_at > now);
            let alive = self.counts.at(now).saturating_add(new.count() as u64);
            if alive > active_max {
                return InsertOutcome::Full;
            }
        }
        for NewToken { key, record } in tokens {
            self.count(record.expires_at, 1);
            self.changes
                .tokens
                .insert(key, Some(Kept::Live(Arc::new(record))));
        }
        InsertOutcome::Inserted
    }

    pub(crate) fn redeem(
        &mut self,
        redemptions: &[Redemption],
        now: UnixSeconds,
    ) -> Result<Vec<Redeemed>, StoreError> {
        let mut operation = Operation::default();
        let outcomes = redemptions
            .iter()
            .map(|redemption| self.redeem_one(&mut operation, redemption, now))
            .collect::<Result<_, _>>()?;
        self.take_over(operation);
        Ok(outcomes)
    }

    fn redeem_one(
        &self,
        operation: &mut Operation,
        redemption: &Redemption,
        now: UnixSeconds,
    ) -> Result<Redeemed, StoreError> {
        let record = match self.token(operation, redemption.key)? {
            Some(Kept::Consumed { expires_at }) if expires_at > now => {
                return Ok(Redeemed::AlreadyConsumed);
            }
            Some(Kept::Live(record))
                if record.usage == TokenUse::OneTime && self.counts(&record, now) =>
            {
                record
            }
            _ => return Ok(Redeemed::Dead),
        };
        if record.client != redemption.client && !record.audience.intersects(&redemption.serves) {
            return Ok(Redeemed::NotYours);
        }
        let expires_at = record.expires_at;
        let consumed = Kept::Consumed { expires_at };
        operation.tokens.push((redemption.key, Some(consumed)));
        operation.ended.push(expires_at);
        Ok(Redeemed::Consumed(record))
    }

    pub(crate) fn revoke(
        &mut self,
        revocations: &[Revocation],
        now: UnixSeconds,
    ) -> Result<Vec<Revoked>, StoreError> {
        let mut operation = Operation::default();
        let outcomes = revocations
            .iter()
            .map(|revocation| self.revoke_one(&mut operation, revocation, now))
            .collect::<Result<_, _>>()?;
        self.take_over(operation);
        Ok(outcomes)
    }

    fn revoke_one(
        &self,
        operation: &mut Operation,
        revocation: &Revocation,
        now: UnixSeconds,
    ) -> Result<Revoked, StoreError> {
        let owner = revocation.owner.as_ref();
        match &revocation.probe {
            Probe::Stored(key) => self.revoke_stored(operation, *key, owner, now),
            Probe::Signed(token) => self.revoke_signed(operation, token, owner, now),
        }
    }

    fn revoke_stored(
        &self,
        operation: &mut Operation,
        key: TokenKey,
        owner: Option<&ClientId>,
        now: UnixSeconds,
    ) -> Result<Revoked, StoreError> {
        match self.token(operation, key)? {
            Some(Kept::Live(record)) if record.expires_at > now => {
                if owner.is_some_and(|owner| *owner != record.client) {
                    return Ok(Revoked::NotYours);
                }
                operation.tokens.push((key, None));
                operation.ended.push(record.expires_at);
                Ok(Revoked::Revoked)
            }
            _ => Ok(Revoked::AlreadyDead),
        }
    }

    fn revoke_signed(
        &self,
        operation: &mut Operation,
        token: &SignedToken,
        owner: Option<&ClientId>,
        now: UnixSeconds,
    ) -> Result<Revoked, StoreError> {
        let spent = self.mark(operation, MarkKind::Spent, token.key)?;
        if token.expires_at <= now || spent.is_some() {
            return Ok(Revoked::AlreadyDead);
        }
        if owner.is_some_and(|owner| *owner != token.client) {
            return Ok(Revoked::NotYours);
        }
        operation
            .marks
            .push((MarkKind::Spent, token.key, token.expires_at));
        Ok(Revoked::Revoked)
    }

    pub(crate) fn use_assertion(
        &mut self,
        key: TokenKey,
        expires_at: UnixSeconds,
        now: UnixSeconds,
    ) -> Result<AssertionUse, StoreError> {
        let mut operation = Operation::default();
        let used = self.mark(&operation, MarkKind::Assertion, key)?;
        if used.is_some_and(|end| end > now) {
            return Ok(AssertionUse::Replayed);
        }
        operation.marks.push((MarkKind::Assertion, key, expires_at));
        self.take_over(operation);
        Ok(AssertionUse::Fresh)
    }

    /// Removes what a sweep found dead, except for what came back to life since: an assertion may
    /// be used anew once it expired, and must not be forgotten then.
    pub(crate) fn remove(&mut self, rows: Vec<DeadRow>, now: Now) -> Result<(), StoreError> {
        let current = self.index.generation;
        for row in rows {
            match row {
                DeadRow::Token(generation, key) if generation == current => {
                    self.changes.tokens.insert(key, None);
                }
                DeadRow::LostToken(generation, key) if generation == current => {
                    self.remove_lost(key, now.steady.to_seconds())?;
                }
                DeadRow::Mark(kind, generation, key) if generation == kind.generation(current) => {
                    let end = self.mark(&Operation::default(), kind, key)?;
                    if end.is_some_and(|end| kind.is_over(end, now)) {
                        self.changes.marks.insert((kind, key), None);
                    }
                }
                leftover => self.changes.leftovers.push(leftover),
            }
        }
        Ok(())
    }

    fn remove_lost(&mut self, key: TokenKey, now: UnixSeconds) -> Result<(), StoreError> {
        let mut operation = Operation::default();
        if let Some(Kept::Live(record)) = self.token(&operation, key)?
            && record.expires_at > now
            && self.index.is_lost(&record)
        {
            operation.tokens.push((key, None));
            operation.ended.push(record.expires_at);
        }
        self.take_over(operation);
        Ok(())
    }

    fn counts(&self, record: &TokenRecord, now: UnixSeconds) -> bool {
        let client = self
            .index
            .standing_client(record.client.as_str(), record.epoch);
        record.expires_at > now
            && client.is_some()
            && !self.index.is_cut(&record.subject, record.issued_at)
    }

    fn token(&self, operation: &Operation, key: TokenKey) -> Result<Option<Kept>, StoreError> {
        if let Some((_, kept)) = operation.tokens.iter().rev().find(|(own, _)| *own == key) {
            return Ok(kept.clone());
        }
        if let Some(kept) = self.changes.tokens.get(&key) {
            return Ok(kept.clone());
        }
        let client = |id: &str| self.index.client(id).cloned();
        let decode = |row: &[u8]| token_row::decode(TokenRow::reread(row)?, client);
        if let Lookup::Found(kept) = self.engine.rows.look_up(key, decode) {
            return Ok(Some(kept?));
        }
        let row_key = keys::token(self.index.generation, key);
        match Newest
            .get(&self.engine.tokens, &row_key)
            .map_err(store_error)?
        {
            None => Ok(None),
            Some(row) => Ok(Some(token_row::decode(
                TokenRow::read(&row_key, &row)?,
                client,
            )?)),
        }
    }

    fn mark(
        &self,
        operation: &Operation,
        kind: MarkKind,
        key: TokenKey,
    ) -> Result<Option<UnixSeconds>, StoreError> {
        let own = |(own_kind, own_key, _): &&(MarkKind, TokenKey, UnixSeconds)| {
            *own_kind == kind && *own_key == key
        };
        if let Some((_, _, end)) = operation.marks.iter().find(own) {
            return Ok(Some(*end));
        }
        if let Some(end) = self.changes.marks.get(&(kind, key)) {
            return Ok(*end);
        }
        self.engine.mark(&Newest, kind, self.index.generation, key)
    }

    fn take_over(&mut self, operation: Operation) {
        self.changes.tokens.extend(operation.tokens);
        let marks = operation.marks.into_iter();
        let marks = marks.map(|(kind, key, end)| ((kind, key), Some(end)));
        self.changes.marks.extend(marks);
        for expires_at in operation.ended {
            self.count(expires_at, -1);
        }
    }

    fn count(&mut self, second: UnixSeconds, by: i64) {
        let count = self.counts.expiring(second);
        self.changes.counts.insert(second);
        self.counts.set(second, count.saturating_add_signed(by));
    }
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.records() == 0
    }

    /// How many records change.
    pub(crate) fn records(&self) -> usize {
        self.tokens.len() + self.marks.len() + self.leftovers.len()
    }

    /// Writes them to `batch`. `counts` are the counters after the last operation.
    pub(crate) fn write(
        &self,
        engine: &Engine,
        index: &Index,
        counts: &ActiveCounts,
        batch: &mut OwnedWriteBatch,
    ) {
        // No key twice: within a batch the engine knows no order.
        for row in &self.leftovers {
            match row {
                DeadRow::Token(generation, key) | DeadRow::LostToken(generation, key) => {
                    batch.remove(&engine.tokens, keys::token(*generation, *key));
                }
                DeadRow::Mark(kind, generation, key) => {
                    batch.remove(&engine.marks, keys::mark(*kind, *generation, *key));
                }
            }
        }
        for (key, kept) in &self.tokens {
            let row_key = keys::token(index.generation, *key);
            match kept {
                Some(kept) => {
                    let row = token_row::encode(&row_key, kept);
                    batch.insert(&engine.tokens, row_key, row);
                }
                None => batch.remove(&engine.tokens, row_key),
            }
        }
        for ((kind, key), end) in &self.marks {
            let row_key = keys::mark(*kind, kind.generation(index.generation), *key);
            match end {
                Some(end) => {
                    let row = codec::number_row(&row_key, end.0);
                    batch.insert(&engine.marks, row_key, row);
                }
                None => batch.remove(&engine.marks, row_key),
            }
        }
        for second in &self.counts {
            let row_key = keys::count(*second);
            match counts.expiring(*second) {
                0 => batch.remove(&engine.meta, row_key),
                count => batch.insert(&engine.meta, row_key, codec::number_row(&row_key, count)),
            }
        }
    }

    /// The tokens that the commit ends.
    pub(crate) fn ended(&self) -> Vec<TokenKey> {
        let consumed_or_removed = |kept: &Option<Kept>| !matches!(kept, Some(Kept::Live(_)));
        let stored = self
            .tokens
            .iter()
            .filter(|(_, kept)| consumed_or_removed(kept));
        let spent = self
            .marks
            .keys()
            .filter(|(kind, _)| *kind == MarkKind::Spent);
        stored
            .map(|(key, _)| *key)
            .chain(spent.map(|(_, key)| *key))
            .collect()
    }

    /// Puts the rows of the commit in the place of those before.
    pub(crate) fn publish_rows(&self, index: &Index, rows: &RowCache) {
        for (key, kept) in &self.tokens {
            match kept {
                Some(kept @ Kept::Live(_)) => {
                    let row_key = keys::token(index.generation, *key);
                    rows.put(*key, &token_row::encode(&row_key, kept));
                }
                _ => rows.remove(*key),
            }
        }
    }

    /// Shows readers the counters as they are after the commit.
    pub(crate) fn publish_counts(&self, from: &ActiveCounts, to: &mut ActiveCounts) {
        for second in &self.counts {
            to.set(*second, from.expiring(*second));
        }
    }
}
