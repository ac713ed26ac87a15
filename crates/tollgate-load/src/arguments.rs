//! The command line.

use crate::engine::Plan;
use crate::error::LoadError;
use crate::report::Report;
use crate::request::basic;
use crate::scenario::{Name, Target};
use clap::Parser;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

/// Where the client's secret is found when no file is named.
const SECRET_VARIABLE: &str = "TOLLGATE_LOAD_SECRET";

/// Load tests and baselines for the token service.
///
/// Exits with 0 when every answer was right and no baseline was missed, 1 otherwise, 2 when the run
/// could not be made, 3 when nobody listens.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Arguments {
    /// What to ask.
    #[arg(value_enum)]
    pub(crate) scenario: Name,
    /// The server: `http://HOST:PORT`.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// The path of the scenarios `get` and `form`.
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    /// The client that asks.
    #[arg(long, default_value = "demo")]
    pub(crate) client: String,
    /// The file with its secret; without it the environment variable `TOLLGATE_LOAD_SECRET`.
    #[arg(long)]
    pub(crate) secret_file: Option<PathBuf>,
    /// The scope that is asked for.
    #[arg(long)]
    pub(crate) scope: Option<String>,
    /// The resource that tokens are asked for.
    #[arg(long)]
    pub(crate) resource: Option<String>,
    /// Connections kept busy.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Seconds before the measured time.
    #[arg(long, default_value_t = 0.5)]
    pub(crate) warm_up: f64,
    /// Seconds measured.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Requests a second on a fixed schedule; without it as many as are answered.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Tokens issued beforehand by the scenarios that spend them; the run ends when none is left.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) tokens: usize,
    /// The server's process, to count its processor time.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Poll for answers and never go to sleep: over loopback, waking the sleeper would be charged
    /// to the server.
    #[arg(long)]
    pub(crate) spin: bool,
    /// Print the report as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// An earlier report (`--json`) of the same scenario, connections and rate; being slower than it
    /// is a failure: fewer requests a second or, with `--rate`, a higher 99th percentile of latency
    /// too.
    #[arg(long)]
    pub(crate) baseline: Option<PathBuf>,
    /// How much slower than the baseline is still good, from 0 to below 1: 0.1 is a tenth.
    #[arg(long, default_value_t = 0.1)]
    pub(crate) tolerance: f64,
}

impl Arguments {
    /// The server and the client, resolved.
    ///
    /// # Errors
    /// When the URL or the secret cannot be used.
    pub(crate) fn target(&self) -> Result<Target, LoadError> {
        let host = self
            .url
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'))
            .filter(|host| !host.is_empty() && !host.contains('/'))
            .ok_or_else(|| LoadError::Usage(format!("{}: not http://HOST:PORT", self.url)))?;
        let secret = self.secret()?;
        Ok(Target {
            address: resolve(host)?,
            host: host.to_owned(),
            authorization: basic(&self.client, &secret),
        })
    }

    /// The run.
    ///
    /// # Errors
    /// When a number is out of range.
    pub(crate) fn plan(&self, address: SocketAddr) -> Result<Plan, LoadError> {
        let seconds = |name: &str, value: f64| {
            Duration::try_from_secs_f64(value)
                .map_err(|error| LoadError::Usage(format!("--{name}: {error}")))
        };
        if self.rate.is_some_and(|rate| !(1.0..=10e6).contains(&rate)) {
            return Err(LoadError::Usage("--rate: 1 to 10000000".to_owned()));
        }
        if !(1..=20_000).contains(&self.connections) {
            return Err(LoadError::Usage("--connections: 1 to 20000".to_owned()));
        }
        Ok(Plan {
            address,
            connections: self.connections,
            warm_up: seconds("warm-up", self.warm_up)?,
            duration: seconds("seconds", self.seconds)?,
            rate: self.rate,
            pid: self.pid,
            spin: self.spin,
            label: "measuring",
        })
    }

    /// The baseline, if there is one.
    ///
    /// # Errors
    /// When it cannot be read or is of another kind of run, or the tolerance makes no sense.
    pub(crate) fn baseline(&self) -> Result<Option<Report>, LoadError> {
        if !(0.0..1.0).contains(&self.tolerance) {
            return Err(LoadError::Usage("--tolerance: 0 to below 1".to_owned()));
        }
        let Some(file) = &self.baseline else {
            return Ok(None);
        };
        let baseline: Report = serde_json::from_str(&std::fs::read_to_string(file)?)?;
        baseline.expect_run_of(self)?;
        Ok(Some(baseline))
    }

    fn secret(&self) -> Result<String, LoadError> {
        match &self.secret_file {
            Some(file) => Ok(std::fs::read_to_string(file)?.trim_end().to_owned()),
            None => Ok(std::env::var(SECRET_VARIABLE).unwrap_or_default()),
        }
    }
}

fn resolve(host: &str) -> Result<SocketAddr, LoadError> {
    let unreachable = |source| LoadError::Unreachable {
        address: host.to_owned(),
        source,
    };
    let mut addresses = host.to_socket_addrs().map_err(unreachable)?;
    addresses
        .next()
        .ok_or_else(|| LoadError::Usage(format!("{host}: no address")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn only_plain_servers_are_targets() {
        let check = |url: &str, good: bool| {
            let arguments = Arguments::parse_from(["tollgate-load", "health", "--url", url]);
            assert_eq!(arguments.target().is_ok(), good, "{url}");
        };
        check("http://127.0.0.1:80", true);
        check("http://127.0.0.1:80/", true);
        check("https://127.0.0.1:80", false);
        check("http://127.0.0.1:80/path", false);
        check("127.0.0.1:80", false);
        check("http://", false);
    }

    #[test]
    fn tolerances_that_nothing_fails_are_refused() {
        let check = |value: &str, good: bool| {
            let words = ["tollgate-load", "health", "--tolerance", value];
            let arguments = Arguments::parse_from(words);
            assert_eq!(arguments.baseline().is_ok(), good, "{value}");
        };
        check("0", true);
        check("0.99", true);
        for bad in ["1", "nan", "inf", "5"] {
            check(bad, false);
        }
    }

    #[test]
    fn impossible_runs_are_refused() {
        let check = |option: &str, value: &str, good: bool| {
            let words = ["tollgate-load", "health", option, value];
            let plan = Arguments::parse_from(words).plan(([127, 0, 0, 1], 1).into());
            assert_eq!(plan.is_ok(), good, "{option} {value}");
        };
        check("--connections", "1", true);
        check("--connections", "0", false);
        check("--rate", "1000", true);
        check("--rate", "0", false);
        check("--seconds", "0.5", true);
        check("--seconds=-1", "--json", false);
    }
}
