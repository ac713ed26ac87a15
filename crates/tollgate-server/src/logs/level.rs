//! What the log shows: `info`, or `info,tollgate_web=debug`.

use std::str::FromStr as _;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// How verbose libraries may be when nobody names them.
///
/// # Security
///
/// Some print what they parse at their lowest levels: a header here may hold a secret.
const LIBRARY_LEVEL_MAX: LevelFilter = LevelFilter::WARN;

/// Whether `text` says what a log shows.
///
/// # Errors
///
/// Says what it is not.
pub(crate) fn check_level(text: &str) -> Result<(), String> {
    targets(text).map(|_| ())
}

/// Reads `info`, or `info,tollgate_web=debug,h2=trace`.
///
/// # Errors
///
/// Says what it is not.
pub(super) fn targets(text: &str) -> Result<Targets, String> {
    let mut targets = Targets::new();
    for part in text.split(',').map(str::trim) {
        let (target, level) = match part.split_once('=') {
            Some((target, level)) => (Some(target.trim()), level.trim()),
            None => (None, part),
        };
        let level = level_filter(level)?;
        targets = match target {
            Some("") => return Err(format!("{part:?} names no target")),
            Some(target) => targets.with_target(target, level),
            None => targets
                .with_default(level.min(LIBRARY_LEVEL_MAX))
                .with_target("tollgate", level),
        };
    }
    Ok(targets)
}

fn level_filter(word: &str) -> Result<LevelFilter, String> {
    match word {
        "off" => Ok(LevelFilter::OFF),
        "trace" | "debug" | "info" | "warn" | "error" => Level::from_str(word)
            .map(LevelFilter::from_level)
            .map_err(|error| error.to_string()),
        other => Err(format!("{other:?} is no level")),
    }
}
