//! The embedded store against the bare engine, in one run. Prints figures; passes no judgement.
//!
//! `cargo bench -p tollgate-store-embedded [-- write read size]`; `TOLLGATE_BENCH_DIR` names the
//! disk, `TOLLGATE_BENCH_SECONDS` the length of each row.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints figures and ends when it cannot measure"
)]

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::sync_channel,
    },
    time::{Duration, Instant},
};

use tollgate_store::{
    Probe, Standing, Store,
    conformance::{
        housekeeping::both,
        sample::{self, NOW},
    },
};
use tollgate_store_embedded::{EmbeddedConfig, EmbeddedStore};

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|one| !one.starts_with('-'))
        .collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    let seconds = std::env::var("TOLLGATE_BENCH_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let seconds = Duration::from_secs(seconds.unwrap_or(3));
    if wants("sync") {
        sync_times(&directory("sync"));
    }
    if wants("write") {
        for submitters in [1, 64, 256] {
            let raw = raw_engine(&directory("raw"), submitters, seconds);
            let insert = inserts(&directory("insert"), submitters, seconds);
            println!(
                "write {submitters:4} submitters: engine {raw:8.0}/s, store insert {insert:8.0}/s"
            );
        }
        redeems(&directory("redeem"), 64);
    }
    if wants("size") {
        million(&directory("million"));
    }
}

