//! Writing an audit log: a bounded queue, and one thread that appends and syncs in batches.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use anyhow::Context as _;
use tollgate_api::audit::{AuditEvent, AuditSink, AuditUnavailable};

use super::{
    chain::{LineHash, append},
    file,
};

/// Lines that wait for the disk; past it whatever they speak of is refused before it is done.
const QUEUE_MAX: usize = 8192;
/// The most deeds of one sync.
const BATCH_MAX: usize = 4096;

/// An open audit log.
///
/// Events are taken without waiting for the disk and reach it within one sync. It fails closed:
/// when the queue is full or the disk has failed once, nothing is let begin, and the callers refuse
/// what they were asked for.
pub(crate) struct AuditLog {
    queue: SyncSender<Message>,
    has_failed: Arc<AtomicBool>,
    /// How many lines wait.
    queued: Arc<AtomicUsize>,
}

/// The thread that writes; joined at the end, so that nothing taken is lost.
pub(crate) struct Writer(SyncSender<Message>, JoinHandle<()>);

enum Message {
    /// The lines of one deed, in order.
    Events(Lines),
    /// The file was moved away: begin the next one, with this event.
    Reopen(String),
    Close,
}

/// Events on their way to the disk.
enum Lines {
    /// The usual case, without a list.
    One(String),
    Several(Vec<String>),
}

impl AuditLog {
    /// Opens the log at `path` and goes on where it ends; see [`file::open`]. At most `deeds_max`
    /// are under way at any time.
    ///
    /// # Errors
    ///
    /// When the file cannot be gone on with.
    pub(crate) fn open(path: &Path, deeds_max: usize) -> anyhow::Result<(Self, Writer)> {
        let (file, last) = file::open(path)?;
        // Whoever found room in the queue before a deed finds room after it, too: so many more may
        // come, each as one message.
        let (queue, messages) = sync_channel(QUEUE_MAX.saturating_add(deeds_max));
        let has_failed = Arc::new(AtomicBool::new(false));
        let queued = Arc::<AtomicUsize>::default();
        let appender = Appender {
            path: path.to_owned(),
            file,
            last,
            lines: String::new(),
            has_failed: Arc::clone(&has_failed),
            queued: Arc::clone(&queued),
        };
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || appender.run(&messages))
            .context("failed to start the audit thread")?;
        let log = Self {
            queue: queue.clone(),
            has_failed,
            queued,
        };
        Ok((log, Writer(queue, thread)))
    }

    /// Whether the disk took everything so far.
    pub(crate) fn is_writable(&self) -> bool {
        !self.has_failed.load(Ordering::Acquire)
    }

    /// Goes on in a new file if the present one was moved away; `event` is its first line, which
    /// carries the chain on.
    pub(crate) fn reopen(&self, event: &AuditEvent<'_>) {
        let sent = serde_json::to_string(event)
            .map_err(|_| AuditUnavailable)
            .and_then(|event| self.send(Message::Reopen(event)));
        if sent.is_err() {
            tracing::error!("kept the audit log: it is too busy to begin a new one");
        }
    }

    fn send(&self, message: Message) -> Result<(), AuditUnavailable> {
        self.queue.try_send(message).map_err(|_| AuditUnavailable)
    }
}

impl AuditSink for AuditLog {
    fn is_enabled(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), AuditUnavailable> {
        if self.is_writable() && self.queued.load(Ordering::Relaxed) < QUEUE_MAX {
            Ok(())
        } else {
            Err(AuditUnavailable)
        }
    }

