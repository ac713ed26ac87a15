//! Nanoseconds per limiter check at 100,000 keys. `cargo bench -p tollgate-limit`.

use std::hash::RandomState;
use std::hint::black_box;
use std::time::Instant;

use tollgate_limit::{Decision, KeyedLimiter, KeysMax, Quota};

const KEYS: u32 = 100_000;
const CHECKS: u32 = 5_000_000;
/// Prime to the number of keys, so that all are met, far from each other in memory.
const STRIDE: usize = 7919;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quota = Quota::new(1_000_000, 1_000_000.0)?;
    let keys_max = KeysMax::new(KEYS as usize * 2)?;

    let by_ip: KeyedLimiter<u128> = KeyedLimiter::with_hasher(quota, keys_max, RandomState::new());
    let ips: Vec<u128> = (0..u128::from(KEYS))
        .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a))
        .collect();
    let touch = |key: &u128| key.count_ones();
    measure("128-bit key", &ips, touch, |key, now| {
        by_ip.check(key, 1, now)
    });

    let by_name: KeyedLimiter<String> =
        KeyedLimiter::with_hasher(quota, keys_max, RandomState::new());
    let names: Vec<String> = (0..KEYS).map(|n| format!("client-{n:08}")).collect();
    let touch = |key: &String| key.bytes().fold(0, |sum, byte| sum + u32::from(byte));
    measure("text key", &names, touch, |key, now| {
        by_name.check(key.as_str(), 1, now)
    });
    Ok(())
}

/// A server has a request's key at hand, so what it costs to fetch it from memory is taken off.
#[expect(
    clippy::print_stdout,
    reason = "a benchmark reports to whoever runs it"
)]
fn measure<K>(
    what: &str,
    keys: &[K],
    touch: impl Fn(&K) -> u32,
    check: impl Fn(&K, u64) -> Decision,
) {
    for (key, now) in keys.iter().zip(0..) {
        black_box(check(key, now));
    }
    let fetch = nanos(keys, |key, _| {
        black_box(touch(key));
    });
    let whole = nanos(keys, |key, now| {
        black_box(touch(key));
        black_box(check(key, now));
    });
    println!(
        "{what}: {:.0} ns a check at {} keys ({whole:.0} ns less {fetch:.0} ns to fetch the key)",
        whole - fetch,
        keys.len()
    );
}

fn nanos<K>(keys: &[K], each: impl Fn(&K, u64)) -> f64 {
    let order = keys.iter().cycle().step_by(STRIDE).take(CHECKS as usize);
    let started = Instant::now();
    for (key, count) in order.zip(0_u64..) {
        each(key, count * 100);
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(CHECKS)
}
