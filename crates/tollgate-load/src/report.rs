//! What a run found, for people and for programs, and its comparison with an earlier one.

use crate::arguments::Arguments;
use crate::engine::Outcome;
use crate::error::LoadError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The report of one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    scenario: String,
    connections: usize,
    /// Requests a second asked for; none: as many as were answered.
    rate: Option<f64>,
    seconds: f64,
    /// Right answers within the measured time.
    right: u64,
    per_second: f64,
    /// Wrong answers of the whole run by cause.
    wrong: BTreeMap<String, u64>,
    wrong_example: Option<String>,
    /// Questions asked after the run, and how many were answered wrongly.
    probes: usize,
    probes_failed: u64,
    latency_us: Latency,
    /// Processor time of the server for one right answer, microseconds.
    server_cpu_us: Option<f64>,
    /// How busy the load generator itself was: 1 is a whole core.
    load_busy: Option<f64>,
}

/// Latency in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// How far a run falls behind its baseline.
#[derive(Debug, PartialEq)]
pub(crate) enum Regression {
    /// Fewer requests a second.
    Throughput { now: f64, before: f64 },
    /// A higher 99th percentile, in microseconds.
    Latency { now: f64, before: f64 },
}

impl Report {
    /// The report of `outcome`.
    pub(crate) fn new(
        arguments: &Arguments,
        outcome: &Outcome,
        probes: usize,
        probes_failed: u64,
    ) -> Self {
        let seconds = outcome.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let right = to_f64(outcome.right);
        let microseconds = |cpu: Duration| cpu.as_secs_f64() * 1e6 / right.max(1.0);
        let at = |quantile: f64| to_f64(outcome.latency.value_at_quantile(quantile)) / 1e3;
        Self {
            scenario: arguments.scenario.to_string(),
            connections: arguments.connections,
            rate: arguments.rate,
            seconds,
            right: outcome.right,
            per_second: right / seconds,
            wrong: outcome.wrong.clone(),
            wrong_example: outcome.example.clone(),
            probes,
            probes_failed,
            latency_us: Latency {
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p999: at(0.999),
                max: to_f64(outcome.latency.max()) / 1e3,
            },
            server_cpu_us: outcome.server_cpu.map(microseconds),
            load_busy: outcome.own_cpu.map(|cpu| cpu.as_secs_f64() / seconds),
        }
    }

    /// The report as one line of JSON.
    ///
    /// # Errors
    /// Never in practice: every member has a JSON form.
    pub(crate) fn to_json(&self) -> Result<String, LoadError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Whether anything was answered wrongly, or nothing at all.
    pub(crate) fn is_wrong(&self) -> bool {
        self.right == 0 || !self.wrong.is_empty() || self.probes_failed > 0
    }

    /// What was wrong, for people.
    pub(crate) fn complaints(&self) -> String {
        let mut list: Vec<String> = self
            .wrong
            .iter()
            .map(|(cause, count)| format!("{count} × {cause}"))
            .collect();
        if self.probes_failed > 0 {
            list.push(format!("{} of {} probes", self.probes_failed, self.probes));
        }
        if self.right == 0 {
            list.push("no right answer".to_owned());
        }
        list.extend(self.wrong_example.clone());
        list.join("; ")
    }

    /// Refuses a baseline that `arguments` ask for another kind of run than.
    ///
    /// # Errors
    /// When scenario, connections or rate differ.
    pub(crate) fn expect_run_of(&self, arguments: &Arguments) -> Result<(), LoadError> {
        let own = (&*self.scenario, self.connections, self.rate);
        let asked = arguments.scenario.to_string();
        if own == (&*asked, arguments.connections, arguments.rate) {
            return Ok(());
        }
        let rate = match self.rate {
            Some(rate) => format!("at {rate} requests/s"),
            None => "without a rate".to_owned(),
        };
        Err(LoadError::Usage(format!(
            "the baseline is of {} on {} connections {rate}",
            self.scenario, self.connections
        )))
    }

