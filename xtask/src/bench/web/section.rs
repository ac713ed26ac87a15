//! The results as Markdown.

use super::load::MANY;
use super::servers::{BARE, HTTP1, HTTP2, HTTP3, OURS};
use super::targets::targets;
use super::{CONNECTIONS, COUNTED, Results, Samples, Table};
use crate::bench::spread::Spread;
use std::fmt::{Result, Write as _};

/// The results as a section of the document.
pub(super) fn render(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = machine(&mut text, results);
    let _ = reached(&mut text, results);
    let _ = http1(&mut text, results);
    let (connections, streams) = MANY;
    let many = format!("{connections} connections × {streams} streams");
    let http2 = format!("HTTP/2 on plain text, {many}");
    let _ = counted(&mut text, &http2, &HTTP2, &results.http2);
    let http3 = format!("HTTP/3, {many}");
    let _ = counted(&mut text, &http3, &HTTP3, &results.http3);
    let _ = size(&mut text, results);
    let _ = bounds(&mut text, results);
    let _ = cache(&mut text, results);
    text
}

fn machine(text: &mut String, results: &Results) -> Result {
    let machine = &results.machine;
    writeln!(
        text,
        "Measured at commit {}: {} cores ({}), {}, {CONNECTIONS} connections, {} interleaved rounds \
         of {} s.",
        machine.commit,
        machine.cores,
        machine.processor,
        machine.kernel,
        results.effort.rounds,
        results.effort.seconds,
    )
}

fn reached(text: &mut String, results: &Results) -> Result {
    writeln!(
        text,
        "\n| tollgate-web | measured | wanted | met |\n|---|---|---|---|"
    )?;
    for target in targets(results) {
        let met = if target.is_met { "yes" } else { "**no**" };
        let (what, measured, wanted) = (target.what, target.measured, target.wanted);
        writeln!(text, "| {what} | {measured} | {wanted} | {met} |")?;
    }
    Ok(())
}

fn http1(text: &mut String, results: &Results) -> Result {
    writeln!(
        text,
        "\n| HTTP/1.1, hello | requests/s | × bare | CPU, µs/request | CPU × bare | p50, ms | p99, ms \
         | load generator | at a fixed rate | p50, ms | p99, ms |\n\
         |---|---|---|---|---|---|---|---|---|---|---|"
    )?;
    let spread = |list: &Vec<f64>| Spread::of(list.clone());
    for (name, called) in HTTP1 {
        let table = &results.http1;
        let (Some(samples), Some(bare)) = (table.get(name), table.get(BARE)) else {
            continue;
        };
        write!(
            text,
            "| {called} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} % busy |",
            spread(&samples.per_second),
            samples.speed_over(bare),
            spread(&samples.cpu_us).median,
            samples.cpu_over(bare),
            spread(&samples.p50_ms).median,
            spread(&samples.p99_ms).median,
            spread(&samples.load_busy).median * 100.0,
        )?;
        if let Some(latency) = results.latency.get(name) {
            let rate = spread(&latency.rate).median;
            let (p50, p99) = (spread(&latency.p50_ms), spread(&latency.p99_ms));
            write!(text, " {rate:.0}/s | {p50:.2} | {p99:.2} |")?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// The first of `order` is what the others are divided by.
fn counted(
    text: &mut String,
    title: &str,
    order: &[(&str, &str)],
    table: &Table<Samples>,
) -> Result {
    let Some(bare) = order.first().and_then(|(name, _)| table.get(name)) else {
        return Ok(());
    };
    writeln!(
        text,
        "\n| {title} | requests/s | × bare | CPU, µs/request | CPU × bare |\n|---|---|---|---|---|"
    )?;
    for (name, called) in order {
        if let Some(samples) = table.get(name) {
            writeln!(
                text,
                "| {called} | {} | {:.2} | {:.2} | {:.2} |",
                Spread::of(samples.per_second.clone()),
                samples.speed_over(bare),
                Spread::of(samples.cpu_us.clone()).median,
                samples.cpu_over(bare),
            )?;
        }
    }
    Ok(())
}

fn size(text: &mut String, results: &Results) -> Result {
    let connections = results.effort.idle_connections;
    writeln!(
        text,
        "\n| memory | {connections} idle connections | one of them | heap a request | taken | \
         instructions a request |\n|---|---|---|---|---|---|"
    )?;
    for name in COUNTED {
        let called = HTTP1.iter().find(|(known, _)| *known == name);
        let called = called.map_or(name, |(_, called)| *called);
        let bytes = results.idle.get(name).copied().unwrap_or_default() as f64;
        let (heap, times) = results.heap.get(name).copied().unwrap_or_default();
        let instructions = results.instructions.get(name);
        let instructions: f64 = instructions
            .into_iter()
            .flat_map(|each| each.values())
            .sum();
        writeln!(
            text,
            "| {called} | {:.1} MB | {:.0} bytes | {heap:.0} bytes | {times:.1} times | \
             {instructions:.0} |",
            bytes / 1e6,
            bytes / connections as f64,
        )?;
    }
    Ok(())
}

/// A bound, and the files that enforce it.
const BOUNDS: [(&str, &[&str]); 6] = [
    ("request id", &["request_id.rs"]),
    ("metrics", &["http_metrics.rs", "metrics/"]),
    (
        "time-outs, connection caps, drain",
        &[
            "serve/state.rs",
            "serve/stream.rs",
            "serve/connection.rs",
            "serve/early_error.rs",
            "serve/drain.rs",
        ],
    ),
    (
        "bounded body",
        &["body.rs", "serve/tracked_body.rs", "response.rs"],
    ),
    (
        "request time-out, panics, the rest of a request",
        &["serve/request.rs", "handler.rs"],
    ),
    ("work in flight", &["overload.rs"]),
];

fn bounds(text: &mut String, results: &Results) -> Result {
    let (Some(ours), Some(bare)) = (
        results.instructions.get(OURS),
        results.instructions.get(BARE),
    ) else {
        return Ok(());
    };
    let bare: f64 = bare.values().sum();
    writeln!(
        text,
        "\n| what each bound costs | instructions a request | of bare hyper's |\n|---|---|---|"
    )?;
    let mut row = |name: &str, count: f64| {
        writeln!(
            text,
            "| {name} | {count:.0} | {:.1} % |",
            count / bare * 100.0
        )
    };
    let mut named = 0.0;
    for (name, files) in BOUNDS {
        let mine = |file: &str| files.iter().any(|known| file.starts_with(known));
        let count = ours
            .iter()
            .filter(|(file, _)| mine(file))
            .map(|(_, count)| count)
            .sum();
        named += count;
        row(name, count)?;
    }
    let files = |file: &str| !file.is_empty();
    let all: f64 = ours
        .iter()
        .filter(|(file, _)| files(file))
        .map(|(_, count)| count)
        .sum();
    row("other files of ours", all - named)?;
    let total: f64 = ours.values().sum();
    row(
        "what these call: clocks, header map, atomics; longer head",
        total - all - bare,
    )?;
    row("all of it", total - bare)
}

fn cache(text: &mut String, results: &Results) -> Result {
    writeln!(
        text,
        "\n| application cache, 1M entries | ns of CPU |\n|---|---|"
    )?;
    for (name, spread) in &results.cache {
        writeln!(text, "| {name} | {spread} |")?;
    }
    Ok(())
}
