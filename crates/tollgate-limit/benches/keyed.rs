//! Nanoseconds per limiter check at 100,000 keys. `cargo bench -p tollgate-limit`.

use std::hash::RandomState;
use std::hint::black_box;
use std::time::Instant;

use tollgate_limit::{KeyedLimiter, KeysMax, Quota};

const KEYS: u32 = 100_000;
const CHECKS: u32 = 5_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quota = Quota::new(1_000_000, 1_000_000.0)?;
    let keys_max = KeysMax::new(KEYS as usize * 2)?;

    let by_ip: KeyedLimiter<u128> = KeyedLimiter::with_hasher(quota, keys_max, RandomState::new());
    let ips: Vec<u128> = (0..u128::from(KEYS))
        .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a))
        .collect();
    measure("128-bit key", &by_ip, &ips, |limiter, key, now| {
        limiter.check(key, 1, now)
    });

    let by_name: KeyedLimiter<String> =
        KeyedLimiter::with_hasher(quota, keys_max, RandomState::new());
    let names: Vec<String> = (0..KEYS).map(|n| format!("client-{n:08}")).collect();
    measure("text key", &by_name, &names, |limiter, key, now| {
        limiter.check(key.as_str(), 1, now)
    });
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "a benchmark reports to whoever runs it"
)]
fn measure<K>(
    what: &str,
    limiter: &KeyedLimiter<K>,
    keys: &[K],
    check: impl Fn(&KeyedLimiter<K>, &K, u64) -> tollgate_limit::Decision,
) {
    let mut now = 0;
    for key in keys {
        black_box(check(limiter, key, now));
    }
    // A fixed stride through the keys defeats the cache as random access does.
    let order = keys.iter().cycle().step_by(7919);
    let started = Instant::now();
    for key in order.take(CHECKS as usize) {
        now += 100;
        black_box(check(limiter, key, now));
    }
    let nanos = started.elapsed().as_nanos() / u128::from(CHECKS);
    println!("{what}: {nanos} ns a check at {} keys", keys.len());
}
