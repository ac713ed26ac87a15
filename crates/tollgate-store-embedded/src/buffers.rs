//! When the engine's buffers of recent writes are sealed, to be written out as tables.
//!
//! Left to itself the engine asks its worker to seal a full buffer with every further write, through a
//! bounded queue that the worker also fills: kept from it by a long compaction it finds the queue full
//! and then waits for room that only itself could make. It also holds back a writer by sleeping. So the
//! engine's own threshold is out of reach, and the writing thread seals, once for each buffer.

use std::{
    thread,
    time::{Duration, Instant},
};

use fjall::{AbstractTree, Keyspace};

/// Sealed buffers that may wait to be written out; a further one goes on growing instead.
const SEALED_MAX: usize = 2;
/// How far a buffer may outgrow its size, in times of it, before writes are held back.
const OVERGROWN: u64 = 4;
/// How often it is seen after whether the worker has caught up.
const LOOK: Duration = Duration::from_millis(1);
/// The longest that one commit is held back. A worker that died is found out by the next commit.
const HOLD_MAX: Duration = Duration::from_secs(1);

/// The buffer of one keyspace.
pub(crate) struct Buffer {
    keyspace: Keyspace,
    /// From how many bytes on it is sealed.
    bytes: u64,
}

impl Buffer {
    pub(crate) fn new(keyspace: &Keyspace, bytes: u64) -> Self {
        Self {
            keyspace: keyspace.clone(),
            bytes,
        }
    }

    /// Seals the buffer if it is full. Holds the caller back while it is far too full.
    ///
    /// # Errors
    ///
    /// When the engine does not take writes any more.
    pub(crate) fn relieve(&self) -> Result<(), fjall::Error> {
        if self.size() < self.bytes {
            return Ok(());
        }
        if self.is_overgrown() {
            let begun = Instant::now();
            while !self.may_seal() && begun.elapsed() < HOLD_MAX {
                thread::sleep(LOOK);
            }
        }
        if self.may_seal() {
            self.keyspace.rotate_memtable()?;
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.keyspace.tree.active_memtable().size()
    }

    fn is_overgrown(&self) -> bool {
        self.size() >= self.bytes.saturating_mul(OVERGROWN)
    }

    fn may_seal(&self) -> bool {
        self.keyspace.sealed_memtable_count() < SEALED_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fjall::{Database, KeyspaceCreateOptions};

    const BYTES: u64 = 64 << 10;

    fn open(directory: &std::path::Path) -> (Database, Keyspace) {
        let database = Database::builder(directory).worker_threads(1).open();
        let database = database.unwrap();
        let options = || KeyspaceCreateOptions::default().max_memtable_size(u64::MAX);
        let keyspace = database.keyspace("rows", options).unwrap();
        (database, keyspace)
    }

    fn write(database: &Database, keyspace: &Keyspace, number: u64) {
        let mut batch = database.batch();
        // Spread over all keys, so that every compaction has everything to merge.
        let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        batch.insert(keyspace, key, [7; 100]);
        batch.commit().unwrap();
    }

    #[test]
    fn a_small_buffer_is_left_alone_and_a_full_one_is_written_out() {
        let directory = tempfile::tempdir().unwrap();
        let (database, keyspace) = open(directory.path());
        let buffer = Buffer::new(&keyspace, BYTES);
        write(&database, &keyspace, 0);
        buffer.relieve().unwrap();
        assert_eq!(keyspace.tree.active_memtable().len(), 1);
        let mut number = 1;
        while buffer.size() < BYTES {
            write(&database, &keyspace, number);
            number += 1;
        }
        buffer.relieve().unwrap();
        assert_eq!(keyspace.tree.active_memtable().len(), 0);
    }

    #[test]
    fn writers_are_held_back_rather_than_memory_filled() {
        let directory = tempfile::tempdir().unwrap();
        let (database, keyspace) = open(directory.path());
        let buffer = Buffer::new(&keyspace, BYTES);
        for number in 0..100_000 {
            write(&database, &keyspace, number);
            buffer.relieve().unwrap();
            assert!(buffer.size() <= BYTES * (OVERGROWN + 1), "{number}");
        }
        assert!(keyspace.tree.sealed_memtable_count() <= SEALED_MAX);
        drop(buffer);
        assert_eq!(keyspace.len().unwrap(), 100_000);
    }
}
