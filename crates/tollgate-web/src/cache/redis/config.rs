//! Where the server is, and how long it may take.

use std::fmt;
use std::time::Duration;

use redis::{Client, IntoConnectionInfo as _, ProtocolVersion};

/// A connection to Redis or Valkey.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://[user:password@]host:port/database` or `redis+unix:///path`. It may hold a
    /// password, and is never shown.
    pub url: String,
    /// What all keys begin with, so that several caches can share a server: letters, digits, `-`,
    /// `_` and `.`, at most 64.
    pub namespace: String,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub response_timeout: Duration,
    /// How often a silent invalidation channel is asked whether it lives. Until it has failed to
    /// answer for `response_timeout`, memory may be stale: the two bound how long.
    pub heartbeat: Duration,
    /// How long to wait between two attempts at reaching the server, at most.
    pub retry_max: Duration,
}

impl RedisConfig {
    /// The usual time-outs: 1 s to connect, 250 ms to answer, a heartbeat each 500 ms.
    #[must_use]
    pub fn new(url: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            namespace: namespace.into(),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_millis(250),
            heartbeat: Duration::from_millis(500),
            retry_max: Duration::from_secs(2),
        }
    }

    /// RESP3, in which invalidations come over an ordinary connection.
    pub(super) fn client(&self) -> Result<Client, RedisConfigError> {
        let times = [
            self.connect_timeout,
            self.response_timeout,
            self.heartbeat,
            self.retry_max,
        ];
        if times.iter().any(Duration::is_zero) {
            return Err(RedisConfigError::Timeout);
        }
        let info = self.url.as_str().into_connection_info();
        let info = info.map_err(|_| RedisConfigError::Url)?;
        let settings = info.redis_settings().clone();
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        Client::open(info.set_redis_settings(settings)).map_err(|_| RedisConfigError::Url)
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// A [`RedisConfig`] is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisConfigError {
    /// The address cannot be read. It is not shown, since it may hold a password.
    #[error("the address of the Redis server is malformed")]
    Url,
    /// The namespace is empty, too long, or has other characters.
    #[error("the namespace must be 1 to 64 letters, digits, `-`, `_` or `.`")]
    Namespace,
    /// A time-out is zero.
    #[error("the time-outs of a Redis connection must not be zero")]
    Timeout,
}
