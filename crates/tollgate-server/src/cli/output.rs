//! What commands print: results on stdout, as JSON lines or for people; remarks on stderr.

use std::io::{self, Write as _};

use serde_json::Value;

use super::Failure;

/// Prints one JSON object on a line of its own.
pub(crate) fn json(value: &Value) -> Result<(), Failure> {
    line(&escaped(&value.to_string()))
}

/// Prints one line of a result.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let printed = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    printed.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Unread,
        _ => Failure::Refused(anyhow::Error::new(error).context("failed to write to stdout")),
    })
}

/// Whoever reads a list may have had enough of it, and a verdict that is not read stands; a secret
/// or a deed that nobody is told of is another matter.
pub(crate) fn enough(printed: Result<(), Failure>) -> Result<(), Failure> {
    match printed {
        Err(Failure::Unread) => Ok(()),
        printed => printed,
    }
}

/// Says something that is no result.
pub(crate) fn remark(text: &str) {
    // A closed stderr is no reason to give up what was asked for.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints `rows` under `heads`, in columns.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells
            .chain(heads.get(column).map(|head| head.len()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let format = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_uppercase()).collect();
    line(&format(&heads))?;
    rows.iter().try_for_each(|row| line(&format(row)))
}

/// Prints the members of an object, one a line; empty ones are left out.
pub(crate) fn members(object: &Value) -> Result<(), Failure> {
    let Value::Object(members) = object else {
        return json(object);
    };
    let shown = members
        .iter()
        .map(|(name, value)| (name, printable(&text(name, value))));
    let shown: Vec<_> = shown.filter(|(_, text)| !text.is_empty()).collect();
    let width = shown.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    shown
        .iter()
        .try_for_each(|(name, text)| line(&format!("{name:<width$}  {text}")))
}

/// A value as people read it; dates as dates.
pub(crate) fn text(name: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) if is_date(name) => number.as_u64().map_or_else(String::new, date),
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(|item| text("", item)).collect();
            texts.join(" ")
        }
        other => other.to_string(),
    }
}

/// `text` without what talks to a terminal: whoever asks for a token chooses its data and subject.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The JSON `text` without what talks to a terminal: of control characters the format itself has
/// only those below space escaped (RFC 8259 §7). They can only stand within strings.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if ('\u{7f}'..='\u{9f}').contains(&character) {
            shown.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            shown.push(character);
        }
    }
    shown
}

fn is_date(name: &str) -> bool {
    name.ends_with("_at") || matches!(name, "iat" | "exp" | "nbf" | "signs_from")
}

/// Unix seconds as RFC 3339 spells them.
pub(crate) fn date(seconds: u64) -> String {
    let since = std::time::Duration::from_secs(seconds);
    match std::time::UNIX_EPOCH.checked_add(since) {
        // The formatter itself refuses years past 9999.
        Some(time) if seconds < 253_402_300_800 => {
            humantime::format_rfc3339_seconds(time).to_string()
        }
        _ => seconds.to_string(),
    }
}