fn directory(name: &str) -> PathBuf {
    let root =
        std::env::var_os("TOLLGATE_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let path = root.join(format!("tollgate-bench-{name}"));
    std::fs::remove_dir_all(&path).ok();
    std::fs::create_dir_all(&path).expect("a directory");
    path
}

fn runtime(threads: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn sync_times(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path.join("log")).expect("a file");
    let begun = Instant::now();
    for _ in 0..1000 {
        file.write_all(&[1; 4096]).expect("write");
        file.sync_data().expect("sync");
    }
    println!(
        "sync: append and fdatasync {:.0} us",
        begun.elapsed().as_secs_f64() * 1000.0
    );
}

/// The engine alone: one thread that writes what waits as one batch and syncs, callers that wait
/// for it; 200-byte records under random keys.
fn raw_engine(path: &Path, submitters: u64, length: Duration) -> f64 {
    type Job = ([u8; 16], tokio::sync::oneshot::Sender<()>);
    let database = fjall::Database::builder(path).open().expect("open");
    let keyspace = database
        .keyspace("k", fjall::KeyspaceCreateOptions::default)
        .expect("keyspace");
    let (sender, jobs) = sync_channel::<Job>(8192);
    let writer = std::thread::spawn(move || {
        while let Ok(first) = jobs.recv() {
            let group: Vec<Job> = std::iter::once(first)
                .chain(jobs.try_iter().take(999))
                .collect();
            let mut batch = database
                .batch()
                .durability(Some(fjall::PersistMode::SyncData));
            for (key, _) in &group {
                batch.insert(&keyspace, *key, vec![7u8; 200]);
            }
            batch.commit().expect("commit");
            for (_, done) in group {
                done.send(()).ok();
            }
        }
    });
    let counter = Arc::new(AtomicU64::new(0));
    let rate = drive(submitters, length, move |_| {
        let (sender, counter) = (sender.clone(), Arc::clone(&counter));
        async move {
            let key = sample::key(counter.fetch_add(1, Relaxed)).0;
            let (done, wait) = tokio::sync::oneshot::channel();
            sender.send((key, done)).expect("send");
            wait.await.expect("done");
        }
    });
    writer.join().expect("writer");
    rate
}

/// Calls `work` from `submitters` tasks one after the other; how often in a second.
fn drive<F>(
    submitters: u64,
    length: Duration,
    work: impl Fn(u64) -> F + Send + Sync + 'static,
) -> f64
where
    F: Future<Output = ()> + Send,
{
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let work = Arc::new(work);
    runtime(1).block_on(async {
        let (begun, cpu) = (Instant::now(), process_time());
        let mut tasks = tokio::task::JoinSet::new();
        for submitter in 0..submitters {
            let (stop, done, work) = (Arc::clone(&stop), Arc::clone(&done), Arc::clone(&work));
            tasks.spawn(async move {
                while !stop.load(Relaxed) {
                    work(submitter).await;
                    done.fetch_add(1, Relaxed);
                }
            });
        }
        tokio::time::sleep(length).await;
        let count = done.load(Relaxed) as f64;
        let rate = count / begun.elapsed().as_secs_f64();
        let each = (process_time() - cpu).as_secs_f64() * 1e6 / count;
        println!(
            "  {submitters} submitters: {each:.2} us of CPU each, the submitter's own included"
        );
        stop.store(true, Relaxed);
        tasks.join_all().await;
        rate
    })
}

fn inserts(path: &Path, submitters: u64, length: Duration) -> f64 {
    let store = Arc::new(EmbeddedStore::open(&EmbeddedConfig::new(path)).expect("open"));
    let counter = Arc::new(AtomicU64::new(0));
    let own = Arc::clone(&store);
    let rate = drive(submitters, length, move |_| {
        let (store, counter) = (Arc::clone(&own), Arc::clone(&counter));
        async move {
            let mut token = sample::access_token(counter.fetch_add(1, Relaxed), "shop");
            token.record.scope = LONG_SCOPE.parse().expect("a scope");
            store
                .insert(vec![token], 10_000_000, NOW)
                .await
                .expect("insert");
        }
    });
    let stats = store.stats();
    println!(
        "  insert: {:.1} operations and {:.0} us a commit",
        stats.commit_operations.sum as f64 / stats.commit_operations.count as f64,
        stats.commit_micros.sum as f64 / stats.commit_micros.count as f64
    );
    rate
}

/// Makes a row of about 200 bytes.
const LONG_SCOPE: &str = "orders:read orders:write invoices:read invoices:write customers:read \
                          customers:write returns:read returns:write";

fn redeems(path: &Path, submitters: u64) {
    const TOKENS: u64 = 400_000;
    let store = Arc::new(EmbeddedStore::open(&EmbeddedConfig::new(path)).expect("open"));
    runtime(1).block_on(fill(&store, TOKENS));
    let counter = Arc::new(AtomicU64::new(0));
    let own = Arc::clone(&store);
    let rate = drive(submitters, Duration::from_secs(3), move |_| {
        let (store, counter) = (Arc::clone(&own), Arc::clone(&counter));
        async move {
            let number = counter.fetch_add(1, Relaxed);
            let redemption = sample::redemption(number, "shop");
            store.redeem(vec![redemption], NOW).await.expect("redeem");
        }
    });
    println!("redeem {submitters:4} submitters: {rate:8.0}/s");
}

async fn fill(store: &EmbeddedStore, tokens: u64) {
    store
        .create_client(sample::client("shop"))
        .await
        .expect("client");
    for from in (0..tokens).step_by(500) {
        let batch = (from..from + 500).map(|number| {
            let mut token = sample::one_time_token(number, "shop");
            token.record.data = None;
            token.record.expires_at = sample::later(3600 + number % 3600);
            token
        });
        store.insert(batch.collect(), 0, NOW).await.expect("insert");
    }
}

/// A million tokens: memory, disk, look-ups, start, scan, sweep.
fn million(path: &Path) {
    const TOKENS: u64 = 1_000_000;
    let config = EmbeddedConfig::new(path);
    println!("size: before anything {} MB resident", resident_mb());
    let store = EmbeddedStore::open(&config).expect("open");
    println!("size: empty store {} MB resident", resident_mb());
    let runtime = runtime(1);
    let begun = Instant::now();
    runtime.block_on(fill(&store, TOKENS));
    println!(
        "size: 1M inserted in {:.1?}, {} MB resident, {} MB on disk",
        begun.elapsed(),
        resident_mb(),
        disk_mb(path)
    );
    look_up(&runtime, &store, TOKENS);
    println!(
        "size: after look-ups {} MB resident, {} MB on disk",
        resident_mb(),
        disk_mb(path)
    );
    let begun = Instant::now();
    runtime.block_on(store.close()).expect("close");
    drop(store);
    println!("size: closed in {:.1?}", begun.elapsed());
    let begun = Instant::now();
    let store = EmbeddedStore::open(&config).expect("open");
    let active = store.active(NOW);
    println!("start: {active} tokens in {:.1?}", begun.elapsed());
    // Without a clean close.
    drop(store);
    std::fs::remove_file(path.join("db.clean")).expect("a note");
    let begun = Instant::now();
    let store = EmbeddedStore::open(&config).expect("open");
    println!(
        "start after a crash: {:.1?}, {} MB resident",
        begun.elapsed(),
        resident_mb()
    );
    look_up(&runtime, &store, TOKENS);
    let begun = Instant::now();
    let count = runtime
        .block_on(store.count(Default::default(), NOW))
        .expect("count");
    println!("count: {count} in {:.1?}", begun.elapsed());
    sweep_beside_writers(&runtime, store, path);
}

/// Sweeps a million dead tokens while 16 tasks insert; how long the inserts took then and before.
fn sweep_beside_writers(runtime: &tokio::runtime::Runtime, store: EmbeddedStore, path: &Path) {
    let store = Arc::new(store);
    let swept = Arc::new(AtomicBool::new(false));
    runtime.block_on(async {
        let latencies = async |number: u64, until: Arc<AtomicBool>| {
            let mut tasks = tokio::task::JoinSet::new();
            for task in 0..16u64 {
                let (store, until) = (Arc::clone(&store), Arc::clone(&until));
                tasks.spawn(async move {
                    let mut latencies = Vec::new();
                    for step in 0..200_000u64 {
                        if until.load(Relaxed) {
                            break;
                        }
                        let mut token = sample::access_token(number + step * 16 + task, "shop");
                        token.record.expires_at = sample::later(100_000);
                        let begun = Instant::now();
                        store.insert(vec![token], 0, NOW).await.expect("insert");
                        latencies.push(begun.elapsed());
                    }
                    latencies
                });
            }
            let mut all = tasks.join_all().await.concat();
            all.sort_unstable();
            let at = |part: usize| {
                all.get(all.len() * part / 1000)
                    .copied()
                    .unwrap_or_default()
            };
            println!(
                "  inserts: {} done, p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}",
                all.len(),
                at(500),
                at(990),
                at(999)
            );
        };
        let timer = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&timer);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            over.store(true, Relaxed);
        });
        latencies(10_000_000, timer).await;
        let begun = Instant::now();
        let (sweeper, done) = (Arc::clone(&store), Arc::clone(&swept));
        let sweep = tokio::spawn(async move {
            let mut removed = 0;
            loop {
                let outcome = sweeper
                    .sweep(1000, both(sample::later(10_000)))
                    .await
                    .expect("sweep");
                removed += outcome.removed;
                if outcome.finished {
                    done.store(true, Relaxed);
                    return removed;
                }
            }
        });
        latencies(20_000_000, swept).await;
        let removed = sweep.await.expect("sweep");
        println!(
            "sweep: {removed} in {:.1?}, {} MB on disk",
            begun.elapsed(),
            disk_mb(path)
        );
    });
}

