//! The thread that writes: groups what waits, commits, publishes, answers.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use fjall::{OwnedWriteBatch, PersistMode};
use tollgate_store::StoreError;

use crate::{
    active::ActiveCounts,
    admin::Office,
    buffers::Buffer,
    codec,
    engine::Engine,
    group::{Changes, Group},
    index::IndexChange,
    keys, open,
    reply::Wakes,
    request::{Administration, Answer, Request},
};

/// Everything that the thread owns.
pub(crate) struct Writer {
    pub(crate) engine: Arc<Engine>,
    pub(crate) queue: Receiver<Request>,
    pub(crate) buffers: [Buffer; 3],
    /// The counters as of the last operation evaluated; what readers see follows the commit.
    pub(crate) counts: ActiveCounts,
    /// The number of the last commit.
    pub(crate) tick: u64,
    pub(crate) records_max: usize,
    pub(crate) linger: Duration,
    /// Where a clean close is noted.
    pub(crate) clean_path: PathBuf,
}

/// What ends a group.
enum Then {
    GoOn,
    Administer(Box<Administration>),
    Close(crate::request::Reply<()>),
    Stop,
}

impl Writer {
    /// Serves the queue until it is closed.
    pub(crate) fn run(mut self) {
        let _stopped = StoppedOnPanic(Arc::clone(&self.engine));
        let mut operations = Vec::new();
        loop {
            let then = self.collect(&mut operations);
            self.commit_group(&mut operations);
            self.relieve_buffers();
            match then {
                Then::GoOn => {}
                Then::Administer(administration) => self.administer(*administration),
                Then::Close(reply) => {
                    let closed = self.close();
                    reply.send(closed);
                    return;
                }
                Then::Stop => {
                    if let Err(error) = self.close() {
                        tracing::error!(%error, "the last sync failed");
                    }
                    return;
                }
            }
        }
    }

    /// Waits for an operation, then takes what is there.
    fn collect(&self, operations: &mut Vec<Request>) -> Then {
        let mut deadline = None;
        let mut records = 0;
        while records < self.records_max {
            let request = match deadline {
                None => self
                    .queue
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => self.receive_until(deadline),
            };
            let request = match request {
                Ok(request) => request,
                Err(RecvTimeoutError::Timeout) => return Then::GoOn,
                Err(RecvTimeoutError::Disconnected) => return Then::Stop,
            };
            self.engine.stats.dequeued();
            match request {
                Request::Administer(administration) => return Then::Administer(administration),
                Request::Close { reply } => return Then::Close(reply),
                operation => {
                    records += operation.records();
                    operations.push(operation);
                }
            }
            deadline.get_or_insert_with(|| Instant::now() + self.linger);
        }
        Then::GoOn
    }

