//! Presets: bounds that fit together, by what matters most to a service.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{OverloadLimits, ServerConfig};

/// What matters most; each gives a [`ServerConfig`] and [`OverloadLimits`] to begin from.
///
/// ```
/// use tollgate_web::{Preset, ServerConfig};
///
/// let preset: Preset = "low-resource".parse()?;
/// let config = ServerConfig { body_bytes_max: 1 << 20, ..preset.server_config() };
/// assert_eq!((config.threads, config.connections_max), (1, 500));
/// # Ok::<(), tollgate_web::UnknownPreset>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Many connections and long queues.
    HighThroughput,
    /// The defaults.
    #[default]
    Balanced,
    /// Refuses early rather than let anybody wait.
    LowLatency,
    /// One thread, small tables, nothing that grows.
    LowResource,
}

/// The text names no [`Preset`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no preset: high-throughput, balanced, low-latency or low-resource")]
pub struct UnknownPreset(String);

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 4] = [
        Self::HighThroughput,
        Self::Balanced,
        Self::LowLatency,
        Self::LowResource,
    ];

    /// The name in configurations, such as `low-latency`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HighThroughput => "high-throughput",
            Self::Balanced => "balanced",
            Self::LowLatency => "low-latency",
            Self::LowResource => "low-resource",
        }
    }

    /// The bounds of a server.
    #[must_use]
    pub fn server_config(self) -> ServerConfig {
        let balanced = ServerConfig::default();
        match self {
            Self::Balanced => balanced,
            Self::HighThroughput => ServerConfig {
                connections_max: 50_000,
                ..balanced
            },
            Self::LowLatency => ServerConfig {
                request_timeout: Duration::from_secs(2),
                ..balanced
            },
            Self::LowResource => ServerConfig {
                threads: 1,
                connections_max: 500,
                header_bytes_max: 8192,
                ..balanced
            },
        }
    }

    /// How much is worked on at once, how much waits for it and how long.
    #[must_use]
    pub fn overload_limits(self) -> OverloadLimits {
        let (in_flight_max, queue_max, wait_ms) = match self {
            Self::Balanced => return OverloadLimits::default(),
            Self::HighThroughput => (8000, 8000, 500),
            Self::LowLatency => (500, 100, 10),
            Self::LowResource => (64, 64, 100),
        };
        OverloadLimits {
            in_flight_max,
            queue_max,
            queue_wait: Duration::from_millis(wait_ms),
        }
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, UnknownPreset> {
        let found = Self::ALL.into_iter().find(|preset| preset.as_str() == text);
        found.ok_or_else(|| UnknownPreset(text.to_owned()))
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
