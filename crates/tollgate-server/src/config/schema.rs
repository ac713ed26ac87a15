//! The configuration's JSON Schema (draft 2020-12), for editors that check TOML while it is typed.

use serde_json::{Map, Value, json};

use super::{
    document,
    key::{Item, Key, Kind, Presence},
    keys,
    value::Raw,
};

/// The JSON Schema of the configuration file.
pub(crate) fn schema() -> Value {
    let mut root = object("The configuration of the Tollgate token service");
    for key in keys().filter(|key| !key.is_secret()) {
        insert(&mut root, key);
    }
    root.insert(
        "$schema".to_owned(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    root.into()
}

fn object(title: &str) -> Map<String, Value> {
    let object = json!({
        "type": "object",
        "description": title,
        "properties": {},
        "additionalProperties": false,
    });
    match object {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// Puts `key` into the object of its section, making the sections on the way.
fn insert(root: &mut Map<String, Value>, key: &Key) {
    let mut parent = root;
    for part in key.section().split('.').filter(|part| !part.is_empty()) {
        let Some(Value::Object(properties)) = parent.get_mut("properties") else {
            return;
        };
        let section = properties
            .entry(part)
            .or_insert_with(|| object(part).into());
        let Value::Object(section) = section else {
            return;
        };
        parent = section;
    }
    if let Some(Value::Object(properties)) = parent.get_mut("properties") {
        properties.insert(key.leaf().to_owned(), property(key));
    }
}

fn property(key: &Key) -> Value {
    let mut property = kind(&key.kind);
    if let Value::Object(property) = &mut property {
        property.insert(
            "description".to_owned(),
            format!("{}; {}", key.doc, key.kind.allowed()).into(),
        );
        if let Presence::Default(literal) = key.presence {
            property.insert("default".to_owned(), default(literal));
        }
    }
    property
}

fn default(literal: &str) -> Value {
    match document::literal(literal) {
        Raw::Text(text) => text.into(),
        Raw::Bool(value) => value.into(),
        Raw::Integer(value) => value.into(),
        Raw::Float(value) => value.into(),
        _ => json!([]),
    }
}

fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Integer { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Number { max } => json!({"type": "number", "exclusiveMinimum": 0, "maximum": max}),
        Kind::Duration { .. } => {
            json!({"type": "string", "pattern": "^(0|([0-9]+ *[a-zA-Z]+ *)+)$"})
        }
        Kind::Choice(words) => json!({"enum": words}),
        Kind::Text { max } => json!({"type": "string", "maxLength": max}),
        Kind::Address | Kind::Path | Kind::MasterKey | Kind::LogLevel => json!({"type": "string"}),
        Kind::Url(_) => json!({"type": "string", "pattern": "^(https?://[^?#@]+)?$"}),
        Kind::List(Item::Path) => {
            json!({"type": "array", "items": {"type": "string", "pattern": "^/"}})
        }
        Kind::List(_) => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Tables(fields) => json!({"type": "array", "items": table(fields)}),
    }
}

fn table(fields: &[Key]) -> Value {
    let mut item = object("one entry");
    for field in fields {
        insert(&mut item, field);
    }
    let required: Vec<&str> = fields
        .iter()
        .filter(|field| matches!(field.presence, Presence::Required(_)))
        .map(|field| field.name)
        .collect();
    item.insert("required".to_owned(), required.into());
    item.into()
}
