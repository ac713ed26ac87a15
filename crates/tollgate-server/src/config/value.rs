//! A value as it was written, and as it counts once its kind has been checked.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use tollgate_issuer::MasterKey;

use super::{
    key::{Empty, Item, Key, Kind, Presence},
    secret::SecretText,
};

/// A value as it was written, with the lines of what is in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raw {
    Text(String),
    Bool(bool),
    Integer(i64),
    Float(f64),
    List(Vec<(usize, Raw)>),
    Table(Vec<Entry>),
    Secret(SecretText),
    /// Dates, which no key takes.
    Other,
}

/// One `key = value` of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) value: Raw,
}

/// A value that its kind admits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Integer(u64),
    Number(f64),
    Duration(Duration),
    Text(String),
    Address(SocketAddr),
    Path(PathBuf),
    Networks(Vec<IpNet>),
    Texts(Vec<String>),
    Secret(SecretText),
}

/// What is wrong with a value, without what is allowed.
pub(crate) type Wrong = String;

impl Raw {
    /// The value in words, for messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Text(text) if text.len() > 60 => "a long text".to_owned(),
            Self::Text(text) => format!("{text:?}"),
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::List(_) => "a list".to_owned(),
            Self::Table(_) => "a table".to_owned(),
            Self::Secret(_) => "a secret".to_owned(),
            Self::Other => "a date or time".to_owned(),
        }
    }

    fn text(&self) -> Result<&str, Wrong> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(format!("{} is not text", other.describe())),
        }
    }
}

/// Checks `raw` against `key`'s kind, which is not [`Kind::Tables`].
///
/// # Errors
///
/// Says what is wrong with it.
pub(crate) fn check(key: &Key, raw: &Raw) -> Result<Value, Wrong> {
    match key.kind {
        Kind::Bool => match raw {
            Raw::Bool(value) => Ok(Value::Bool(*value)),
            other => Err(format!("{} is neither true nor false", other.describe())),
        },
        Kind::Integer { min, max } => integer(raw, min, max).map(Value::Integer),
        Kind::Number { max } => number(raw, max).map(Value::Number),
        Kind::Duration { min, max } => duration(raw, min, max).map(Value::Duration),
        Kind::Choice(words) => choice(raw.text()?, words).map(Value::Text),
        Kind::Text { max } => text(raw.text()?, max, key).map(Value::Text),
        Kind::Address => address(raw.text()?).map(Value::Address),
        Kind::MasterKey => master_key(raw).map(Value::Secret),
        Kind::Path => path(raw.text()?).map(Value::Path),
        Kind::Url(empty) => url(raw.text()?, empty).map(Value::Text),
        Kind::LogLevel => crate::logs::check_level(raw.text()?)
            .map(|()| Value::Text(raw.text().unwrap_or_default().to_owned())),
        Kind::List(item) => list(raw, item),
        Kind::Tables(_) => Err("tables are read one by one".to_owned()),
    }
}

fn integer(raw: &Raw, min: u64, max: u64) -> Result<u64, Wrong> {
    let value = match raw {
        Raw::Integer(value) => u64::try_from(*value).map_err(|_| format!("{value} is negative"))?,
        other => return Err(format!("{} is not a whole number", other.describe())),
    };
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{value} is out of range"))
    }
}

fn number(raw: &Raw, max: f64) -> Result<f64, Wrong> {
    let value = match raw {
        Raw::Float(value) => *value,
        Raw::Integer(value) => i32::try_from(*value)
            .map(f64::from)
            .map_err(|_| format!("{value} is out of range"))?,
        other => return Err(format!("{} is not a number", other.describe())),
    };
    if value > 0.0 && value <= max {
        Ok(value)
    } else {
        Err(format!("{value} is out of range"))
    }
}

/// The unit is not optional: a bare number would be read as seconds by one and as milliseconds by
/// the next.
fn duration(raw: &Raw, min: Duration, max: Duration) -> Result<Duration, Wrong> {
    let text = match raw {
        Raw::Text(text) => text,
        Raw::Integer(value) => return Err(format!("{value} has no unit")),
        other => return Err(format!("{} is not a duration", other.describe())),
    };
    let value = match text.as_str() {
        "0" => Duration::ZERO,
        text => humantime::parse_duration(text).map_err(|error| format!("{text:?}: {error}"))?,
    };
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{text:?} is out of range"))
    }
}

