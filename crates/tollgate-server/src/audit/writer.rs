//! Writing an audit log: a bounded queue, and one thread that appends and syncs in batches.

use std::{
    fs::{File, OpenOptions},
    io::{BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use anyhow::{Context as _, bail};
use tollgate_api::audit::{AuditEvent, AuditSink, AuditUnavailable};

use super::{
    chain::{Break, LineHash, append},
    verify::{Chain, Next},
};

/// Events that wait for the disk; past it whatever they speak of is refused.
const QUEUE_MAX: usize = 16_384;
/// The most events of one sync.
const BATCH_MAX: usize = 4096;

/// An open audit log.
///
/// Events are taken without waiting for the disk and reach it within one sync. It fails closed:
/// when the queue is full or the disk has failed once, nothing is taken, and the callers refuse
/// what they were asked for.
pub(crate) struct AuditLog {
    queue: SyncSender<Message>,
    has_failed: Arc<AtomicBool>,
    /// How many wait; half of the queue is kept for what was let begin.
    queued: Arc<AtomicUsize>,
}

/// The thread that writes; joined at the end, so that nothing taken is lost.
pub(crate) struct Writer(SyncSender<Message>, JoinHandle<()>);

enum Message {
    Event(String),
    Close,
}

impl AuditLog {
    /// Opens the log at `path` and goes on where it ends.
    ///
    /// A last line that the death of a server cut off is removed; it was never whole.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or its chain is broken: nobody should write on as if
    /// nothing had happened.
    pub(crate) fn open(path: &Path) -> anyhow::Result<(Self, Writer)> {
        let name = path.display();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("failed to open {name}"))?;
        let last = resume(&mut file).with_context(|| format!("failed to go on with {name}"))?;
        let (queue, events) = sync_channel(QUEUE_MAX);
        let has_failed = Arc::new(AtomicBool::new(false));
        let failed = Arc::clone(&has_failed);
        let queued = Arc::<AtomicUsize>::default();
        let waiting = Arc::clone(&queued);
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write(file, last, &events, (&failed, &waiting)))
            .context("failed to start the audit thread")?;
        Ok((
            Self {
                queue: queue.clone(),
                has_failed,
                queued,
            },
            Writer(queue, thread),
        ))
    }
}

impl AuditLog {
    /// Whether the disk took everything so far.
    pub(crate) fn is_writable(&self) -> bool {
        !self.has_failed.load(Ordering::Acquire)
    }
}

impl AuditSink for AuditLog {
    fn is_enabled(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), AuditUnavailable> {
        if self.is_writable() && self.queued.load(Ordering::Relaxed) < QUEUE_MAX / 2 {
            Ok(())
        } else {
            Err(AuditUnavailable)
        }
    }

    fn record(&self, event: &AuditEvent<'_>) -> Result<(), AuditUnavailable> {
        if !self.is_writable() {
            return Err(AuditUnavailable);
        }
        let line = serde_json::to_string(event).map_err(|_| AuditUnavailable)?;
        self.queued.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send(Message::Event(line)).map_err(|_| {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            AuditUnavailable
        })
    }
}

impl Writer {
    /// Writes what is left and waits for it.
    pub(crate) fn close(self) {
        let Self(queue, thread) = self;
        if queue.send(Message::Close).is_ok() && thread.join().is_err() {
            tracing::error!("the audit thread panicked");
        }
    }
}

/// Checks the whole chain and cuts off a torn last line; returns the hash to go on from.
fn resume(file: &mut File) -> anyhow::Result<LineHash> {
    let mut chain = Chain::new();
    // A device has no past to go on from, and may never end.
    let length = file.metadata()?.len();
    let mut reader = BufReader::new((&*file).take(length));
    loop {
        match chain.next(&mut reader)? {
            Next::Line => {}
            Next::End => return Ok(chain.last),
            Next::Broken(Break::Truncated) => break,
            Next::Broken(why) => bail!(
                "line {} is broken: {why}; move the file away to begin a new one",
                chain.lines + 1
            ),
        }
    }
    file.set_len(chain.bytes)?;
    file.seek(SeekFrom::End(0))?;
    file.sync_all()?;
    tracing::warn!(
        line = chain.lines + 1,
        "removed the torn last line of the audit log"
    );
    Ok(chain.last)
}

fn write(
    mut file: File,
    mut last: LineHash,
    events: &Receiver<Message>,
    (failed, queued): (&AtomicBool, &AtomicUsize),
) {
    let mut lines = String::new();
    let mut is_open = true;
    while is_open {
        let Ok(first) = events.recv() else { return };
        lines.clear();
        for message in std::iter::once(first)
            .chain(events.try_iter())
            .take(BATCH_MAX)
        {
            match message {
                Message::Event(event) => {
                    queued.fetch_sub(1, Ordering::Relaxed);
                    last = append(&mut lines, &last, &event);
                }
                Message::Close => is_open = false,
            }
        }
        // Once a write has failed nobody knows what the disk holds; a restart finds out.
        if failed.load(Ordering::Acquire) {
            continue;
        }
        if let Err(error) = file
            .write_all(lines.as_bytes())
            .and_then(|()| file.sync_data())
        {
            tracing::error!(%error, "the audit log cannot be written; refusing what needs it");
            failed.store(true, Ordering::Release);
        }
    }
}
