//! What was to be reached, and whether it was.

use super::servers::{BARE, HTTP1, OURS, PEERS};
use super::{FULL, RATE, Results};
use crate::bench::spread::Spread;

const SPEED_SHARE_MIN: f64 = 0.9;
const CPU_SHARE_MAX: f64 = 1.1;
const P50_MS_MAX: f64 = 1.0;
const P99_MS_MAX: f64 = 5.0;
const IDLE_BYTES_MAX: u64 = 100_000_000;
const HEAP_BYTES_MAX: f64 = 1024.0;
const CACHE_GET_NS_MAX: f64 = 200.0;
const LAYER_NS_MAX: f64 = 500.0;
/// The line of the cache's bench that the target is about: every entry as likely as any other.
const CACHE_GET: &str = "get, every entry cold";

/// One line of the table.
pub(super) struct Target {
    pub(super) what: String,
    pub(super) measured: String,
    pub(super) wanted: String,
    pub(super) is_met: bool,
}

fn target(what: impl Into<String>, measured: String, wanted: &str, is_met: bool) -> Target {
    Target {
        what: what.into(),
        measured,
        wanted: wanted.to_owned(),
        is_met,
    }
}

/// Every target about something that was measured.
pub(super) fn targets(results: &Results) -> Vec<Target> {
    let mut list = speed(results);
    list.extend(latency(results));
    list.extend(size(results));
    list.extend(benches(results));
    list
}

fn speed(results: &Results) -> Vec<Target> {
    let table = &results.http1;
    let (Some(ours), Some(bare)) = (table.get(OURS), table.get(BARE)) else {
        return Vec::new();
    };
    let (share, cpu) = (ours.speed_over(bare), ours.cpu_over(bare));
    let mut list = vec![
        target(
            "hello, requests/s over bare hyper",
            format!("{share:.2}"),
            "≥ 0.9",
            share.median >= SPEED_SHARE_MIN,
        ),
        target(
            "hello, CPU over bare hyper",
            format!("{cpu:.2}"),
            "≤ 1.1",
            cpu.median <= CPU_SHARE_MAX,
        ),
    ];
    for (name, called) in HTTP1 {
        let Some(peer) = table.get(name).filter(|_| PEERS.contains(&name)) else {
            continue;
        };
        let share = ours.speed_over(peer);
        list.push(target(
            format!("hello, requests/s over {called}"),
            format!("{share:.2}"),
            "≥ 1",
            share.median >= 1.0,
        ));
    }
    list
}

fn latency(results: &Results) -> Vec<Target> {
    let Some(ours) = results.latency.get(OURS) else {
        return Vec::new();
    };
    let rate = Spread::of(ours.rate.clone()).least;
    [
        ("p50", &ours.p50_ms, P50_MS_MAX, "< 1 ms at 50000/s"),
        ("p99", &ours.p99_ms, P99_MS_MAX, "< 5 ms at 50000/s"),
    ]
    .map(|(name, list, max, wanted)| {
        let spread = Spread::of(list.clone());
        let what = format!("hello at {rate:.0} requests/s, {name}");
        // A server that cannot be asked so often has not shown how soon it answers then.
        let is_met = spread.median < max && rate >= RATE;
        target(what, format!("{spread:.2} ms"), wanted, is_met)
    })
    .into()
}

fn size(results: &Results) -> Vec<Target> {
    let mut list = Vec::new();
    let connections = results.effort.idle_connections;
    // Fewer than the full run's have nothing to be compared with.
    if let Some(&bytes) = results.idle.get(OURS)
        && connections == FULL.idle_connections
    {
        list.push(target(
            format!("{connections} idle connections"),
            format!("{:.1} MB", bytes as f64 / 1e6),
            "< 100 MB",
            bytes < IDLE_BYTES_MAX,
        ));
    }
    // hyper buys a buffer for each head; what comes on top is ours, or the router's.
    if let Some(&(bare, _)) = results.heap.get(BARE) {
        for (name, called) in HTTP1.iter().filter(|(name, _)| name.starts_with(OURS)) {
            let Some(&(bytes, _)) = results.heap.get(name) else {
                continue;
            };
            let more = bytes - bare;
            list.push(target(
                format!("heap a request beyond bare hyper's: {called}"),
                format!("{more:.0} bytes"),
                "< 1 KB",
                more < HEAP_BYTES_MAX,
            ));
        }
    }
    list
}

fn benches(results: &Results) -> Vec<Target> {
    let mut list = Vec::new();
    if let Some((_, get)) = results.cache.iter().find(|(name, _)| name == CACHE_GET) {
        list.push(target(
            "cache get at 1M entries, each as likely",
            format!("{get} ns"),
            "< 200 ns",
            get.median < CACHE_GET_NS_MAX,
        ));
    }
    for (name, spread) in &results.layers {
        if is_layer(name) {
            list.push(target(
                format!("layer on its usual path: {name}"),
                format!("{spread} ns"),
                "≤ 500 ns",
                spread.median <= LAYER_NS_MAX,
            ));
        }
    }
    list
}

/// The bench's first line is what the others are taken off from.
fn is_layer(name: &str) -> bool {
    !name.starts_with("bare ")
}
