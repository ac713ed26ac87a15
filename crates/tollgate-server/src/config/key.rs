//! What a configuration key is: its name, what it takes, what it is when nobody sets it.

use std::time::Duration;

/// One key of the configuration.
#[derive(Debug)]
pub(crate) struct Key {
    /// The dotted name, `server.listen`.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) kind: Kind,
    /// Where its value comes from when nobody sets it.
    pub(crate) presence: Presence,
    /// What it does, in one line.
    pub(crate) doc: &'static str,
}

/// Where the value of a key comes from when nobody sets it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presence {
    /// This TOML literal.
    Default(&'static str),
    /// Nowhere: it must be set. The example stands in documents.
    Required(&'static str),
    /// A secret: it has no default and may stand in the environment alone, never in the file.
    Secret,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number from `min` to `max`.
    Integer { min: u64, max: u64 },
    /// A number above 0 and up to `max`.
    Number { max: f64 },
    /// A duration with its unit, from `min` to `max`.
    Duration { min: Duration, max: Duration },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Text of at most `max` bytes.
    Text { max: usize },
    /// An IP address and a port.
    Address,
    /// The path of a file or directory; may be empty.
    Path,
    /// A secret of 32 random bytes.
    MasterKey,
    /// An http or https URL without query and fragment.
    Url(Empty),
    /// What the log shows: a level, or `target=level` pairs.
    LogLevel,
    /// A list of what the item says.
    List(Item),
    /// A list of tables with these keys.
    Tables(&'static [Key]),
}

/// Whether a value may be the empty text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Empty {
    /// It may.
    Allowed,
    /// It may not.
    Refused,
}

/// What an element of a list is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item {
    /// An IP network, `10.0.0.0/8`; or a single address.
    Network,
    /// A web origin, `https://app.example.com`.
    Origin,
    /// A path on this server, `/oauth/token`.
    Path,
}

impl Item {
    /// What an element may be, in words.
    pub(crate) const fn allowed(self) -> &'static str {
        match self {
            Self::Network => "IP networks such as \"10.0.0.0/8\"",
            Self::Origin => "origins such as \"https://app.example.com\"",
            Self::Path => "paths such as \"/oauth/token\"",
        }
    }
}

impl Kind {
    /// What the key may be, in words.
    pub(crate) fn allowed(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { max } => format!("a number above 0 and up to {max}"),
            Self::Duration { min, max } => format!(
                "a duration with its unit, such as \"30s\", \"5m\" or \"1h 30m\", from {} to {}",
                spell(*min),
                spell(*max)
            ),
            Self::Choice(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                quoted.join(", ")
            }
            Self::Text { max } => format!("text of at most {max} bytes without control characters"),
            Self::Address => "an IP address and a port, such as \"127.0.0.1:8080\"".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::MasterKey => "32 random bytes in hexadecimal or base64".to_owned(),
            Self::Url(Empty::Refused) => {
                "an http or https URL without query and fragment".to_owned()
            }
            Self::Url(Empty::Allowed) => {
                "an http or https URL without query and fragment, or \"\"".to_owned()
            }
            Self::LogLevel => {
                "trace, debug, info, warn, error or off, also \"info,tollgate_web=debug\""
                    .to_owned()
            }
            Self::List(item) => format!("a list of {}", item.allowed()),
            Self::Tables(keys) => {
                let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
                format!("tables with the keys {}", names.join(", "))
            }
        }
    }
}

impl Key {
    /// The section that the key stands in, empty at the top.
    pub(crate) fn section(&self) -> &'static str {
        self.name
            .rsplit_once('.')
            .map_or("", |(section, _)| section)
    }

    /// The key's name within its section.
    pub(crate) fn leaf(&self) -> &'static str {
        self.name
            .rsplit_once('.')
            .map_or(self.name, |(_, leaf)| leaf)
    }

    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("TOLLGATE_{}", self.name.replace('.', "__").to_uppercase())
    }

    /// Whether its value must never be shown.
    pub(crate) const fn is_secret(&self) -> bool {
        matches!(self.presence, Presence::Secret)
    }
}

/// Shorthand for the tables of keys.
impl Key {
    pub(crate) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            presence: Presence::Default(default),
            doc,
        }
    }

    pub(crate) const fn required(
        name: &'static str,
        kind: Kind,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            presence: Presence::Required(example),
            doc,
        }
    }
}

impl Kind {
    /// A duration between two counts of milliseconds.
    pub(crate) const fn millis(min: u64, max: u64) -> Self {
        Self::Duration {
            min: Duration::from_millis(min),
            max: Duration::from_millis(max),
        }
    }

    /// A duration between two counts of seconds.
    pub(crate) const fn seconds(min: u64, max: u64) -> Self {
        Self::Duration {
            min: Duration::from_secs(min),
            max: Duration::from_secs(max),
        }
    }
}

/// A duration in the largest unit that divides it, as people write it: `90d`, `36h`, `1500ms`.
pub(super) fn spell(duration: Duration) -> String {
    const UNITS: [(&str, u128); 4] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
    ];
    let millis = duration.as_millis();
    match UNITS.iter().find(|(_, unit)| millis.is_multiple_of(*unit)) {
        Some((_, _)) if millis == 0 => "0s".to_owned(),
        Some((name, unit)) => format!("{}{name}", millis / unit),
        None => format!("{millis}ms"),
    }
}
