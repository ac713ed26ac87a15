//! `cargo xtask bench web`: the serving layer beside bare hyper, h3 and the servers of others, all
//! answering hello in one run. The server has core 0 for itself, whoever asks core 1.

mod cost;
mod load;
mod section;
mod servers;
mod targets;

use super::load::Report;
use super::machine::Machine;
use super::spread::Spread;
use crate::run::{self, cargo, find_program, root, target};
use anyhow::{Context, Result, bail};
use cost::Instructions;
use load::Counted;
use servers::{BARE, HTTP1, HTTP2, HTTP3, OURS, Server, is_there};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// Connections of every run over HTTP/1.1.
const CONNECTIONS: usize = 64;
/// The rate at which latency is taken; where a server reaches less, a share of what it reaches.
const RATE: f64 = 50_000.0;
const RATE_SHARE: f64 = 0.7;

/// How long and how often everything is measured.
struct Effort {
    rounds: usize,
    seconds: f64,
    http2_requests: usize,
    http3_requests: usize,
    idle_connections: usize,
}

const FULL: Effort = Effort {
    rounds: 5,
    seconds: 2.0,
    http2_requests: 400_000,
    http3_requests: 100_000,
    idle_connections: 10_000,
};
const QUICK: Effort = Effort {
    rounds: 1,
    seconds: 0.5,
    http2_requests: 40_000,
    http3_requests: 10_000,
    idle_connections: 1000,
};

/// What was measured of a server, one value a round.
#[derive(Default)]
struct Samples {
    per_second: Vec<f64>,
    cpu_us: Vec<f64>,
    /// As fast as answers come.
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    load_busy: Vec<f64>,
}

/// At a fixed rate, one value a round.
#[derive(Default)]
struct Latency {
    rate: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

/// A server by its name.
type Table<T> = BTreeMap<&'static str, T>;

/// Everything that a run measured.
struct Results {
    machine: Machine,
    effort: Effort,
    http1: Table<Samples>,
    latency: Table<Latency>,
    http2: Table<Samples>,
    http3: Table<Samples>,
    /// Bytes for all idle connections.
    idle: Table<u64>,
    /// Bytes of heap for a request, and how often.
    heap: Table<(f64, f64)>,
    instructions: Table<Instructions>,
    layers: Vec<(String, Spread)>,
    cache: Vec<(String, Spread)>,
}

/// Servers whose memory and instructions are counted.
const COUNTED: [&str; 4] = [BARE, OURS, "tollgate-axum", "axum"];

/// Measures and writes its section of `docs/performance.md`; `--quick` measures once and prints only.
///
/// # Errors
/// When something cannot be built or started, or a single answer was wrong.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let (effort, write) = match arguments {
        [] => (FULL, true),
        ["--quick"] => (QUICK, false),
        _ => bail!("usage: cargo xtask bench web [--quick]"),
    };
    find_program(&["taskset"]).context("needs taskset (Debian package util-linux)")?;
    run::run(cargo().args(["build", "--release", "-p", "tollgate-load"]))?;
    servers::build()?;
    let machine = Machine::look(&target().join("bench"))?;
    machine.complain();
    let text = section::render(&Results::measure(machine, effort)?);
    println!("\n{text}");
    if write {
        super::section::write("cargo xtask bench web", &text)
    } else {
        Ok(())
    }
}

fn sources() -> PathBuf {
    root().join("bench/web")
}

impl Results {
    fn measure(machine: Machine, effort: Effort) -> Result<Self> {
        // Before the rest: building does not go with measuring.
        let layers = cost::bench("layers", "axum,cache,layers")?;
        let cache = cost::bench("cache", "cache")?;
        let mut results = Self {
            machine,
            effort,
            http1: Table::new(),
            latency: Table::new(),
            http2: Table::new(),
            http3: Table::new(),
            idle: Table::new(),
            heap: Table::new(),
            instructions: Table::new(),
            layers,
            cache,
        };
        results.http1()?;
        results.http2()?;
        results.http3()?;
        results.counts()?;
        Ok(results)
    }