    fn record(&self, events: &[AuditEvent<'_>]) -> Result<(), AuditUnavailable> {
        if !self.is_writable() {
            return Err(AuditUnavailable);
        }
        let line = |event| serde_json::to_string(event).map_err(|_| AuditUnavailable);
        let lines = match events {
            [] => return Ok(()),
            [one] => Lines::One(line(one)?),
            several => Lines::Several(several.iter().map(line).collect::<Result<_, _>>()?),
        };
        self.queued.fetch_add(events.len(), Ordering::Relaxed);
        self.send(Message::Events(lines)).inspect_err(|_| {
            self.queued.fetch_sub(events.len(), Ordering::Relaxed);
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

/// What the thread works on.
struct Appender {
    path: PathBuf,
    file: File,
    last: LineHash,
    /// What is to be written next.
    lines: String,
    has_failed: Arc<AtomicBool>,
    queued: Arc<AtomicUsize>,
}

impl Appender {
    fn run(mut self, messages: &Receiver<Message>) {
        let mut is_open = true;
        while is_open {
            let Ok(first) = messages.recv() else { return };
            let batch = std::iter::once(first).chain(messages.try_iter());
            for message in batch.take(BATCH_MAX) {
                match message {
                    Message::Events(lines) => self.take(&lines),
                    Message::Reopen(event) => {
                        self.write();
                        self.reopen(&event);
                    }
                    Message::Close => is_open = false,
                }
            }
            self.write();
        }
    }

    fn take(&mut self, lines: &Lines) {
        let lines = match lines {
            Lines::One(line) => std::slice::from_ref(line),
            Lines::Several(lines) => lines,
        };
        for line in lines {
            self.last = append(&mut self.lines, &self.last, line);
        }
        self.queued.fetch_sub(lines.len(), Ordering::Relaxed);
    }

    fn write(&mut self) {
        if !self.lines.is_empty() {
            self.write_lines();
        }
        self.lines.clear();
    }

    fn write_lines(&mut self) {
        // Once a write has failed nobody knows what the disk holds; a restart finds out.
        if !self.has_failed.load(Ordering::Acquire) {
            let written = self.file.write_all(self.lines.as_bytes());
            let Err(error) = written.and_then(|()| self.file.sync_data()) else {
                return;
            };
            tracing::error!(%error, "the audit log cannot be written; refusing what needs it");
            self.has_failed.store(true, Ordering::Release);
        }
        // Of what had been let begin before, and is done.
        let lines = self.lines.lines().count();
        tracing::error!(lines, "lines are missing from the audit log");
    }

    /// Goes on in the file that is at the path now, with `event` as its first line; with the old
    /// one when there is no other, or it cannot be had.
    fn reopen(&mut self, event: &str) {
        match file::next(&self.path, &self.file) {
            Ok(None) => {}
            Ok(Some(file)) => {
                self.file = file;
                self.last = append(&mut self.lines, &self.last, event);
                self.write();
                tracing::info!(path = %self.path.display(), "began a new audit log");
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "kept the old audit log");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tollgate_protocol::UnixMillis;

    use super::*;

    const BATCH: usize = 100;

    /// A disk that stalls lets nothing more begin, but loses nothing of what was let begin before.
    #[test]
    fn there_is_room_for_every_deed_under_way() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let deeds_max = 50;
        // Nobody reads yet, so the thread soon waits for ever.
        let (log, writer) = AuditLog::open(&path, deeds_max).unwrap();
        let event = AuditEvent::new(UnixMillis(0), "token.revoked");
        let mut lines = 0_usize;
        // It may take one batch of what waits before it stalls.
        while lines < QUEUE_MAX + BATCH_MAX && log.check().is_ok() {
            log.record(std::slice::from_ref(&event)).unwrap();
            lines += 1;
        }
        let batch = vec![event; BATCH];
        for deed in 0..deeds_max {
            assert_eq!(log.record(&batch), Ok(()), "deed {deed}");
        }

        // A pipe cannot be synced, so what follows the first batch goes nowhere; but it is taken.
        let mut pipe = OpenOptions::new().read(true).open(&path).unwrap();
        let reader = std::thread::spawn(move || std::io::copy(&mut pipe, &mut std::io::sink()));
        writer.close();
        assert!(reader.join().unwrap().unwrap() > 0);
        assert_eq!(log.queued.load(Ordering::Relaxed), 0);
    }
}