fn look_up(runtime: &tokio::runtime::Runtime, store: &EmbeddedStore, tokens: u64) {
    for (what, offset) in [("hits, first round", 0), ("hits", 0), ("misses", tokens)] {
        let (begun, cpu) = (Instant::now(), cpu_time());
        let rounds: u32 = 1_000_000;
        let mut found = 0u64;
        let mut random = 1u64;
        runtime.block_on(async {
            for _ in 0..rounds {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let number = offset + (random >> 33) % tokens;
                let probe = [Probe::Stored(sample::key(number))];
                let standing = store.standing(&probe, NOW).await.expect("standing");
                found += u64::from(
                    standing
                        .iter()
                        .all(|one| matches!(one, Standing::Stored(_))),
                );
            }
        });
        let rate = f64::from(rounds) / begun.elapsed().as_secs_f64();
        let each = (cpu_time() - cpu).as_nanos() / u128::from(rounds);
        println!("standing: {what} {rate:.0}/s, {each} ns of CPU each ({found} found)");
    }
}

/// What this thread has used, as the operating system counts it.
fn cpu_time() -> Duration {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let used = schedule
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok());
    Duration::from_nanos(used.unwrap_or(0))
}

/// What the process has used, in the operating system's ticks of 10 ms.
fn process_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .skip(11)
        .take(2);
    Duration::from_millis(
        ticks
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum::<u64>()
            * 10,
    )
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

fn disk_mb(path: &Path) -> u64 {
    let output = std::process::Command::new("du")
        .arg("-sm")
        .arg(path)
        .output()
        .expect("du");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0)
}
