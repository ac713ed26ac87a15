//! The LSM tree and what stands before it in memory, as readers see it: only what is durable.

use std::sync::{Arc, OnceLock};

use fjall::{Database, Keyspace, PersistMode, Readable, Snapshot, UserValue};
use parking_lot::{Mutex, RwLock};
use tollgate_protocol::UnixSeconds;
use tollgate_store::{Health, Probe, SignedToken, Standing, StoreError, TokenKey, Watcher};

use crate::{
    active::ActiveCounts,
    codec::{self, Damaged},
    config::Durability,
    index::Index,
    keys::{self, Generation, MarkKind},
    row_cache::{Lookup, RowCache},
    stats::Stats,
    token_row::TokenRow,
};

/// The parts that readers and the writer share.
pub(crate) struct Engine {
    pub(crate) database: Database,
    /// Opaque tokens, and marks of consumed ones.
    pub(crate) tokens: Keyspace,
    /// Revoked signed tokens and used assertions.
    pub(crate) marks: Keyspace,
    /// Clients, cuts, the key ring and the counters.
    pub(crate) meta: Keyspace,
    pub(crate) index: RwLock<Index>,
    /// Rows of live tokens, as durable as what is in `tokens`.
    pub(crate) rows: RowCache,
    pub(crate) active: Mutex<ActiveCounts>,
    /// Why nothing is written any more.
    pub(crate) failure: OnceLock<String>,
    pub(crate) stats: Stats,
    /// Who is told of tokens that end.
    pub(crate) watcher: OnceLock<Watcher>,
    pub(crate) durability: Durability,
}

/// A point read, of the newest state or of a snapshot.
pub(crate) trait Read {
    fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<UserValue>, fjall::Error>;
}

/// Reads the newest state.
pub(crate) struct Newest;

impl Read for Newest {
    fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<UserValue>, fjall::Error> {
        keyspace.get(key)
    }
}

impl Read for Snapshot {
    fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<UserValue>, fjall::Error> {
        Readable::get(self, keyspace, key)
    }
}

impl Engine {
    /// Tells the watcher of tokens that ended.
    pub(crate) fn tell(&self, ended: &[TokenKey]) {
        if let Some(watcher) = self.watcher.get()
            && !ended.is_empty()
        {
            watcher(ended);
        }
    }

    /// The standing of each of `probes`, all at one moment.
    pub(crate) fn standing(
        &self,
        probes: &[Probe],
        now: UnixSeconds,
    ) -> Result<Vec<Standing>, StoreError> {
        let index = self.index.read();
        match probes {
            [Probe::Stored(key)] => return Ok(vec![self.standing_cached(&index, *key, now)?]),
            [probe] => return Ok(vec![self.standing_of(&Newest, &index, probe, now)?]),
            _ => {}
        }
        // One after the other the cache might answer from before and after a commit.
        let snapshot = self.database.snapshot();
        let standing = |probe| self.standing_of(&snapshot, &index, probe, now);
        probes.iter().map(standing).collect()
    }

    fn standing_of(
        &self,
        read: &impl Read,
        index: &Index,
        probe: &Probe,
        now: UnixSeconds,
    ) -> Result<Standing, StoreError> {
        match probe {
            Probe::Stored(key) => self.standing_of_stored(read, index, *key, now),
            Probe::Signed(token) => {
                let counts = self.signed_counts(read, index, token, now)?;
                Ok(if counts {
                    Standing::Signed
                } else {
                    Standing::Dead
                })
            }
        }
    }

    fn standing_of_stored(
        &self,
        read: &impl Read,
        index: &Index,
        key: TokenKey,
        now: UnixSeconds,
    ) -> Result<Standing, StoreError> {
        let row_key = keys::token(index.generation, key);
        match read.get(&self.tokens, &row_key).map_err(store_error)? {
            None => Ok(Standing::Dead),
            Some(row) => Ok(standing_of_row(
                index,
                TokenRow::read(&row_key, &row)?,
                now,
            )?),
        }
    }

