//! `tollgate-load`: load tests and baselines for the token service.
//!
//! One thread keeps many HTTP/1.1 connections busy, with one request at a time on each. An answer
//! counts only when its status and its body are right. With `--rate` requests start on a fixed
//! schedule and latency is measured from the moment a request was due, so that a stalled server
//! cannot hide its stall by slowing the load down.

#![expect(clippy::print_stderr, reason = "a command-line tool")]

mod arguments;
mod connection;
mod cpu;
mod engine;
mod error;
mod pace;
mod progress;
mod report;
mod request;
mod response;
mod scenario;

use arguments::Arguments;
use clap::Parser as _;
use error::LoadError;
use report::Report;
use std::io::Write as _;
use std::process::ExitCode;

/// What the exit code says.
enum Verdict {
    Good,
    Wrong,
    Slower,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Wrong | Verdict::Slower) => ExitCode::from(1),
        Err(error @ LoadError::Unreachable { .. }) => {
            eprintln!("tollgate-load: {error}");
            ExitCode::from(3)
        }
        Err(error) => {
            eprintln!("tollgate-load: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<Verdict, LoadError> {
    let target = arguments.target()?;
    let plan = arguments.plan(target.address)?;
    let baseline = arguments.baseline()?;
    let mut scenario = scenario::build(arguments, &target)?;
    eprintln!(
        "{}: {} connections to {}",
        arguments.scenario, plan.connections, target.address
    );
    let outcome = engine::run(&plan, scenario.as_mut())?;
    let probes = scenario.probes();
    let probes_failed = engine::probe(&target, &probes)?;
    let report = Report::new(arguments, &outcome, probes.len(), probes_failed);
    let mut stdout = std::io::stdout();
    if arguments.json {
        writeln!(stdout, "{}", report.to_json()?)?;
    } else {
        writeln!(stdout, "{report}")?;
    }
    if report.is_wrong() {
        eprintln!("tollgate-load: wrong answers: {}", report.complaints());
        return Ok(Verdict::Wrong);
    }
    let slower = baseline.and_then(|baseline| report.compare(&baseline, arguments.tolerance));
    match slower {
        None => Ok(Verdict::Good),
        Some(regression) => {
            eprintln!("tollgate-load: {regression}");
            Ok(Verdict::Slower)
        }
    }
}
