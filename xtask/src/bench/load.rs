//! Runs of the load generator on core 1.

use super::Effort;
use super::process::{Bare, Clients, Tollgate, pinned, program};
use super::rows::{Baseline, Client, Row};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::thread;

/// The rate of the health checks that are watched while RSA keys sign.
const WATCH_RATE: f64 = 2000.0;

/// What the load generator reports.
pub(crate) struct Report {
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) server_cpu_us: f64,
    pub(crate) load_busy: f64,
}

/// A run of one row, or of a baseline.
pub(crate) struct Load {
    arguments: Vec<String>,
    waiting: Waiting,
}

/// What the generator does while it waits for answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// Looks again and again: over loopback it is the server's core that wakes a sleeper, so its
    /// sleep would be charged to the server.
    Spinning,
    /// Sleeps, to leave its core to another generator.
    Sleeping,
}

impl Load {
    pub(crate) fn new(server: &Tollgate, clients: &Clients, row: &Row, connections: usize) -> Self {
        let secret = clients.get(&row.client).cloned().unwrap_or_default();
        let arguments = vec![
            row.scenario.to_owned(),
            format!("--url=http://{}", server.address),
            format!("--client={}", row.client.id()),
            format!("--secret-file={}", secret.display()),
            format!("--pid={}", server.pid()),
            format!("--connections={connections}"),
        ];
        Self {
            arguments,
            waiting: Waiting::Spinning,
        }
    }

    /// Asks the bare server.
    pub(crate) fn bare(bare: &Bare, baseline: Baseline, connections: usize) -> Self {
        let (scenario, path) = match baseline {
            Baseline::Hello => ("hello", "/"),
            Baseline::Form => ("form", "/form"),
        };
        let arguments = vec![
            scenario.to_owned(),
            format!("--path={path}"),
            format!("--url=http://{}", bare.address),
            format!("--pid={}", bare.pid()),
            format!("--connections={connections}"),
        ];
        Self {
            arguments,
            waiting: Waiting::Spinning,
        }
    }

    /// Shares its core with another.
    fn sharing(self) -> Self {
        Self {
            waiting: Waiting::Sleeping,
            ..self
        }
    }

    /// As fast as answers come.
    ///
    /// # Errors
    /// When an answer is wrong.
    pub(crate) fn run(&self, effort: Effort) -> Result<Report> {
        report(&mut self.command(effort))
    }

    /// At `rate` requests a second.
    ///
    /// # Errors
    /// When an answer is wrong.
    pub(crate) fn run_at(&self, rate: f64, effort: Effort) -> Result<Report> {
        report(self.command(effort).arg(format!("--rate={rate}")))
    }

    fn command(&self, effort: Effort) -> Command {
        let mut command = pinned(1, &program("tollgate-load"));
        command.args(["--json", &format!("--seconds={}", effort.seconds)]);
        command.arg(format!("--tokens={}", effort.tokens));
        if self.waiting == Waiting::Spinning {
            command.arg("--spin");
        }
        command.args(&self.arguments);
        command
    }
}

/// p99 of health checks in milliseconds, while RSA keys sign as fast as they can and without.
///
/// # Errors
/// When an answer is wrong.
pub(crate) fn beside_signing(
    server: &Tollgate,
    clients: &Clients,
    effort: Effort,
) -> Result<(f64, f64)> {
    let row = |scenario| Row {
        name: "",
        scenario,
        client: Client::Rs256,
        wanted: None,
    };
    let watch = Load::new(server, clients, &row("health"), 4).sharing();
    let sign = Load::new(server, clients, &row("token-jwt"), 16).sharing();
    let alone = watch.run_at(WATCH_RATE, effort)?.p99_us / 1e3;
    let longer = Effort {
        seconds: effort.seconds * 2.0,
        ..effort
    };
    let beside = thread::scope(|scope| {
        let signing = scope.spawn(|| sign.run(longer));
        let watched = watch.run_at(WATCH_RATE, effort);
        match signing.join() {
            Ok(signed) => signed.and(watched),
            Err(_) => bail!("the signing run was cut short"),
        }
    })?;
    Ok((beside.p99_us / 1e3, alone))
}

/// Runs the load generator as `command` says.
///
/// # Errors
/// When an answer is wrong.
pub(crate) fn report(command: &mut Command) -> Result<Report> {
    let output = command.stderr(Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{said}");
    }
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64);
    let report = Report {
        per_second: number("/per_second").context("no per_second")?,
        p50_us: number("/latency_us/p50").context("no p50")?,
        p99_us: number("/latency_us/p99").context("no p99")?,
        server_cpu_us: number("/server_cpu_us").unwrap_or_default(),
        load_busy: number("/load_busy").unwrap_or_default(),
    };
    println!(
        "  {}  {:.0}/s, {:.1} µs, p99 {:.0} µs, load {:.0} %",
        said.trim(),
        report.per_second,
        report.server_cpu_us,
        report.p99_us,
        report.load_busy * 100.0
    );
    Ok(report)
}
