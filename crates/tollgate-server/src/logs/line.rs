//! From an event to a line of text or of JSON.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
    time::SystemTime,
};

use serde_json::{Map, Value};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

use super::scope;
use crate::config::LogFormat;

/// Writes events to stderr, a line each.
pub(super) struct LogLayer {
    format: LogFormat,
}

impl LogLayer {
    pub(super) const fn new(format: LogFormat) -> Self {
        Self { format }
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(id) = scope::current() {
            fields
                .0
                .entry("request_id")
                .or_insert_with(|| id.as_str().into());
        }
        let mut line = match self.format {
            LogFormat::Text => text(event.metadata(), fields.0),
            LogFormat::Json => json(event.metadata(), fields.0),
        };
        line.push('\n');
        // One write a line, so that lines of threads do not mix. A log that cannot be written is
        // nothing to stop the service for.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

fn text(metadata: &Metadata<'_>, mut fields: Map<String, Value>) -> String {
    let message = fields.remove("message");
    let mut line = format!("{} {:5} {}:", time(), metadata.level(), metadata.target());
    if let Some(message) = message {
        line.push(' ');
        push_escaped(&mut line, &plain(&message));
    }
    for (name, value) in &fields {
        // Writing to a String does not fail.
        let _ = write!(line, " {name}=");
        match plain(value) {
            value if value.contains([' ', '"', '=']) => {
                let _ = write!(line, "{value:?}");
            }
            value => push_escaped(&mut line, &value),
        }
    }
    line
}

fn json(metadata: &Metadata<'_>, fields: Map<String, Value>) -> String {
    let mut object = Map::new();
    object.insert("time".to_owned(), time().into());
    object.insert("level".to_owned(), metadata.level().as_str().into());
    object.insert("target".to_owned(), metadata.target().into());
    object.extend(fields);
    Value::Object(object).to_string()
}

fn time() -> String {
    #[expect(clippy::disallowed_methods, reason = "log lines carry the time of day")]
    let now = SystemTime::now();
    humantime::format_rfc3339_micros(now).to_string()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Control characters would begin a line of their own, or talk to the terminal.
fn push_escaped(line: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
}

/// The fields of an event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
