//! `[log]`: what the log looks like and how much it says.

use super::{
    key::{Key, Kind},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "log.format",
        Kind::Choice(&["text", "json"]),
        "\"text\"",
        "one line of text or of JSON an event, on stderr",
    ),
    Key::new(
        "log.level",
        Kind::LogLevel,
        "\"info\"",
        "trace, debug, info, warn, error or off; libraries stay at warn unless named; read again on SIGHUP",
    ),
];

/// What the log looks like.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            format: match reader.text("log.format").as_str() {
                "json" => LogFormat::Json,
                _ => LogFormat::Text,
            },
            level: reader.text("log.level"),
        }
    }
}