fn choice(text: &str, words: &[&str]) -> Result<String, Wrong> {
    if words.contains(&text) {
        return Ok(text.to_owned());
    }
    match super::suggest(text, words.iter().copied()) {
        Some(word) => Err(format!("{text:?} is unknown, did you mean {word:?}?")),
        None => Err(format!("{text:?} is unknown")),
    }
}

fn text(text: &str, max: usize, key: &Key) -> Result<String, Wrong> {
    if text.len() > max {
        Err(format!("longer than {max} bytes"))
    } else if text.chars().any(char::is_control) {
        Err("it has control characters".to_owned())
    } else if text.is_empty() && !matches!(key.presence, Presence::Default("\"\"")) {
        Err("it is empty".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

fn master_key(raw: &Raw) -> Result<SecretText, Wrong> {
    let Raw::Secret(text) = raw else {
        return Err("it is not text".to_owned());
    };
    match MasterKey::parse(text.expose().as_bytes()) {
        Ok(_) => Ok(text.clone()),
        Err(error) => Err(error.to_string()),
    }
}

fn address(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse()
        .map_err(|_| format!("{text:?} is no IP address with a port"))
}

fn path(text: &str) -> Result<PathBuf, Wrong> {
    if text.contains('\0') {
        Err("a path has no NUL".to_owned())
    } else {
        Ok(PathBuf::from(text))
    }
}

fn url(text: &str, empty: Empty) -> Result<String, Wrong> {
    if text.is_empty() && empty == Empty::Allowed {
        return Ok(String::new());
    }
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    match rest {
        _ if text.contains(['?', '#']) => Err(format!("{text:?} has a query or a fragment")),
        _ if text.contains('@') => Err("a URL with credentials in it".to_owned()),
        Some(rest) if visible && is_authority(rest.split('/').next().unwrap_or_default()) => {
            Ok(text.to_owned())
        }
        _ => Err(format!("{text:?} is no http or https URL")),
    }
}

/// Whether `text` is a host that can be asked for, with a port or without (RFC 3986 §3.2).
fn is_authority(text: &str) -> bool {
    let (is_host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_host_name(name), port)
        }
    };
    let is_port = match port.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit())
                && digits.parse::<u16>().is_ok_and(|port| port > 0)
        }
        None => port.is_empty(),
    };
    is_host && is_port
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.strip_suffix('.')
        .unwrap_or(name)
        .split('.')
        .all(is_label)
}

fn list(raw: &Raw, item: Item) -> Result<Value, Wrong> {
    let Raw::List(elements) = raw else {
        return Err(format!("{} is not a list", raw.describe()));
    };
    let texts = elements.iter().map(|(_, element)| element.text());
    match item {
        Item::Network => texts
            .map(|text| network(text?))
            .collect::<Result<_, _>>()
            .map(Value::Networks),
        Item::Origin => texts
            .map(|text| origin(text?))
            .collect::<Result<_, _>>()
            .map(Value::Texts),
        Item::Path => texts
            .map(|text| route(text?))
            .collect::<Result<_, _>>()
            .map(Value::Texts),
    }
}

fn network(text: &str) -> Result<IpNet, Wrong> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("{text:?} is no IP network"))
}

/// `Origin` as RFC 6454 §6.2 serialises it: scheme, host, port that is not the scheme's own.
fn origin(text: &str) -> Result<String, Wrong> {
    if text == "*" {
        return Err("\"*\" would let every site read answers to its users' requests".to_owned());
    }
    let url = url(text, Empty::Refused)?;
    // What compares origins has the last word.
    let is_comparable = tollgate_web::Cors::new(&[&url]).is_ok();
    match url.split_once("://") {
        Some((_, host)) if is_comparable && host.to_ascii_lowercase() == host => Ok(url),
        _ => Err(format!(
            "{text:?} is no origin: scheme, lower-case host and port, no path"
        )),
    }
}

fn route(text: &str) -> Result<String, Wrong> {
    if text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no path"))
    }
}
