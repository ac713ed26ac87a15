//! Opens a directory: locks it, reads its journals over, starts the engine, loads the index.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, PersistMode,
    compaction::Leveled,
    config::{CompressionPolicy, PinningPolicy},
};
use parking_lot::{Mutex, RwLock};
use tollgate_protocol::UnixSeconds;
use tollgate_store::{ClientRecord, Cut};

use crate::{
    active::ActiveCounts,
    buffers::Buffer,
    codec::{self, Damaged, RowReader},
    config::{EmbeddedConfig, OpenError},
    engine::{Engine, is_corruption},
    index::{Index, IndexChange},
    journal,
    keys::{self, Generation},
    request::Request,
    row_cache::RowCache,
    stats::Stats,
    writer::Writer,
};

/// The format of what is on disk; it stands in the directory's name and in a row.
const FORMAT: u32 = 1;

/// An opened store, before its writer runs.
pub(crate) struct Opened {
    pub(crate) engine: Arc<Engine>,
    pub(crate) writer: Writer,
    pub(crate) sender: SyncSender<Request>,
    pub(crate) lock: DirectoryLock,
}

/// Keeps other processes out. The operating system takes it back when the process ends, however
/// that happens.
#[derive(Debug)]
pub(crate) struct DirectoryLock(File);

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing the file does not do: a child that was forked and has not yet become another
        // program shares it, and would keep the lock until it does.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the directory is unlocked when the process ends");
        }
    }
}

pub(crate) fn open(config: &EmbeddedConfig) -> Result<Opened, OpenError> {
    fs::create_dir_all(&config.path)?;
    let lock = lock(&config.path)?;
    refuse_other_formats(&config.path)?;
    let directory = config.path.join(format!("db-v{FORMAT}"));
    if !directory.try_exists()? {
        create(config, &directory)?;
    }
    let clean_path = config.path.join("db.clean");
    let clean = read_clean(&clean_path)?;
    let replay = journal::check(&directory, clean)?;
    let (database, keyspaces) = start(config, &directory)?;
    let loaded = Loaded::load(&keyspaces.meta)?;
    // The engine skips what it takes for older than its tables.
    let expected = [replay.tick, clean];
    if expected
        .into_iter()
        .flatten()
        .any(|tick| tick != loaded.tick)
    {
        return Err(OpenError::Corrupt(
            "the last commits are missing".to_owned(),
        ));
    }
    forget_clean(&clean_path)?;
    let engine = Arc::new(Engine {
        database,
        tokens: keyspaces.tokens,
        marks: keyspaces.marks,
        meta: keyspaces.meta,
        index: RwLock::new(loaded.index),
        active: Mutex::new(loaded.counts.clone()),
        failure: OnceLock::new(),
        rows: RowCache::new(config.cache_bytes - block_cache_bytes(config)),
        stats: Stats::default(),
        watcher: OnceLock::new(),
        durability: config.durability,
    });
    let (sender, queue) = sync_channel(config.queue_max.max(1));
    let buffer = |keyspace, share| Buffer::new(keyspace, config.write_buffer_bytes / share);
    let writer = Writer {
        buffers: [
            buffer(&engine.tokens, 1),
            buffer(&engine.marks, 2),
            buffer(&engine.meta, 4),
        ],
        engine: Arc::clone(&engine),
        queue,
        counts: loaded.counts,
        tick: loaded.tick,
        records_max: config.records_max.max(1),
        linger: config.linger,
        clean_path,
    };
    Ok(Opened {
        engine,
        writer,
        sender,
        lock,
    })
}

fn lock(path: &Path) -> Result<DirectoryLock, OpenError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join("db.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(DirectoryLock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn refuse_other_formats(path: &Path) -> Result<(), OpenError> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let found = name.to_str().and_then(|name| name.strip_prefix("db-v"));
        if let Some(found) = found.filter(|found| *found != FORMAT.to_string()) {
            return Err(OpenError::Format {
                path: path.to_owned(),
                found: found.to_owned(),
                expected: FORMAT,
            });
        }
    }
    Ok(())
}

/// Makes a new database beside its place and moves it there whole: a crash on the way leaves
/// nothing that is taken for a store.
fn create(config: &EmbeddedConfig, directory: &Path) -> Result<(), OpenError> {
    let unfinished = config.path.join("db.new");
    if unfinished.try_exists()? {
        fs::remove_dir_all(&unfinished)?;
    }
    {
        let (database, keyspaces) = start(config, &unfinished)?;
        let mut batch = database.batch();
        let row = codec::number_row(keys::FORMAT, u64::from(FORMAT));
        batch.insert(&keyspaces.meta, keys::FORMAT, row);
        let tick = codec::tick_row(0, database.seqno());
        batch.insert(&keyspaces.meta, keys::TICK, tick);
        batch
            .durability(Some(PersistMode::SyncAll))
            .commit()
            .map_err(|error| open_error(&error, &config.path))?;
    }
    fs::rename(&unfinished, directory)?;
    sync_directory(&config.path)?;
    Ok(())
}

pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Notes that the store was closed after commit number `tick` and has all of it on disk.
pub(crate) fn write_clean(path: &Path, tick: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&codec::number_row(keys::TICK, tick))?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// The number of the last commit, if the store was closed after it. A note that cannot be read is
/// none: the journal is then trusted less.
fn read_clean(path: &Path) -> io::Result<Option<u64>> {
    match fs::read(path) {
        Ok(row) => Ok(codec::read_number_row(keys::TICK, &row).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Before the first write the note must be gone for good.
fn forget_clean(path: &Path) -> io::Result<()> {
    if path.try_exists()? {
        fs::remove_file(path)?;
        path.parent().map_or(Ok(()), sync_directory)?;
    }
    Ok(())
}

/// How many tables are written out before they are merged with all the others, which rewrites
/// everything: keys are spread evenly. A look-up of what is not in memory asks the filter of each.
const RECENT_TABLES: u8 = 8;

/// The engine's threads get about a tenth of a core on which requests wait.
#[cfg(target_os = "linux")]
const WORKER_NICE: i32 = 10;

struct Keyspaces {
    tokens: Keyspace,
    marks: Keyspace,
    meta: Keyspace,
}

fn start(config: &EmbeddedConfig, directory: &Path) -> Result<(Database, Keyspaces), OpenError> {
    let opened = || -> Result<_, fjall::Error> {
        let database = Database::builder(directory)
            .cache_size(block_cache_bytes(config))
            .max_cached_files(Some(256))
            // Of several, the first does not compact, and spins as long as the others do.
            .worker_threads(1)
            .journal_compression(fjall::CompressionType::None)
            .manual_journal_persist(true)
            .max_journaling_size(64 << 20)
            .open()?;
        let keyspace = |name| database.keyspace(name, options);
        let keyspaces = Keyspaces {
            tokens: keyspace("tokens")?,
            marks: keyspace("marks")?,
            meta: keyspace("meta")?,
        };
        Ok((database, keyspaces))
    };
    let opened = thread::scope(|scope| {
        let opening = scope.spawn(|| {
            stand_back();
            opened()
        });
        opening.join()
    });
    // The engine takes some of what it finds on its own disk for granted.
    match opened {
        Ok(opened) => opened.map_err(|error| open_error(&error, &config.path)),
        Err(_) => Err(OpenError::Corrupt(
            "the storage engine could not read its files".to_owned(),
        )),
    }
}

/// Lets requests go before the calling thread, and before those that it starts: rewriting tables can
/// wait, whoever asks for a token cannot.
fn stand_back() {
    // Where threads have no priority of their own, it would be that of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, WORKER_NICE) {
        tracing::debug!(%error, "the storage engine works at the priority of requests");
    }
}

/// Walks and look-ups that miss the row cache need few blocks; the rows get the rest.
fn block_cache_bytes(config: &EmbeddedConfig) -> u64 {
    config.cache_bytes / 16
}

fn options() -> KeyspaceCreateOptions {
    let compaction = Leveled::default().with_l0_threshold(RECENT_TABLES);
    KeyspaceCreateOptions::default()
        // The writing thread seals buffers.
        .max_memtable_size(u64::MAX)
        .compaction_strategy(Arc::new(compaction))
        .manual_journal_persist(true)
        // Rows repeat their client, scope and audience.
        .data_block_compression_policy(CompressionPolicy::all(fjall::CompressionType::Lz4))
        .filter_block_pinning_policy(PinningPolicy::all(true))
        .index_block_pinning_policy(PinningPolicy::all(true))
}

fn open_error(error: &fjall::Error, path: &Path) -> OpenError {
    match error {
        fjall::Error::Locked => OpenError::Locked(path.to_owned()),
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
            OpenError::Io(io::Error::new(error.kind(), error.to_string()))
        }
        error if is_corruption(error) => OpenError::Corrupt(error.to_string()),
        error => OpenError::Engine(error.to_string()),
    }
}

/// What was in the rows of the meta keyspace.
#[derive(Default)]
struct Loaded {
    index: Index,
    counts: ActiveCounts,
    tick: u64,
}

impl Loaded {
    fn load(meta: &Keyspace) -> Result<Self, OpenError> {
        let mut loaded = Self::default();
        let mut counts = BTreeMap::new();
        let mut format = 0;
        for row in meta.iter() {
            let (key, row) = row
                .into_inner()
                .map_err(|error| open_error(&error, &PathBuf::new()))?;
            if key.as_ref() == keys::FORMAT {
                format = codec::read_number_row(&key, &row).map_err(|Damaged| damaged(&key))?;
            } else {
                loaded
                    .take(&key, &row, &mut counts)
                    .map_err(|Damaged| damaged(&key))?;
            }
        }
        if format != u64::from(FORMAT) {
            return Err(OpenError::Corrupt(format!("its format is {format}")));
        }
        loaded.counts = ActiveCounts::new(counts);
        Ok(loaded)
    }

    fn take(
        &mut self,
        key: &[u8],
        row: &[u8],
        counts: &mut BTreeMap<UnixSeconds, u64>,
    ) -> Result<(), Damaged> {
        match (key, key.first()) {
            (keys::GENERATION, _) => {
                let number = codec::read_number_row(key, row)?;
                self.index.generation = Generation(u32::try_from(number).map_err(|_| Damaged)?);
            }
            (keys::KEY_RING, _) => self.index.key_ring = codec::read_json_row(key, row)?,
            (keys::TICK, _) => self.tick = RowReader::open(key, row)?.number()?,
            (_, Some(&keys::CLIENTS)) => {
                let client = Arc::new(codec::read_json_row::<ClientRecord>(key, row)?);
                self.index.apply(IndexChange::Client(client));
            }
            (_, Some(&keys::CUTS)) => {
                let cut = codec::read_json_row::<Cut>(key, row)?;
                self.index.apply(IndexChange::Cut(cut));
            }
            _ => {
                let second = keys::parse_count(key).ok_or(Damaged)?;
                counts.insert(second, codec::read_number_row(key, row)?);
            }
        }
        Ok(())
    }
}

fn damaged(key: &[u8]) -> OpenError {
    OpenError::Corrupt(format!("the row {}", key.escape_ascii()))
}