    /// Whether this run is slower than `baseline` by more than `tolerance`.
    pub(crate) fn compare(&self, baseline: &Self, tolerance: f64) -> Option<Regression> {
        let [now, before] = [self, baseline].map(|report| report.per_second);
        if now < before * (1.0 - tolerance) {
            return Some(Regression::Throughput { now, before });
        }
        // On a schedule as many are answered as were asked for, however long each takes.
        self.rate?;
        let [now, before] = [self, baseline].map(|report| report.latency_us.p99);
        (now > before * (1.0 + tolerance)).then_some(Regression::Latency { now, before })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = &self.latency_us;
        writeln!(
            f,
            "{:.0} requests/s: {} right answers in {:.2} s on {} connections",
            self.per_second, self.right, self.seconds, self.connections
        )?;
        write!(
            f,
            "latency, µs: p50 {:.0}, p90 {:.0}, p99 {:.0}, p99.9 {:.0}, max {:.0}",
            latency.p50, latency.p90, latency.p99, latency.p999, latency.max
        )?;
        if let Some(cpu) = self.server_cpu_us {
            write!(f, "\nserver: {cpu:.1} µs of processor time a request")?;
        }
        if self.probes > 0 {
            let (probes, failed) = (self.probes, self.probes_failed);
            write!(
                f,
                "\nasked about {probes} tokens afterwards, {failed} answered wrongly"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("slower than the baseline: ")?;
        match self {
            Self::Throughput { now, before } => write!(f, "{now:.0} requests/s, not {before:.0}"),
            Self::Latency { now, before } => {
                write!(f, "99 % within {now:.0} µs, not {before:.0}")
            }
        }
    }
}

/// Counts and nanoseconds of a load run stay far below the 2^53 that a float holds exactly.
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn report(scenario: &str, per_second: f64) -> Report {
        let latency = Latency {
            p50: 0.0,
            p90: 0.0,
            p99: 0.0,
            p999: 0.0,
            max: 0.0,
        };
        Report {
            scenario: scenario.to_owned(),
            connections: 64,
            rate: None,
            seconds: 1.0,
            right: 1,
            per_second,
            wrong: BTreeMap::new(),
            wrong_example: None,
            probes: 0,
            probes_failed: 0,
            latency_us: latency,
            server_cpu_us: None,
            load_busy: None,
        }
    }

    #[test]
    fn only_a_real_fall_is_a_regression() {
        let check = |now: f64, slower: bool| {
            let found = report("health", now).compare(&report("health", 1000.0), 0.1);
            assert_eq!(found.is_some(), slower, "{now}");
        };
        check(1100.0, false);
        check(1000.0, false);
        check(901.0, false);
        check(899.0, true);
    }

    #[test]
    fn on_a_schedule_latency_counts() {
        let run = |rate: Option<f64>, p99: f64| {
            let mut report = report("health", 1000.0);
            report.rate = rate;
            report.latency_us.p99 = p99;
            report
        };
        let check = |rate: Option<f64>, p99: f64, slower: bool| {
            let found = run(rate, p99).compare(&run(rate, 100.0), 0.1);
            assert_eq!(found.is_some(), slower, "{rate:?} {p99}");
        };
        check(Some(1000.0), 90.0, false);
        check(Some(1000.0), 109.0, false);
        check(Some(1000.0), 111.0, true);
        // Without one, latency follows from the number of connections.
        check(None, 111.0, false);
        let slower = run(Some(1000.0), 5000.0).compare(&run(Some(1000.0), 1000.0), 0.1);
        let said = slower.map(|slower| slower.to_string());
        assert_eq!(
            said.as_deref(),
            Some("slower than the baseline: 99 % within 5000 µs, not 1000")
        );
    }

    #[test]
    fn a_baseline_is_of_the_same_kind_of_run() {
        let check = |words: &[&str], good: bool| {
            let words = [&["tollgate-load"], words].concat();
            let arguments = Arguments::parse_from(&words);
            let found = report("health", 1.0).expect_run_of(&arguments);
            assert_eq!(found.is_ok(), good, "{words:?}");
        };
        check(&["health"], true);
        check(&["revoke"], false);
        check(&["health", "--connections", "63"], false);
        check(&["health", "--rate", "100"], false);
    }

    #[test]
    fn wrong_answers_are_not_good_ones() {
        let good = report("health", 1.0);
        assert!(!good.is_wrong());
        assert!(
            Report {
                right: 0,
                ..good.clone()
            }
            .is_wrong()
        );
        assert!(
            Report {
                probes_failed: 1,
                ..good.clone()
            }
            .is_wrong()
        );
        let wrong = BTreeMap::from([("status 500".to_owned(), 1)]);
        assert!(Report { wrong, ..good }.is_wrong());
    }

    #[test]
    fn reports_survive_json() {
        let text = report("health", 7.0).to_json().expect("JSON");
        let back: Report = serde_json::from_str(&text).expect("a report");
        assert_eq!(back.to_json().expect("JSON"), text);
    }
}
