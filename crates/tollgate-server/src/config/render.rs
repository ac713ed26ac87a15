//! The configuration written out for people: the effective one with its origins, and the defaults
//! with what each key does. Secrets are never shown.

use std::fmt::Write as _;

use super::{
    Loaded,
    key::{Key, Kind, Presence},
    keys,
    problem::Origin,
    value::Raw,
};

/// The effective configuration as TOML; behind each value stands where it was set.
pub(crate) fn show(loaded: &Loaded) -> String {
    let mut page = Page::default();
    for key in keys() {
        let Some(setting) = loaded.layers.setting(key.name) else {
            continue;
        };
        let origin = match &setting.origin {
            Origin::Default => String::new(),
            origin => format!("  # {origin}"),
        };
        match &setting.raw {
            _ if key.is_secret() => {
                page.line(key, &format!("# {} = (redacted){origin}", key.leaf()));
            }
            Raw::List(elements) if matches!(key.kind, Kind::Tables(_)) => {
                elements
                    .iter()
                    .for_each(|(_, element)| page.table(key, element));
            }
            raw => page.line(key, &format!("{} = {}{origin}", key.leaf(), literal(raw))),
        }
    }
    page.text
}

/// The effective configuration as one JSON object.
pub(crate) fn effective(loaded: &Loaded) -> serde_json::Value {
    let mut root = serde_json::Map::new();
    for key in keys() {
        let Some(setting) = loaded.layers.setting(key.name) else {
            continue;
        };
        let value = if key.is_secret() {
            "(redacted)".into()
        } else {
            json(&setting.raw)
        };
        let mut object = &mut root;
        for part in key.section().split('.').filter(|part| !part.is_empty()) {
            let next = object.entry(part).or_insert_with(|| serde_json::json!({}));
            let Some(next) = next.as_object_mut() else {
                return serde_json::Value::Null;
            };
            object = next;
        }
        object.insert(key.leaf().to_owned(), value);
    }
    root.into()
}

/// Every key with its default, what it does and what it takes, as TOML that loads.
pub(crate) fn defaults() -> String {
    let mut page = Page::default();
    for key in keys() {
        page.line(key, &format!("# {}", key.doc));
        page.line(key, &format!("# {}", key.kind.allowed()));
        match (key.presence, &key.kind) {
            (Presence::Required(example), _) => {
                page.line(key, &format!("# {} = {example}", key.leaf()));
            }
            (Presence::Secret, _) => page.line(key, &format!("# {}=", key.variable())),
            (Presence::Default(_), Kind::Tables(fields)) => page.example(key, fields),
            (Presence::Default(literal), _) => {
                page.line(key, &format!("{} = {literal}", key.leaf()));
            }
        }
    }
    page.text
}

/// TOML text that opens a section when the next key asks for it.
#[derive(Default)]
struct Page {
    text: String,
    section: &'static str,
}

impl Page {
    fn line(&mut self, key: &Key, line: &str) {
        if key.section() != self.section && !key.section().is_empty() {
            self.section = key.section();
            self.push(&format!("\n[{}]", self.section));
        }
        self.push(line);
    }

    fn table(&mut self, key: &Key, element: &Raw) {
        let Raw::Table(entries) = element else { return };
        self.push(&format!("\n[[{}]]", key.name));
        for entry in entries {
            self.push(&format!("{} = {}", entry.name, literal(&entry.value)));
        }
    }

    /// A table in comments: there is none unless somebody writes one.
    fn example(&mut self, key: &Key, fields: &[Key]) {
        self.push(&format!("# [[{}]]", key.name));
        for field in fields {
            let value = match field.presence {
                Presence::Default(literal) | Presence::Required(literal) => literal,
                Presence::Secret => continue,
            };
            self.push(&format!("# {} = {value}  # {}", field.name, field.doc));
        }
    }

    fn push(&mut self, line: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "{line}");
    }
}

fn literal(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) => toml::Value::String(text.clone()).to_string(),
        Raw::List(elements) => {
            let texts: Vec<String> = elements
                .iter()
                .map(|(_, element)| literal(element))
                .collect();
            format!("[{}]", texts.join(", "))
        }
        Raw::Table(entries) => {
            let pair =
                |entry: &super::value::Entry| format!("{} = {}", entry.name, literal(&entry.value));
            let texts: Vec<String> = entries.iter().map(pair).collect();
            format!("{{ {} }}", texts.join(", "))
        }
        other => other.describe(),
    }
}

fn json(raw: &Raw) -> serde_json::Value {
    match raw {
        Raw::Text(text) => text.as_str().into(),
        Raw::Bool(value) => (*value).into(),
        Raw::Integer(value) => (*value).into(),
        Raw::Float(value) => (*value).into(),
        Raw::List(elements) => elements.iter().map(|(_, element)| json(element)).collect(),
        Raw::Table(entries) => {
            let pairs = entries
                .iter()
                .map(|entry| (entry.name.clone(), json(&entry.value)));
            serde_json::Value::Object(pairs.collect())
        }
        Raw::Secret(_) | Raw::Other => serde_json::Value::Null,
    }
}
