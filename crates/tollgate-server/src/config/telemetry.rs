//! `[telemetry]`: where traces go.

use super::{
    key::{Empty, Key, Kind},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[Key::new(
    "telemetry.otlp_endpoint",
    Kind::Url(Empty::Allowed),
    "\"\"",
    "base URL of an OpenTelemetry collector (OTLP over HTTP), such as http://127.0.0.1:4318; empty: no traces",
)];

/// Where traces go.
#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(crate) otlp_endpoint: Option<String>,
}

impl Telemetry {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let endpoint = reader.text("telemetry.otlp_endpoint");
        Self {
            otlp_endpoint: Some(endpoint).filter(|endpoint| !endpoint.is_empty()),
        }
    }
}