    fn receive_until(&self, deadline: Instant) -> Result<Request, RecvTimeoutError> {
        match self.queue.try_recv() {
            Ok(request) => Ok(request),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            Err(std::sync::mpsc::TryRecvError::Empty) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(RecvTimeoutError::Timeout);
                }
                self.queue.recv_timeout(left)
            }
        }
    }

    fn commit_group(&mut self, operations: &mut Vec<Request>) {
        if operations.is_empty() {
            return;
        }
        if let Some(error) = self.engine.stopped() {
            for operation in operations.drain(..) {
                operation.refuse(error.clone());
            }
            return;
        }
        let count = operations.len();
        let mut changes = Changes::default();
        let engine = Arc::clone(&self.engine);
        let answers = {
            let index = engine.index.read();
            let mut group = Group {
                engine: &engine,
                index: &index,
                counts: &mut self.counts,
                changes: &mut changes,
            };
            let evaluated = operations
                .drain(..)
                .filter_map(|operation| evaluate(&mut group, operation));
            evaluated.collect::<Vec<_>>()
        };
        let committed = if changes.is_empty() {
            Ok(())
        } else {
            self.commit(count, changes.records(), |batch, counts| {
                changes.write(&engine, &engine.index.read(), counts, batch);
            })
        };
        if committed.is_ok() {
            changes.publish_rows(&engine.index.read(), &engine.rows);
            changes.publish_counts(&self.counts, &mut engine.active.lock());
            engine.tell(&changes.ended());
        }
        let mut wakes = Wakes::default();
        for answer in answers {
            answer.send_among(&committed, &mut wakes);
        }
        wakes.wake();
    }

    fn administer(&mut self, administration: Administration) {
        if let Some(error) = self.engine.stopped() {
            Request::Administer(Box::new(administration)).refuse(error);
            return;
        }
        let engine = Arc::clone(&self.engine);
        let mut rows = engine.database.batch();
        let decision = {
            let index = engine.index.read();
            let mut office = Office {
                engine: &engine,
                index: &index,
                counts: &self.counts,
                batch: &mut rows,
            };
            office.decide(administration)
        };
        let Some(decision) = decision else { return };
        let committed = match decision.change {
            None => Ok(()),
            Some(change) => {
                let records = rows.len();
                let committed = self.commit_batch(1, records, rows);
                if committed.is_ok() {
                    self.publish(change, decision.counts);
                }
                committed
            }
        };
        decision.answer.send(&committed);
    }

    fn publish(&mut self, change: IndexChange, counts: Option<ActiveCounts>) {
        let replaced = matches!(change, IndexChange::Everything(_));
        let mut index = self.engine.index.write();
        index.apply(change);
        if replaced {
            // While no reader has the old generation in hand.
            self.engine.rows.clear();
        }
        drop(index);
        if let Some(counts) = counts {
            self.engine.active.lock().clone_from(&counts);
            self.counts = counts;
        }
    }

    fn commit(
        &mut self,
        operations: usize,
        records: usize,
        write: impl FnOnce(&mut OwnedWriteBatch, &ActiveCounts),
    ) -> Result<(), StoreError> {
        let mut batch =
            OwnedWriteBatch::with_capacity(self.engine.database.clone(), records.saturating_add(8));
        write(&mut batch, &self.counts);
        self.commit_batch(operations, records, batch)
    }

    /// Makes `batch` durable, then visible. Once that failed, nothing is written any more.
    fn commit_batch(
        &mut self,
        operations: usize,
        records: usize,
        mut batch: OwnedWriteBatch,
    ) -> Result<(), StoreError> {
        let begun = Instant::now();
        let tick = self.tick.saturating_add(1);
        batch.insert(
            &self.engine.meta,
            keys::TICK,
            codec::tick_row(tick, self.engine.database.seqno()),
        );
        // The engine applies a batch to its memory after it is synced, so that readers and later
        // groups never see what may not last.
        let batch = batch.durability(Some(self.engine.persist_mode()));
        match batch.commit() {
            Ok(()) => {
                self.tick = tick;
                self.engine
                    .stats
                    .committed(operations, records, begun.elapsed());
                Ok(())
            }
            Err(error) => Err(self.stop(&error)),
        }
    }

    /// After the answers, which need not wait for it.
    fn relieve_buffers(&self) {
        if let Err(error) = self.buffers.iter().try_for_each(Buffer::relieve) {
            self.stop(&error);
        }
    }

    fn stop(&self, error: &fjall::Error) -> StoreError {
        let reason = self.engine.failure.get_or_init(|| {
            tracing::error!(%error, "a commit failed; the store takes no more writes");
            error.to_string()
        });
        StoreError::WriteFailed(reason.clone())
    }

    fn close(&self) -> Result<(), StoreError> {
        if let Some(error) = self.engine.stopped() {
            return Err(error);
        }
        let synced = self.engine.database.persist(PersistMode::SyncAll);
        synced.map_err(|error| self.stop(&error))?;
        if let Err(error) = open::write_clean(&self.clean_path, self.tick) {
            // The next start reads the journal with more suspicion; nothing is lost.
            tracing::warn!(%error, "the clean close was not noted");
        }
        Ok(())
    }
}

/// Evaluates one operation; one that fails is answered at once and changes nothing.
fn evaluate(group: &mut Group<'_>, operation: Request) -> Option<Answer> {
    macro_rules! answer {
        ($variant:ident, $reply:ident, $outcome:expr) => {
            match $outcome {
                Ok(outcome) => Some(Answer::$variant($reply, outcome)),
                Err(error) => {
                    group.engine.stats.corrupt();
                    $reply.send(Err(error));
                    None
                }
            }
        };
    }
    match operation {
        Request::Insert {
            tokens,
            active_max,
            now,
            reply,
        } => {
            let outcome = group.insert(tokens, active_max, now);
            Some(Answer::Insert(reply, outcome))
        }
        Request::Redeem {
            redemptions,
            now,
            reply,
        } => {
            answer!(Redeem, reply, group.redeem(&redemptions, now))
        }
        Request::Revoke {
            revocations,
            now,
            reply,
        } => {
            answer!(Revoke, reply, group.revoke(&revocations, now))
        }
        Request::UseAssertion {
            assertion,
            expires_at,
            now,
            reply,
        } => {
            answer!(
                UseAssertion,
                reply,
                group.use_assertion(assertion, expires_at, now)
            )
        }
        Request::Remove { rows, now, reply } => match group.remove(rows, now) {
            Ok(()) => Some(Answer::Done(reply)),
            Err(error) => {
                reply.send(Err(error));
                None
            }
        },
        Request::Administer(_) | Request::Close { .. } => None,
    }
}

/// Says that nothing is written any more, should the thread die.
struct StoppedOnPanic(Arc<Engine>);

impl Drop for StoppedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = || "the writing thread died".to_owned();
            self.0.failure.get_or_init(reason);
        }
    }
}
