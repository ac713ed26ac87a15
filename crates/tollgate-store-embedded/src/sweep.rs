//! Removes what has expired or is lost, a bounded piece at a time, so that writers wait for no more than one
//! such piece. Never on an async thread.

use std::ops::Bound;

use tollgate_protocol::{Now, UnixSeconds};
use tollgate_store::{StoreError, SweepOutcome};

use crate::{
    codec,
    engine::Engine,
    keys, reply,
    request::{Administration, DeadRow, Request},
    scan,
    store::Queue,
    token_row::TokenRow,
};

/// How many rows one request to the writer removes.
const REMOVED_AT_ONCE: usize = 256;

/// Where a sweep is.
#[derive(Clone, Debug)]
pub(crate) enum Position {
    Tokens(Bound<Vec<u8>>),
    Marks(Bound<Vec<u8>>),
}

impl Default for Position {
    fn default() -> Self {
        Self::Tokens(Bound::Unbounded)
    }
}

/// One sweep, going on where the last one stopped.
pub(crate) struct Sweep<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) queue: &'a Queue,
    pub(crate) position: &'a mut Position,
    pub(crate) now: Now,
}

/// A row that is dead: of an older generation, expired, or lost.
struct Found {
    row_key: Vec<u8>,
    row: DeadRow,
    leftover: bool,
}

impl Sweep<'_> {
    /// Removes up to `limit` rows.
    pub(crate) fn run(&mut self, limit: usize) -> Result<SweepOutcome, StoreError> {
        let mut outcome = SweepOutcome::default();
        let mut left = limit;
        while left > 0 {
            let (found, next) = self.look()?;
            let all = found.len();
            let mut found = found;
            found.truncate(left);
            for part in found.chunks(REMOVED_AT_ONCE) {
                self.remove(part)?;
            }
            left = left.saturating_sub(found.len());
            outcome.removed += found.iter().filter(|found| !found.leftover).count();
            if found.len() < all {
                if let Some(last) = found.pop() {
                    *self.position = self.position.at(Bound::Excluded(last.row_key));
                }
                return Ok(outcome);
            }
            match (next, &*self.position) {
                (Some(key), position) => *self.position = position.at(Bound::Excluded(key)),
                (None, Position::Tokens(_)) => *self.position = Position::Marks(Bound::Unbounded),
                (None, Position::Marks(_)) => {
                    let cuts = self.forget(left)?;
                    outcome.removed += cuts;
                    outcome.finished = cuts < left;
                    if outcome.finished {
                        *self.position = Position::default();
                    }
                    return Ok(outcome);
                }
            }
        }
        Ok(outcome)
    }

    /// The dead rows of the next piece, and where the piece after it begins.
    fn look(&self) -> Result<(Vec<Found>, Option<Vec<u8>>), StoreError> {
        let generation = self.engine.index.read().generation;
        let mut found = Vec::new();
        // A damaged row is counted and left: it must not keep what comes after it from going.
        let mut see = |dead: Result<Option<Found>, codec::Damaged>| {
            match dead {
                Ok(dead) => found.extend(dead),
                Err(codec::Damaged) => self.engine.stats.corrupt(),
            }
            Ok(())
        };
        let next = match &*self.position {
            Position::Tokens(from) => scan::piece(&self.engine.tokens, from, |row_key, row| {
                see(self.dead_token(generation, row_key, row))
            }),
            Position::Marks(from) => scan::piece(&self.engine.marks, from, |row_key, row| {
                see(self.dead_mark(generation, row_key, row))
            }),
        }?;
        Ok((found, next))
    }

    fn dead_token(
        &self,
        generation: keys::Generation,
        row_key: &[u8],
        row: &[u8],
    ) -> Result<Option<Found>, codec::Damaged> {
        let (own, key) = keys::parse_token(row_key).ok_or(codec::Damaged)?;
        let leftover = own < generation;
        let dead = if leftover {
            DeadRow::Token(own, key)
        } else {
            match TokenRow::read(row_key, row)? {
                row if row.expires_at <= self.now.steady.to_seconds() => DeadRow::Token(own, key),
                row if self.is_lost(row)? => DeadRow::LostToken(own, key),
                _ => return Ok(None),
            }
        };
        Ok(Some(Found {
            row_key: row_key.to_vec(),
            row: dead,
            leftover,
        }))
    }

    fn is_lost(&self, row: TokenRow<'_>) -> Result<bool, codec::Damaged> {
        let Some(live) = row.live else {
            return Ok(false);
        };
        let index = self.engine.index.read();
        match index.client(live.client) {
            // The rest of the row is read where it may matter alone.
            Some(client) if client.epoch == live.epoch && index.cuts.is_empty() => Ok(false),
            client => Ok(index.is_lost(&live.record(client.map(|client| &**client))?)),
        }
    }

    fn dead_mark(
        &self,
        generation: keys::Generation,
        row_key: &[u8],
        row: &[u8],
    ) -> Result<Option<Found>, codec::Damaged> {
        let (kind, own, key) = keys::parse_mark(row_key).ok_or(codec::Damaged)?;
        let leftover = own != kind.generation(generation);
        let is_dead = leftover || {
            let end = UnixSeconds(codec::read_number_row(row_key, row)?);
            kind.is_over(end, self.now)
        };
        let row = DeadRow::Mark(kind, own, key);
        Ok(is_dead.then(|| Found {
            row_key: row_key.to_vec(),
            row,
            leftover,
        }))
    }

    fn remove(&self, found: &[Found]) -> Result<(), StoreError> {
        let rows = found.iter().map(|found| found.row).collect();
        let (reply, answer) = reply::channel();
        let now = self.now;
        self.queue.send(Request::Remove { rows, now, reply })?;
        answer.wait().map_err(|_| self.queue.gone())?
    }

    fn forget(&self, limit: usize) -> Result<usize, StoreError> {
        let (reply, answer) = reply::channel();
        let forget = Administration::Forget(self.now.steady.to_seconds(), limit, reply);
        self.queue.send(Request::Administer(Box::new(forget)))?;
        answer.wait().map_err(|_| self.queue.gone())?
    }
}

impl Position {
    fn at(&self, key: Bound<Vec<u8>>) -> Self {
        match self {
            Self::Tokens(_) => Self::Tokens(key),
            Self::Marks(_) => Self::Marks(key),
        }
    }
}
