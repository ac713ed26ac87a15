//! Who asks, on core 1: our own generator over HTTP/1.1, h2load over HTTP/2, and over HTTP/3 a
//! client of `bench/web`.

use super::servers::{Server, compare};
use super::{CONNECTIONS, Effort};
use crate::bench::load::{Report, report};
use crate::bench::process::{pinned, program};
use crate::run::output;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;

/// Connections over HTTP/2 and HTTP/3, and the requests under way on each.
pub(super) const MANY: (usize, usize) = (4, 100);

/// A run of so many requests.
pub(super) struct Counted {
    pub(super) per_second: f64,
    /// Microseconds of the server's processor time for one of them.
    pub(super) cpu_us: f64,
}

/// One run over HTTP/1.1: at `rate` requests a second, or as fast as answers come.
///
/// # Errors
/// When an answer is wrong.
pub(super) fn http1(server: &Server, rate: Option<f64>, effort: &Effort) -> Result<Report> {
    let mut command = pinned(1, &program("tollgate-load"));
    command
        .args(["hello", "--json", "--spin"])
        .arg(format!("--url=http://{}", server.address))
        .arg(format!("--connections={CONNECTIONS}"))
        .arg(format!("--seconds={}", effort.seconds))
        .arg(format!("--pid={}", server.pid()));
    command.args(rate.map(|rate| format!("--rate={rate}")));
    report(&mut command)
}

/// One run over HTTP/2 on plain text.
///
/// # Errors
/// When an answer is wrong.
pub(super) fn http2(h2load: &Path, server: &Server, effort: &Effort) -> Result<Counted> {
    let (connections, streams) = MANY;
    let requests = effort.http2_requests;
    let mut command = pinned(1, h2load);
    command
        .arg(format!("--requests={requests}"))
        .arg(format!("--clients={connections}"))
        .arg(format!("--max-concurrent-streams={streams}"))
        .arg(format!("http://{}/", server.address));
    let mut seconds = 0.0;
    let cpu_us = cpu_each(server.pid(), requests, || {
        seconds = read_h2load(&output(&mut command)?, requests)?;
        Ok(())
    })?;
    Ok(counted(requests, seconds, cpu_us))
}

/// One run over HTTP/3.
///
/// # Errors
/// When an answer is wrong.
pub(super) fn http3(server: &Server, tls: &Path, effort: &Effort) -> Result<Counted> {
    let (connections, streams) = MANY;
    let requests = effort.http3_requests;
    let mut command = pinned(1, &compare());
    command
        .args(["http3", &server.address.to_string(), &requests.to_string()])
        .arg(format!("--connections={connections}"))
        .arg(format!("--streams={streams}"))
        .arg("--tls")
        .arg(tls);
    let mut seconds = 0.0;
    let cpu_us = cpu_each(server.pid(), requests, || {
        seconds = output(&mut command)?.trim().parse()?;
        Ok(())
    })?;
    Ok(counted(requests, seconds, cpu_us))
}

fn counted(requests: usize, seconds: f64, cpu_us: f64) -> Counted {
    let per_second = requests as f64 / seconds.max(f64::MIN_POSITIVE);
    println!("  {per_second:.0}/s, {cpu_us:.1} µs");
    Counted { per_second, cpu_us }
}

/// The seconds that h2load took, when every answer was 200 and hello.
fn read_h2load(said: &str, requests: usize) -> Result<f64> {
    let bytes = requests * "hello".len();
    for right in [
        format!(" {requests} succeeded, 0 failed, 0 errored, 0 timeout"),
        format!("status codes: {requests} 2xx,"),
        format!("({bytes}) data"),
    ] {
        ensure!(
            said.contains(&right),
            "h2load does not say {right}:\n{said}"
        );
    }
    let rate = said.lines().find_map(|line| {
        let (_, rest) = line.strip_prefix("finished in ")?.split_once(", ")?;
        let (rate, _) = rest.split_once(" req/s")?;
        rate.parse::<f64>().ok()
    });
    match rate {
        Some(rate) if rate > 0.0 => Ok(requests as f64 / rate),
        _ => bail!("h2load says no rate:\n{said}"),
    }
}

/// Microseconds of processor time of the process `pid` for each of `requests` while `run` runs.
fn cpu_each(pid: u32, requests: usize, run: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = cpu_ticks(pid)?;
    run()?;
    let ticks = cpu_ticks(pid)? - before;
    // A tick is a hundredth of a second, whatever the kernel's own.
    Ok(ticks as f64 * 10_000.0 / requests as f64)
}

/// The 14th and 15th fields; the name in brackets before them may hold spaces and brackets.
fn cpu_ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(") ").context("/proc/PID/stat")?.1;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<Result<u64, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_right_answers_of_h2load_count() {
        let said = |succeeded: &str, codes: &str, data: &str| {
            format!(
                "finished in 12.50ms, 8000.00 req/s, 1.00MB/s\n\
                 requests: 100 total, 100 started, 100 done, {succeeded}\n\
                 status codes: {codes}, 0 3xx, 0 4xx, 0 5xx\n\
                 traffic: 3KB (3000) total, 1KB (1000) headers (space savings 90%), {data} data\n"
            )
        };
        let good = "100 succeeded, 0 failed, 0 errored, 0 timeout";
        let seconds = read_h2load(&said(good, "100 2xx", "500B (500)"), 100);
        assert!(seconds.is_ok_and(|seconds| (seconds - 0.0125).abs() < 1e-9));
        for wrong in [
            said(
                "99 succeeded, 1 failed, 0 errored, 0 timeout",
                "100 2xx",
                "500B (500)",
            ),
            said(good, "99 2xx", "500B (500)"),
            said(good, "100 2xx", "500B (400)"),
        ] {
            assert!(read_h2load(&wrong, 100).is_err(), "{wrong}");
        }
    }
}
