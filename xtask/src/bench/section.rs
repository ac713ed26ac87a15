//! The results as Markdown, and their place in `docs/performance.md`.

use super::rows::Baseline;
use super::spread::Spread;
use super::{Measured, ROWS, Results, Row};
use crate::run::root;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::fs;

/// Milliseconds that p99 must stay below.
const P99_MS_MAX: f64 = 5.0;

/// Puts `text` between the marks of `command` in `docs/performance.md`.
///
/// # Errors
/// When the document or its marks are not there.
pub(crate) fn write(command: &str, text: &str) -> Result<()> {
    let path = root().join("docs/performance.md");
    let document = fs::read_to_string(&path).context("docs/performance.md")?;
    fs::write(
        path,
        replace(&document, command, text).context("docs/performance.md has lost its marks")?,
    )?;
    Ok(())
}

fn replace(document: &str, command: &str, text: &str) -> Option<String> {
    let begin = format!("<!-- begin: {command} -->");
    let end = format!("<!-- end: {command} -->");
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{text}\n{end}{after}"))
}

/// The results as a section of the document.
pub(crate) fn render(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = machine(&mut text, results);
    let _ = speed(&mut text, results);
    let _ = size(&mut text, results);
    text
}

fn machine(text: &mut String, results: &Results) -> std::fmt::Result {
    let machine = &results.machine;
    writeln!(
        text,
        "Measured at commit {}: {} cores ({}), {}, `fdatasync` of an append {:.3} ms, {} \
         connections, {} interleaved repetitions of {} s.",
        machine.commit,
        machine.cores,
        machine.processor,
        machine.kernel,
        machine.sync.as_secs_f64() * 1e3,
        results.connections,
        results.effort.repetitions,
        results.effort.seconds,
    )?;
    writeln!(
        text,
        "\n| bare hyper on the same core | requests/s | CPU, µs/request | p99 at 70 %, ms |\n\
         |---|---|---|---|"
    )?;
    for (baseline, measured) in &results.baselines {
        writeln!(
            text,
            "| {} | {} | {:.1} | {:.2} |",
            baseline.name(),
            measured.per_second,
            measured.cpu_us,
            measured.p99_ms
        )?;
    }
    Ok(())
}

fn speed(text: &mut String, results: &Results) -> std::fmt::Result {
    writeln!(
        text,
        "\n| operation | requests/s | × bare | wanted | met | CPU, µs/request | × bare by CPU | \
         p99 at 70 %, ms | load generator |\n|---|---|---|---|---|---|---|---|---|"
    )?;
    for (told, measured) in ROWS.iter().zip(&results.rows) {
        row(text, told, measured)?;
    }
    let (beside, alone) = results.beside_signing;
    writeln!(
        text,
        "\nHealth checks at 2000/s while RS256 tokens are signed as fast as one core can: p99 \
         {beside:.2} ms; without that load {alone:.2} ms."
    )?;
    writeln!(text, "\nRate limiter:")?;
    for line in results
        .limiter
        .lines()
        .filter(|line| line.contains("ns a check"))
    {
        writeln!(text, "- {line}")?;
    }
    Ok(())
}

fn row(text: &mut String, row: &Row, measured: &Measured) -> std::fmt::Result {
    let (wanted, met) = match (row.wanted, measured.ratio) {
        (Some((baseline, share)), Some(ratio)) => {
            let of = if baseline == Baseline::Hello {
                "hello"
            } else {
                "form"
            };
            let met = if ratio.median >= share {
                "yes"
            } else {
                "**no**"
            };
            (format!("{share} × {of}"), met)
        }
        _ => ("one signature + 10 µs of CPU".to_owned(), ""),
    };
    let two = |ratio: Option<Spread>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let late = if measured.p99_ms.median < P99_MS_MAX {
        ""
    } else {
        "**"
    };
    writeln!(
        text,
        "| {} | {} | {} | {wanted} | {met} | {:.1} | {} | {late}{:.2}{late} | {:.0} % busy |",
        row.name,
        measured.per_second,
        two(measured.ratio),
        measured.cpu_us.median,
        two(measured.cpu_ratio),
        measured.p99_ms,
        measured.load_busy * 100.0
    )
}

fn size(text: &mut String, results: &Results) -> std::fmt::Result {
    let memory = &results.memory;
    let megabytes = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    let seconds = |time: std::time::Duration| format!("{:.2} s", time.as_secs_f64());
    // Less than the full run has nothing to be compared with.
    let full = |wanted: &'static str| {
        if memory.tokens == 1_000_000 {
            wanted
        } else {
            ""
        }
    };
    let tokens = memory.tokens;
    let lines = [
        (
            "idle, resident".to_owned(),
            megabytes(memory.idle),
            "< 30 MB",
        ),
        (
            format!("{tokens} opaque tokens, resident"),
            megabytes(memory.full),
            full("< 250 MB"),
        ),
        (
            "the same after a restart".to_owned(),
            megabytes(memory.restarted),
            full("< 250 MB"),
        ),
        (
            format!("{tokens} opaque tokens on disk"),
            megabytes(memory.disk),
            full("< 300 MB"),
        ),
        (
            "start on an empty store".to_owned(),
            seconds(memory.start_empty),
            "",
        ),
        (
            format!("start with {tokens} tokens"),
            seconds(memory.start_full),
            full("< 1 s"),
        ),
    ];
    writeln!(
        text,
        "\n| memory, disk, start | measured | wanted |\n|---|---|---|"
    )?;
    for (name, value, wanted) in lines {
        writeln!(text, "| {name} | {value} | {wanted} |")?;
    }
    writeln!(
        text,
        "| introspection over all of them | {:.0} requests/s | full speed |",
        memory.lookups_per_second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let document = |own: &str| {
            format!(
                "a\n<!-- begin: x y -->\nz\n<!-- end: x y -->\n\
                 <!-- begin: x -->\n{own}\n<!-- end: x -->\nz\n"
            )
        };
        assert_eq!(replace(&document("old"), "x", "new"), Some(document("new")));
        assert_eq!(replace(&document("old"), "y", "new"), None);
    }
}
