//! Nanoseconds of CPU of the application cache with a million entries, and what its invalidations take.
//! `cargo bench -p tollgate-web --features cache --bench cache`
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::fmt::Write as _;
use std::hint::black_box;

use bytes::Bytes;
use tollgate_web::cache::{Cache, CacheConfig, EntryOptions};

const ENTRIES: usize = 1_000_000;
const ROUNDS: usize = 7;
const VALUE: Bytes = Bytes::from_static(&[b'v'; 64]);
const PLAIN: EntryOptions<'static> = EntryOptions {
    ttl: None,
    tags: &[],
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let cache: Cache<Bytes> = Cache::local(CacheConfig::with_capacity_bytes(1 << 30));
    let mut key = String::new();
    let begin = cpu_nanos()?;
    for number in 0..ENTRIES {
        // A buffer of its own for each, as in life.
        let value = Bytes::copy_from_slice(&VALUE);
        cache.set(name(&mut key, number), value, PLAIN).await?;
    }
    say("set, tables growing", begin, ENTRIES)?;
    let figures = cache.statistics();
    let each = figures.bytes / figures.entries.max(1);
    println!("{} entries, {each} bytes each", figures.entries);
    for _ in 0..ROUNDS {
        let begin = cpu_nanos()?;
        for turn in 0..ENTRIES {
            black_box(name(&mut key, scatter(turn)));
        }
        say("making a key, in all of these", begin, ENTRIES)?;
        let begin = cpu_nanos()?;
        for turn in 0..ENTRIES {
            black_box(cache.get_local(name(&mut key, scatter(turn))));
        }
        say("get_local, every entry cold", begin, ENTRIES)?;
        let begin = cpu_nanos()?;
        for turn in 0..ENTRIES {
            black_box(cache.get(name(&mut key, scatter(turn))).await);
        }
        say("get, every entry cold", begin, ENTRIES)?;
        let begin = cpu_nanos()?;
        for turn in 0..ENTRIES {
            let hot = scatter(turn % 10_000);
            black_box(cache.get(name(&mut key, hot)).await);
        }
        say("get, ten thousand hot entries", begin, ENTRIES)?;
    }
    let begin = cpu_nanos()?;
    cache.invalidate_tag("none").await?;
    say("invalidate a tag", begin, 1)?;
    let begin = cpu_nanos()?;
    cache.invalidate("nobody:*").await?;
    say("invalidate a prefix", begin, 1)?;
    Ok(())
}

/// Every number once, in an order that no prefetcher guesses.
fn scatter(turn: usize) -> usize {
    turn * 7_919 % ENTRIES
}

fn name(key: &mut String, number: usize) -> &str {
    key.clear();
    // Writing to a string cannot fail.
    let _ = write!(key, "user:{number}");
    key
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a bench are exact in an f64"
)]
fn say(what: &str, begin: u64, count: usize) -> std::io::Result<()> {
    let nanos = (cpu_nanos()? - begin) as f64 / count as f64;
    println!("{what:<32}{nanos:>14.1} ns");
    Ok(())
}

/// What this thread has run for, as the kernel of Linux counts it: unlike the clock on the wall it
/// stands still while others run.
fn cpu_nanos() -> std::io::Result<u64> {
    let figures = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = figures
        .split(' ')
        .next()
        .and_then(|nanos| nanos.parse().ok());
    nanos.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}
