//! What the endpoints share.

mod config;

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tollgate_issuer::{Context, Issuer};
use tollgate_protocol::Entropy;
use tollgate_store::Store;
use tollgate_web::{Cors, HealthRegistry, Overload, metrics::Registry};

pub use config::{ApiConfig, ConfigError, FailureLimit, RouteDemand, RuleConfig, RuleKey};

use crate::{
    arrival::Arrivals, audit::AuditSink, clock::Clock, limits::Limits, metrics::Metrics,
    oauth::validate::Targets, well_known,
};

/// What the public API is made of.
pub struct ApiParts<S> {
    /// Every decision.
    pub issuer: Arc<Issuer<S>>,
    /// The time.
    pub clock: Clock,
    /// The randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The audit log.
    pub audit: Arc<dyn AuditSink>,
    /// What `/ready` asks.
    pub health: Arc<HealthRegistry>,
    /// Where the metrics are registered.
    pub registry: Registry,
}

/// The public API: a handler for `tollgate-web`.
pub struct Api<S> {
    pub(crate) issuer: Arc<Issuer<S>>,
    pub(crate) clock: Clock,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) audit: Arc<dyn AuditSink>,
    pub(crate) health: Arc<HealthRegistry>,
    pub(crate) overload: Overload,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) cors: Cors,
    pub(crate) targets: Targets,
    /// The path of the issuer's URL, if it has one: `/tenant`.
    pub(crate) issuer_path: String,
    pub(crate) metadata: Bytes,
    pub(crate) openapi: Bytes,
    pub(crate) jwks_cache_control: String,
    pub(crate) arrivals: Arrivals,
    pub(crate) trusted_proxies: tollgate_web::TrustedProxies,
}

impl<S: Store> Api<S> {
    /// Puts the API together and registers its metrics.
    ///
    /// # Errors
    ///
    /// When the configuration does not make sense.
    pub fn new(parts: ApiParts<S>, config: &ApiConfig) -> Result<Self, ConfigError> {
        let limits = Arc::new(Limits::new(config, &parts.registry)?);
        let metrics = Arc::new(Metrics::register(
            &parts.registry,
            &parts.issuer,
            &parts.clock,
        )?);
        Ok(Self {
            overload: Overload::new(config.overload, &parts.registry)?,
            cors: Cors::new(&config.cors_origins)?,
            targets: Targets::new(&config.routes),
            issuer_path: path(&parts.issuer.settings().issuer),
            metadata: well_known::metadata::document(parts.issuer.settings()),
            openapi: crate::openapi::document(parts.issuer.settings()),
            jwks_cache_control: format!("public, max-age={}", config.jwks_max_age.as_secs()),
            arrivals: Arrivals::new(config.overload, config.body_bytes_max),
            trusted_proxies: config.trusted_proxies.clone(),
            limits,
            metrics,
            issuer: parts.issuer,
            clock: parts.clock,
            entropy: parts.entropy,
            audit: parts.audit,
            health: parts.health,
        })
    }

    /// The limits, for the management API.
    #[must_use]
    pub fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    /// The time and the randomness of one call.
    pub(crate) fn context(&self) -> Context<'_> {
        self.context_at(Instant::now())
    }

    /// The time and the randomness of a call whose time was read a moment ago.
    pub(crate) fn context_at(&self, moment: Instant) -> Context<'_> {
        Context {
            now: self.clock.at(moment),
            entropy: &*self.entropy,
        }
    }
}

/// The path of `url`, without a slash at its end.
fn path(url: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    match after_scheme.trim_end_matches('/').split_once('/') {
        Some((_, path)) => format!("/{path}"),
        None => String::new(),
    }
}