    fn http1(&mut self) -> Result<()> {
        let servers = start_all(HTTP1.map(|(name, _)| name))?;
        for round in 0..self.effort.rounds {
            println!("HTTP/1.1, round {} of {}", round + 1, self.effort.rounds);
            for (name, server) in &servers {
                println!("  {name}");
                let report = load::http1(server, None, &self.effort)?;
                let rate = RATE.min(report.per_second * RATE_SHARE);
                self.http1.entry(name).or_default().add(&report);
                let report = load::http1(server, Some(rate), &self.effort)?;
                self.latency.entry(name).or_default().add(rate, &report);
            }
        }
        Ok(())
    }

    fn http2(&mut self) -> Result<()> {
        let Some(h2load) = find_program(&["h2load"]) else {
            println!("HTTP/2 is not measured: needs h2load (Debian package nghttp2-client)");
            return Ok(());
        };
        let servers = start_all(HTTP2.map(|(name, _)| name))?;
        for round in 0..self.effort.rounds {
            println!("HTTP/2, round {} of {}", round + 1, self.effort.rounds);
            for (name, server) in &servers {
                println!("  {name}");
                let counted = load::http2(&h2load, server, &self.effort)?;
                self.http2.entry(name).or_default().count(&counted);
            }
        }
        Ok(())
    }

    fn http3(&mut self) -> Result<()> {
        let tls = target().join("bench/tls");
        let make = ["certificate".as_ref(), tls.as_os_str()];
        run::run(Command::new(servers::compare()).args(make))?;
        let mut servers = Vec::new();
        for (name, _) in HTTP3 {
            servers.push((name, Server::start_http3(name, &tls)?));
        }
        for round in 0..self.effort.rounds {
            println!("HTTP/3, round {} of {}", round + 1, self.effort.rounds);
            for (name, server) in &servers {
                println!("  {name}");
                let counted = load::http3(server, &tls, &self.effort)?;
                self.http3.entry(name).or_default().count(&counted);
            }
        }
        Ok(())
    }

    fn counts(&mut self) -> Result<()> {
        for name in COUNTED {
            println!("memory and instructions of {name}");
            let idle = cost::idle(name, self.effort.idle_connections)?;
            self.idle.insert(name, idle);
            if find_program(&["valgrind"]).is_some() {
                self.heap.insert(name, cost::heap(name)?);
                self.instructions.insert(name, cost::instructions(name)?);
            } else {
                println!("nothing is counted: needs valgrind (Debian package valgrind)");
            }
        }
        Ok(())
    }
}

/// Those that this machine has what they need for. One that nobody asks costs the others nothing.
fn start_all<const N: usize>(names: [&'static str; N]) -> Result<Vec<(&'static str, Server)>> {
    let mut servers = Vec::new();
    for name in names {
        if is_there(name) {
            servers.push((name, Server::start(name)?));
        } else {
            println!("{name} is not measured: it is not installed");
        }
    }
    Ok(servers)
}

impl Samples {
    fn add(&mut self, report: &Report) {
        self.per_second.push(report.per_second);
        self.cpu_us.push(report.server_cpu_us);
        self.p50_ms.push(report.p50_us / 1e3);
        self.p99_ms.push(report.p99_us / 1e3);
        self.load_busy.push(report.load_busy);
    }

    fn count(&mut self, counted: &Counted) {
        self.per_second.push(counted.per_second);
        self.cpu_us.push(counted.cpu_us);
    }

    /// Requests a second over those of `other`, round by round.
    fn speed_over(&self, other: &Self) -> Spread {
        over(&self.per_second, &other.per_second)
    }

    /// Processor time over that of `other`, round by round.
    fn cpu_over(&self, other: &Self) -> Spread {
        over(&self.cpu_us, &other.cpu_us)
    }
}

impl Latency {
    fn add(&mut self, rate: f64, report: &Report) {
        self.rate.push(rate);
        self.p50_ms.push(report.p50_us / 1e3);
        self.p99_ms.push(report.p99_us / 1e3);
    }
}

fn over(these: &[f64], others: &[f64]) -> Spread {
    Spread::of(
        these
            .iter()
            .zip(others)
            .map(|(this, other)| this / other)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_formed_round_by_round() {
        let samples = |per_second: [f64; 3]| Samples {
            per_second: per_second.to_vec(),
            ..Samples::default()
        };
        let ratio = samples([50.0, 90.0, 240.0]).speed_over(&samples([100.0, 100.0, 300.0]));
        assert!((ratio.median - 0.8).abs() < 1e-9, "{ratio:?}");
        assert!((ratio.least - 0.5).abs() < 1e-9, "{ratio:?}");
    }
}
