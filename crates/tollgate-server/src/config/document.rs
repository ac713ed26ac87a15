//! Reading: TOML text and environment variables become raw values with their places.

use std::{ops::Range, path::Path, sync::Arc};

use toml::de::{DeTable, DeValue};

use super::{
    key::Kind,
    problem::{FILE, Origin, Problem},
    secret::SecretText,
    value::{Entry, Raw},
};

/// Reads the TOML text of the file `path`.
///
/// # Errors
///
/// Names the line that is not TOML.
pub(super) fn parse(path: &Arc<Path>, text: &str) -> Result<Vec<Entry>, Problem> {
    let problem = |line, what| Problem {
        key: FILE.to_owned(),
        origin: Origin::File(Arc::clone(path), line),
        what,
        allowed: "TOML 1.0".to_owned(),
    };
    let lines = Lines::new(text);
    let document = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| lines.line(&span));
        problem(line, error.message().to_owned())
    })?;
    Ok(table(document.get_ref(), &lines))
}

/// Reads what the environment variable of a key of this kind says: text as it stands, lists also
/// without brackets, everything else as TOML.
pub(super) fn parse_variable(kind: &Kind, text: &str) -> Raw {
    match kind {
        Kind::Bool | Kind::Integer { .. } | Kind::Number { .. } | Kind::Tables(_) => literal(text),
        Kind::MasterKey => Raw::Secret(SecretText::new(text)),
        Kind::List(_) if text.trim_start().starts_with('[') => literal(text),
        Kind::List(_) => {
            let elements = text
                .split(',')
                .map(str::trim)
                .filter(|element| !element.is_empty());
            Raw::List(
                elements
                    .map(|element| (1, Raw::Text(element.to_owned())))
                    .collect(),
            )
        }
        _ => Raw::Text(text.to_owned()),
    }
}

/// Reads one TOML value; text that is none stays text, and the key's kind will refuse it.
pub(super) fn literal(text: &str) -> Raw {
    match DeValue::parse(text.trim()) {
        Ok(parsed) => value(parsed.get_ref(), &Lines::new(text)),
        Err(_) => Raw::Text(text.to_owned()),
    }
}

fn table(table: &DeTable<'_>, lines: &Lines) -> Vec<Entry> {
    let entries = table.iter().map(|(name, item)| Entry {
        name: name.get_ref().to_string(),
        line: lines.line(&name.span()),
        value: value(item.get_ref(), lines),
    });
    let mut entries: Vec<Entry> = entries.collect();
    entries.sort_by_key(|entry| entry.line);
    entries
}

fn value(item: &DeValue<'_>, lines: &Lines) -> Raw {
    match item {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Boolean(value) => Raw::Bool(*value),
        DeValue::Integer(value) => {
            i64::from_str_radix(value.as_str(), value.radix()).map_or(Raw::Other, Raw::Integer)
        }
        DeValue::Float(value) => value.as_str().parse().map_or(Raw::Other, Raw::Float),
        DeValue::Datetime(_) => Raw::Other,
        DeValue::Array(elements) => Raw::List(
            elements
                .iter()
                .map(|element| (lines.line(&element.span()), value(element.get_ref(), lines)))
                .collect(),
        ),
        DeValue::Table(entries) => Raw::Table(table(entries, lines)),
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The number of the line, from 1, in which `span` begins.
    fn line(&self, span: &Range<usize>) -> usize {
        self.0.partition_point(|&end| end < span.start) + 1
    }
}
