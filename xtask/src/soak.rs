//! `cargo xtask battery soak`: hours of work on a server whose tokens live for seconds. Memory and
//! disk must come to rest.

use crate::bench::load::Load;
use crate::bench::memory::{resident, size};
use crate::bench::process::Tollgate;
use crate::bench::rows::{Client, Row};
use crate::bench::{self, Effort};
use crate::run::target;
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};

/// Rounds until as many tokens expire as are issued.
const ROUNDS_BEFORE: usize = 4;
/// How much more than after these rounds is no growth yet.
const FACTOR_MAX: f64 = 1.5;

const KEYS: &[(&str, &str)] = &[
    ("TOLLGATE_TOKENS__ACCESS_TTL", "20s"),
    ("TOLLGATE_TOKENS__ONE_TIME_TTL", "20s"),
    ("TOLLGATE_CLEANUP__INTERVAL", "1s"),
];

const EFFORT: Effort = Effort {
    repetitions: 1,
    latency_repetitions: 0,
    seconds: 3.0,
    tokens: 50_000,
    stored: 0,
};

const fn row(scenario: &'static str, client: Client) -> Row {
    Row {
        name: scenario,
        scenario,
        client,
        wanted: None,
    }
}

const ROWS: &[Row] = &[
    row("token-opaque", Client::Opaque),
    row("token-jwt", Client::EdDsa),
    row("ott-issue", Client::Opaque),
    row("ott-redeem", Client::Opaque),
    row("introspect-opaque", Client::Opaque),
    row("validate-jwt", Client::EdDsa),
    row("revoke", Client::Opaque),
];

/// Works for `minutes`.
///
/// # Errors
/// When an answer was wrong, or memory or disk kept growing.
pub(crate) fn run(minutes: u64) -> Result<()> {
    bench::build()?;
    let server = Tollgate::start_with(&target().join("soak"), KEYS)?;
    let clients = server.create_clients()?;
    let (begin, mut rounds) = (Instant::now(), Vec::new());
    while begin.elapsed() < Duration::from_secs(minutes * 60) || rounds.len() <= ROUNDS_BEFORE {
        for row in ROWS {
            Load::new(&server, &clients, row, 64).run(EFFORT)?;
        }
        let taken = [resident(server.pid())?, size(&server.data())?];
        let [memory, disk] = taken.map(|bytes| bytes >> 20);
        println!(
            "round {}: {memory} MiB of memory, {disk} MiB of disk",
            rounds.len() + 1
        );
        rounds.push(taken);
    }
    let rest = rounds.get(ROUNDS_BEFORE - 1).context("too few rounds")?;
    let last = rounds.last().context("no round")?;
    for (name, (rest, last)) in ["memory", "disk"].iter().zip(rest.iter().zip(last)) {
        if *last as f64 > *rest as f64 * FACTOR_MAX {
            bail!("{name} grew from {rest} to {last} bytes");
        }
    }
    server.stop()
}