    /// The standing of one stored token, from the cache where it is there.
    fn standing_cached(
        &self,
        index: &Index,
        key: TokenKey,
        now: UnixSeconds,
    ) -> Result<Standing, StoreError> {
        let standing = |row: &[u8]| standing_of_row(index, TokenRow::reread(row)?, now);
        let stamp = match self.rows.look_up(key, standing) {
            Lookup::Found(standing) => return Ok(standing?),
            Lookup::Missing(stamp) => stamp,
        };
        let row_key = keys::token(index.generation, key);
        let Some(row) = self.tokens.get(row_key).map_err(store_error)? else {
            return Ok(Standing::Dead);
        };
        let standing = standing_of_row(index, TokenRow::read(&row_key, &row)?, now)?;
        if standing != Standing::Dead {
            self.rows.keep(key, &row, stamp);
        }
        Ok(standing)
    }

    fn signed_counts(
        &self,
        read: &impl Read,
        index: &Index,
        token: &SignedToken,
        now: UnixSeconds,
    ) -> Result<bool, StoreError> {
        let may_count = token.expires_at > now
            && index
                .standing_client(token.client.as_str(), token.epoch)
                .is_some()
            && !index.is_cut(&token.subject, token.issued_at);
        // A mark is read only where there is nothing cheaper to say.
        Ok(may_count
            && self
                .mark(read, MarkKind::Spent, index.generation, token.key)?
                .is_none())
    }

    /// Until when a mark is kept, while `current` is the generation of the tokens.
    pub(crate) fn mark(
        &self,
        read: &impl Read,
        kind: MarkKind,
        current: Generation,
        key: TokenKey,
    ) -> Result<Option<UnixSeconds>, StoreError> {
        let row_key = keys::mark(kind, kind.generation(current), key);
        match read.get(&self.marks, &row_key).map_err(store_error)? {
            None => Ok(None),
            Some(row) => Ok(Some(UnixSeconds(codec::read_number_row(&row_key, &row)?))),
        }
    }

    /// What a write fails with once one failed.
    pub(crate) fn stopped(&self) -> Option<StoreError> {
        let reason = self.failure.get()?;
        Some(StoreError::WriteFailed(reason.clone()))
    }

    pub(crate) fn health(&self) -> Health {
        if let Err(error) = self.meta.get(keys::FORMAT) {
            return Health::Down(store_error(error).to_string());
        }
        match self.failure.get() {
            Some(reason) => Health::ReadOnly(reason.clone()),
            None => Health::Ok,
        }
    }

    pub(crate) const fn persist_mode(&self) -> PersistMode {
        match self.durability {
            Durability::Sync => PersistMode::SyncData,
            Durability::Memory => PersistMode::Buffer,
        }
    }
}

fn standing_of_row(
    index: &Index,
    row: TokenRow<'_>,
    now: UnixSeconds,
) -> Result<Standing, Damaged> {
    let Some(live) = row.live.filter(|_| row.expires_at > now) else {
        return Ok(Standing::Dead);
    };
    let Some(client) = index.standing_client(live.client, live.epoch) else {
        return Ok(Standing::Dead);
    };
    let record = live.record(Some(client))?;
    if index.is_cut(&record.subject, record.issued_at) {
        return Ok(Standing::Dead);
    }
    Ok(Standing::Stored(Arc::new(record)))
}

/// What an error of the engine means to those who read.
#[expect(clippy::needless_pass_by_value, reason = "an adapter for map_err")]
pub(crate) fn store_error(error: fjall::Error) -> StoreError {
    if is_corruption(&error) {
        StoreError::Corrupt(error.to_string())
    } else {
        StoreError::Unavailable(error.to_string())
    }
}

/// Whether an error says that the disk gave back something else than what was written.
pub(crate) fn is_corruption(error: &fjall::Error) -> bool {
    !matches!(
        error,
        fjall::Error::Io(_)
            | fjall::Error::Storage(fjall::LsmError::Io(_))
            | fjall::Error::Locked
            | fjall::Error::Poisoned
            | fjall::Error::KeyspaceDeleted
    )
}
