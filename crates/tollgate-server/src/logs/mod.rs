//! The log: text or JSON lines on stderr, with the id of the request that an event belongs to and
//! a level that can be changed while it runs.
//!
//! # Security
//!
//! Libraries stay at `warn` unless somebody names them: some print what they parse at their lowest
//! levels, and that may hold a secret. Control characters are escaped, so that nothing that comes
//! from outside can begin a line of its own.

mod level;
mod line;
mod scope;

use tracing_subscriber::{
    Layer as _, Registry, filter::Targets, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

pub(crate) use self::{level::check_level, scope::within_request};
use crate::config::Log;

/// A log that runs.
pub(crate) struct Logs {
    level: reload::Handle<Targets, Registry>,
}

/// Starts the log of this process.
///
/// # Errors
///
/// When the level is none, or a log runs already.
pub(crate) fn start(config: &Log) -> anyhow::Result<Logs> {
    let targets = level::targets(&config.level).map_err(anyhow::Error::msg)?;
    let (filter, level) = reload::Layer::new(targets);
    let log = line::LogLayer::new(config.format).with_filter(filter);
    Registry::default().with(log).try_init()?;
    Ok(Logs { level })
}

impl Logs {
    /// Shows from now on what `level` says.
    ///
    /// # Errors
    ///
    /// When it is no level.
    pub(crate) fn set_level(&self, level: &str) -> anyhow::Result<()> {
        let targets = level::targets(level).map_err(anyhow::Error::msg)?;
        Ok(self.level.reload(targets)?)
    }
}
