//! What the operator decides of the public API, as values that were checked.

use std::time::Duration;

use tollgate_limit::{PolicyName, Quota};
use tollgate_protocol::{Resource, Scope};
use tollgate_web::{OverloadLimits, TrustedProxies};

use crate::{oauth::validate::PathTemplate, router::Route};

/// The settings of the public API.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// How much work is taken on at once.
    pub overload: OverloadLimits,
    /// Rate limits.
    pub rules: Vec<RuleConfig>,
    /// How many failed client authentications are borne.
    pub failures: FailureLimit,
    /// What `/oauth/validate` demands for a target.
    pub routes: Vec<RouteDemand>,
    /// The origins that scripts in browsers may call from.
    pub cors_origins: Vec<String>,
    /// How long others may cache the JWKS.
    pub jwks_max_age: Duration,
    /// The longest request body, in bytes; a batch may have [`BATCH_BODIES`](crate::BATCH_BODIES)
    /// times as many.
    pub body_bytes_max: usize,
    /// The peers whose forwarding headers count.
    pub trusted_proxies: TrustedProxies,
}

/// A bucket for each client and each address.
#[derive(Clone, Copy, Debug)]
pub struct FailureLimit {
    /// How many failures in a row, and how fast they are forgiven.
    pub quota: Quota,
}

/// One rate limit.
#[derive(Clone, Debug)]
pub struct RuleConfig {
    /// The name, as it stands in the headers and the metrics.
    pub name: PolicyName,
    /// The paths that it covers; with none, all on which its key is known.
    pub routes: Vec<String>,
    /// What has a bucket of its own.
    pub key: RuleKey,
    /// The size of a bucket and how fast it fills.
    pub quota: Quota,
}

/// What has a bucket of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKey {
    /// Each authenticated client.
    Client,
    /// Each address; of IPv6 each /64.
    Ip,
    /// Each subject of a token.
    Subject,
    /// Each route.
    Route,
    /// The whole server.
    Global,
}

impl RuleKey {
    /// Every key.
    pub const ALL: [Self; 5] = [
        Self::Client,
        Self::Ip,
        Self::Subject,
        Self::Route,
        Self::Global,
    ];

    /// The paths on which it is known whose bucket a call takes from. A rule with this key could
    /// not count on any other; health and readiness are answered always.
    #[must_use]
    pub fn paths(self) -> Vec<&'static str> {
        self.routes().map(Route::path).collect()
    }

    pub(crate) fn routes(self) -> impl Iterator<Item = Route> {
        Route::ALL
            .into_iter()
            .filter(move |route| route.is_limited_by(self))
    }

    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Ip => "ip",
            Self::Subject => "subject",
            Self::Route => "route",
            Self::Global => "global",
        }
    }
}

/// What `/oauth/validate` demands of a token for a target.
#[derive(Clone, Debug)]
pub struct RouteDemand {
    /// The method, or none for any.
    pub method: Option<String>,
    /// The paths.
    pub path: PathTemplate,
    /// The scope that the token must have.
    pub scope: Option<Scope>,
    /// The resource that the token must name.
    pub audience: Option<Resource>,
}

/// The configuration does not make sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A metric is registered twice.
    #[error(transparent)]
    Metrics(#[from] tollgate_web::metrics::RegistryError),
    /// An origin is malformed.
    #[error("cors.origins: {0}")]
    Origin(#[from] tollgate_web::OriginError),
    /// A rule names a path on which it could not count.
    #[error("rate_limit.rules '{rule}': cannot count on {route}; one of: {allowed}")]
    UncountedRoute {
        /// The rule.
        rule: String,
        /// What it names.
        route: String,
        /// Where it could count.
        allowed: String,
    },
    /// A rule's name cannot stand in a header.
    #[error(transparent)]
    Name(#[from] tollgate_limit::PolicyNameError),
    /// A bound is out of range.
    #[error(transparent)]
    Quota(#[from] tollgate_limit::QuotaError),
}
