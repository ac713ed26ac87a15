//! `cargo xtask bench`: how fast and how small the token service is, beside a bare HTTP server in
//! the same run. The server has core 0 for itself, the load generator core 1.

mod compare;
pub(crate) mod instructions;
pub(crate) mod load;
mod machine;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod rows;
mod section;
mod spread;
mod web;

use crate::run::{self, cargo, find_program, target};
use anyhow::{Context, Result, bail};
use load::Load;
use machine::Machine;
use memory::Memory;
use process::{Bare, Tollgate};
use rows::{Baseline, ROWS, Row, Samples};
use spread::Spread;
use std::collections::BTreeMap;
use std::path::Path;

/// How long and how often everything is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) repetitions: usize,
    /// In how many of them latency is measured too.
    pub(crate) latency_repetitions: usize,
    pub(crate) seconds: f64,
    /// Tokens that a run which spends them may spend.
    pub(crate) tokens: usize,
    /// Tokens stored for the memory rows.
    pub(crate) stored: usize,
}

const FULL: Effort = Effort {
    repetitions: 5,
    latency_repetitions: 3,
    seconds: 2.0,
    tokens: 150_000,
    stored: 1_000_000,
};
const QUICK: Effort = Effort {
    repetitions: 1,
    latency_repetitions: 1,
    seconds: 1.0,
    tokens: 40_000,
    stored: 100_000,
};

/// The share of its own maximum at which the latency of a row is taken.
const LATENCY_LOAD: f64 = 0.7;

/// A row or a baseline as measured.
pub(crate) struct Measured {
    per_second: Spread,
    /// Requests a second over those of the baseline, repetition by repetition.
    ratio: Option<Spread>,
    cpu_us: Spread,
    /// The baseline's processor time over that of this row.
    cpu_ratio: Option<Spread>,
    load_busy: f64,
    /// Milliseconds at [`LATENCY_LOAD`].
    p99_ms: Spread,
}

/// Everything that a run measured.
pub(crate) struct Results {
    effort: Effort,
    connections: usize,
    machine: Machine,
    baselines: BTreeMap<Baseline, Measured>,
    /// In the order of [`ROWS`].
    rows: Vec<Measured>,
    /// p99 of health checks while RSA keys sign, and without, in milliseconds.
    beside_signing: (f64, f64),
    limiter: String,
    memory: Memory,
}

/// Connections of every run.
const CONNECTIONS: usize = 64;

/// Measures and writes `docs/performance.md`; `--quick` measures once and prints only. With
/// `verify` that is token validation, with `web` the serving layer; with `instructions` its instructions are counted instead.
///
/// # Errors
/// When something cannot be built or started, or a single answer was wrong.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (effort, write) = match arguments {
        ["instructions", rest @ ..] => return instructions::run(rest),
        ["verify", rest @ ..] => return compare::run(rest),
        ["web", rest @ ..] => return web::run(rest),
        [] => (FULL, true),
        ["--quick"] => (QUICK, false),
        _ => bail!(
            "usage: cargo xtask bench [verify | web] [--quick] | bench instructions [--write]"
        ),
    };
    find_program(&["taskset"]).context("needs taskset (Debian package util-linux)")?;
    build()?;
    let directory = target().join("bench");
    let machine = Machine::look(&directory)?;
    machine.complain();
    let results = measure(effort, machine, &directory)?;
    let text = section::render(&results);
    println!("\n{text}");
    if write {
        section::write("cargo xtask bench", &text)
    } else {
        Ok(())
    }
}

/// Builds what is measured and what measures it, for release.
///
/// # Errors
/// When it does not build.
pub(crate) fn build() -> Result<()> {
    let packages = ["-p", "tollgate-server", "-p", "tollgate-load"];
    run::run(cargo().args(["build", "--release"]).args(packages))?;
    run::run(cargo().args([
        "build",
        "--release",
        "-p",
        "tollgate-web",
        "--example",
        "bare_hyper",
    ]))
}

fn measure(effort: Effort, machine: Machine, directory: &Path) -> Result<Results> {
    let bare = Bare::start()?;
    let server = Tollgate::start(&directory.join("speed"))?;
    let clients = server.create_clients()?;
    let load = |row: &Row| Load::new(&server, &clients, row, CONNECTIONS);
    let bare_load = |baseline| Load::bare(&bare, baseline, CONNECTIONS);

    let mut baselines: BTreeMap<Baseline, Samples> = BTreeMap::new();
    let mut rows: Vec<Samples> = ROWS.iter().map(|_| Samples::default()).collect();
    for repetition in 0..effort.repetitions {
        println!("repetition {} of {}", repetition + 1, effort.repetitions);
        let with_latency = repetition < effort.latency_repetitions;
        for baseline in Baseline::ALL {
            let (load, samples) = (bare_load(baseline), baselines.entry(baseline).or_default());
            let report = load.run(effort)?;
            samples.add(&report, None);
            if with_latency {
                samples.add_latency(&load.run_at(report.per_second * LATENCY_LOAD, effort)?);
            }
        }
        for (row, samples) in ROWS.iter().zip(&mut rows) {
            // Again for each row, just before it: the speed of a shared machine wanders.
            let beside = row
                .wanted
                .map(|(baseline, _)| bare_load(baseline).run(effort));
            let beside = beside.transpose()?;
            let load = load(row);
            let report = load.run(effort)?;
            samples.add(&report, beside.as_ref());
            if with_latency {
                samples.add_latency(&load.run_at(report.per_second * LATENCY_LOAD, effort)?);
            }
        }
    }
    let measured = |(baseline, samples): (_, Samples)| (baseline, samples.measured());
    let beside_signing = load::beside_signing(&server, &clients, effort)?;
    drop((bare, server));
    Ok(Results {
        effort,
        connections: CONNECTIONS,
        machine,
        baselines: baselines.into_iter().map(measured).collect(),
        rows: rows.into_iter().map(Samples::measured).collect(),
        beside_signing,
        limiter: run::output(cargo().args(["bench", "-q", "-p", "tollgate-limit"]))?,
        memory: memory::measure(&directory.join("memory"), effort)?,
    })
}
