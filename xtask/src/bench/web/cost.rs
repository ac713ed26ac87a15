//! What does not hang on the clock: instructions of a request by the file that holds them, heap of a
//! request, memory of idle connections; and what the crate's own benches say.

use super::servers::{Server, compare};
use crate::bench::memory::resident;
use crate::bench::process::{free_address, pinned};
use crate::bench::spread::Spread;
use crate::run::{cargo, output, root, target};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Requests in the shorter run and in the longer; the difference leaves out what happens once.
const REQUESTS: (u32, u32) = (500, 5500);
/// Where our own files are.
const OURS: &str = "tollgate-web/src/";

/// Instructions of one request by file: the part of the path behind [`OURS`], or nothing for all else.
pub(super) type Instructions = BTreeMap<String, f64>;

/// Counts the instructions that the server takes for a request, without those of the kernel.
///
/// # Errors
/// When they cannot be counted.
pub(super) fn instructions(name: &str) -> Result<Instructions> {
    let file = target().join("bench/cachegrind");
    let options = [
        "--tool=cachegrind".to_owned(),
        "--cache-sim=no".to_owned(),
        format!("--cachegrind-out-file={}", file.display()),
    ];
    let count = |requests| {
        under_valgrind(&options, name, requests)?;
        Ok::<_, anyhow::Error>(by_file(&fs::read_to_string(&file)?))
    };
    let (few, many) = REQUESTS;
    let fewer = count(few)?;
    let mut each = count(many)?;
    for (file, count) in &mut each {
        *count -= fewer.get(file).copied().unwrap_or_default();
        *count /= f64::from(many - few);
    }
    Ok(each)
}

/// Bytes that the server takes from the heap for a request, and in how many pieces.
///
/// # Errors
/// When they cannot be counted.
pub(super) fn heap(name: &str) -> Result<(f64, f64)> {
    let options = ["--tool=dhat", "--dhat-out-file=/dev/null"].map(str::to_owned);
    let count = |requests| {
        let said = under_valgrind(&options, name, requests)?;
        total(&said).with_context(|| format!("valgrind says no total:\n{said}"))
    };
    let (few, many) = REQUESTS;
    let (fewer, more) = (count(few)?, count(many)?);
    let each = |fewer: f64, more: f64| (more - fewer) / f64::from(many - few);
    Ok((each(fewer.0, more.0), each(fewer.1, more.1)))
}

/// What valgrind says at the end of a server that has been asked so often on one connection.
fn under_valgrind(options: &[String], name: &str, requests: u32) -> Result<String> {
    let address = free_address()?;
    let log = target().join("bench/valgrind");
    let mut command = Command::new("valgrind");
    command
        .args(options)
        .arg(format!("--log-file={}", log.display()))
        .arg(compare())
        .args(["serve", name, "--listen", &address.to_string()]);
    let server = Server::start_as(&mut command, address)?;
    let asked = ["ask", &address.to_string(), &requests.to_string()];
    output(Command::new(compare()).args(asked))?;
    server.stop()?;
    Ok(fs::read_to_string(&log)?)
}

/// The counts in `==1234== Total:     1,234 bytes in 56 blocks`.
fn total(said: &str) -> Option<(f64, f64)> {
    let line = said.lines().find(|line| line.contains(" Total: "))?;
    let number = |word: &str| word.replace(',', "").parse::<f64>().ok();
    let mut numbers = line.split_whitespace().skip(1).filter_map(number);
    Some((numbers.next()?, numbers.next()?))
}

/// Sums a file of cachegrind up: `fl=` says the file of the lines that follow, each of which is a
/// line number and a count.
fn by_file(text: &str) -> Instructions {
    let mut sums = Instructions::new();
    let mut file = String::new();
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("fl=") {
            let ours = path.split_once(OURS).map_or("", |(_, ours)| ours);
            ours.clone_into(&mut file);
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let count = line
                .split_once(' ')
                .and_then(|(_, count)| count.parse().ok());
            *sums.entry(file.clone()).or_default() += count.unwrap_or(0.0);
        }
    }
    sums
}

/// Bytes that become resident while so many connections stand open after one answer each.
///
/// # Errors
/// When an answer is wrong.
pub(super) fn idle(name: &str, connections: usize) -> Result<u64> {
    let server = Server::start(name)?;
    let before = resident(server.pid())?;
    let mut client = pinned(1, &compare())
        .args([
            "idle",
            &server.address.to_string(),
            &connections.to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    let stdout = client.stdout.take().context("no output")?;
    BufReader::new(stdout).read_line(&mut said)?;
    let after = resident(server.pid())?;
    drop(client.stdin.take());
    client.wait()?;
    let open: usize = said
        .trim()
        .parse()
        .context("the connections did not open")?;
    ensure!(open == connections, "{open} connections are open");
    Ok(after.saturating_sub(before))
}

/// What a bench of the crate says: nanoseconds by name, in the order of the first saying.
///
/// # Errors
/// When it does not build or run.
pub(super) fn bench(name: &str, features: &str) -> Result<Vec<(String, Spread)>> {
    let options = ["bench", "-q", "-p", "tollgate-web", "--features", features];
    let mut build = cargo();
    output(build.args(options).args(["--bench", name, "--no-run"]))?;
    let mut run = pinned(1, Path::new(cargo().get_program()));
    run.current_dir(root())
        .args(options)
        .args(["--bench", name]);
    Ok(read_bench(&output(&mut run)?))
}

fn read_bench(said: &str) -> Vec<(String, Spread)> {
    let mut all: Vec<(String, Vec<f64>)> = Vec::new();
    for line in said.lines() {
        let Some((name, nanos)) = line.strip_suffix(" ns").and_then(|rest| {
            let (name, nanos) = rest.rsplit_once(' ')?;
            Some((name.trim(), nanos.parse().ok()?))
        }) else {
            continue;
        };
        match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, list)) => list.push(nanos),
            None => all.push((name.to_owned(), vec![nanos])),
        }
    }
    let spread = |(name, list)| (name, Spread::of(list));
    all.into_iter().map(spread).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_summed_by_file() {
        let text = "events: Ir\nfl=/a/tollgate-web/src/body.rs\nfn=one\n7 10\n8 5\n\
                    fl=/b/hyper/src/body.rs\nfn=two\n1 3\nfl=/a/tollgate-web/src/body.rs\nfn=x\n9 1\n\
                    fl=???\n0 4\nsummary: 23\n";
        let sums = by_file(text);
        assert_eq!(sums.get("body.rs"), Some(&16.0));
        assert_eq!(sums.get(""), Some(&7.0));
    }

    #[test]
    fn the_total_of_the_heap_is_read() {
        let said =
            "==7== Total:     4,679,705 bytes in 3,533 blocks\n==7== At t-end:  1 bytes in 1\n";
        assert_eq!(total(said), Some((4_679_705.0, 3533.0)));
        assert_eq!(total("==7== nothing\n"), None);
    }

    #[test]
    fn benches_are_read() {
        let said = "set            10.5 ns\n3 entries, 5 bytes each\nset             20.5 ns\nCORS  7 ns\n";
        let rows = read_bench(said);
        let median = |name: &str| {
            let row = rows.iter().find(|(known, _)| known == name);
            row.map(|(_, spread)| spread.median)
        };
        assert_eq!(rows.len(), 2);
        assert_eq!(median("set"), Some(15.5));
        assert_eq!(median("CORS"), Some(7.0));
    }
}
