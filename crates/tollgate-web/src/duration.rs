//! Durations as people write them in a configuration: `"5s"`, `"1h 30m"`; a bare number is refused.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// Reads `"5s"`, or `"0"`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Duration, D::Error> {
    let text = std::borrow::Cow::<'_, str>::deserialize(source)?;
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(&text).map_err(|error| {
        D::Error::custom(format!(
            "{text:?} is no duration with its unit, such as \"30s\", \"5m\" or \"1h 30m\": {error}"
        ))
    })
}

/// Writes what [`deserialize`] reads.
pub(crate) fn serialize<S: Serializer>(duration: &Duration, sink: S) -> Result<S::Ok, S::Error> {
    sink.collect_str(&humantime::format_duration(*duration))
}
