//! The OAuth endpoints and the management API on HTTP: routes, extractors, error mapping.
//!
//! [`Api`] is a handler for `tollgate-web`. It turns requests into the types of
//! `tollgate-protocol`, asks the [`Issuer`](tollgate_issuer::Issuer), and writes the answer; it
//! decides nothing itself. The modules mirror the paths.

pub mod admin;
mod arrival;
pub mod audit;
mod call;
mod client_authentication;
mod clock;
mod deed;
mod entropy;
mod health;
mod limits;
mod metrics;
mod oauth;
mod openapi;
mod refusal;
mod respond;
mod router;
mod state;
mod well_known;

pub use arrival::BATCH_BODIES;
pub use clock::Clock;
pub use entropy::SystemEntropy;
pub use limits::{FAILURES, Limits, RuleStatistics};
pub use oauth::validate::{InvalidPathTemplate, PathTemplate};
pub use router::route_templates;
pub use state::{
    Api, ApiConfig, ApiParts, ConfigError, FailureLimit, RouteDemand, RuleConfig, RuleKey,
};
