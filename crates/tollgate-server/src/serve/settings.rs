//! What the configuration means to each of the parts that are put together.

use anyhow::Context as _;
use tollgate_api::{ApiConfig, BATCH_BODIES, FailureLimit, RouteDemand, RuleConfig, admin};
use tollgate_issuer::{KeyPolicy, Settings};
use tollgate_limit::{PolicyName, Quota};
use tollgate_web::{OverloadLimits, ServerConfig, TlsConfig, TrustedProxies};

use crate::config::{self, Config};

/// The management listener is for a few people and a scraper.
const ADMIN_CONNECTIONS_MAX: usize = 256;
/// Backups, restores and profiles take their time.
const ADMIN_REQUEST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(600);

/// Changes by administrators that may be under way at once: far more than there are.
const ADMIN_DEEDS_MAX: usize = 1024;

/// How many requests may be doing something at once that the audit log is told of.
pub(super) const fn deeds_max(config: &Config) -> usize {
    config
        .overload
        .in_flight_max
        .saturating_add(ADMIN_DEEDS_MAX)
}

/// What the issuer is told.
pub(super) fn issuer(config: &Config, issuer: String) -> Settings {
    Settings {
        issuer,
        access_format: config.tokens.access_format,
        access_ttl: config.tokens.access_ttl,
        one_time_ttl: config.tokens.one_time_ttl,
        active_max: config.tokens.active_max,
        cache_entries_max: config.cache.entries_max,
        cache_ttl: config.cache.ttl,
        keys: KeyPolicy {
            signing_alg: config.keys.signing_alg,
            rotate_every: config.keys.rotate_every,
            publish_ahead: config.keys.publish_ahead,
            retain_after: config.keys.retain_after,
        },
    }
}

/// What the public API is told.
///
/// # Errors
///
/// When a bucket cannot be counted exactly: it is too large for how slowly it fills.
pub(super) fn api(config: &Config) -> anyhow::Result<ApiConfig> {
    let rules: Result<Vec<_>, _> = config.rate_limit.rules.iter().map(rule).collect();
    let failures = quota(&config.rate_limit.failures).context("rate_limit.failures_capacity")?;
    Ok(ApiConfig {
        overload: OverloadLimits {
            in_flight_max: config.overload.in_flight_max,
            queue_max: config.overload.queue_max,
            queue_wait: config.overload.queue_wait,
        },
        rules: rules?,
        failures: FailureLimit { quota: failures },
        routes: config.routes.iter().map(route).collect(),
        cors_origins: config.cors.origins.clone(),
        jwks_max_age: config.keys.jwks_max_age,
        body_bytes_max: config.server.body_bytes_max,
        trusted_proxies: TrustedProxies::new(config.server.trusted_proxies.clone()),
    })
}

fn rule(rule: &config::Rule) -> anyhow::Result<RuleConfig> {
    let context = || format!("rate_limit.rules {:?}", rule.name);
    Ok(RuleConfig {
        name: PolicyName::new(&rule.name).with_context(context)?,
        routes: rule.routes.clone(),
        key: rule.key,
        quota: quota(&rule.quota).with_context(context)?,
    })
}

fn quota(quota: &config::Quota) -> Result<Quota, tollgate_limit::QuotaError> {
    Quota::new(quota.capacity, quota.fill_per_second)
}

fn route(route: &config::Route) -> RouteDemand {
    RouteDemand {
        method: Some(route.method.clone()).filter(|method| method != "*"),
        path: route.path.clone(),
        scope: Some(route.scope.clone()).filter(|scope| !scope.is_empty()),
        audience: route.audience.clone(),
    }
}

/// What the public listener is told.
pub(super) fn public_server(config: &Config) -> ServerConfig {
    let server = &config.server;
    ServerConfig {
        connections_max: server.connections_max,
        connections_per_ip_max: 0,
        header_timeout: server.timeouts.header,
        read_timeout: server.timeouts.read,
        write_timeout: server.timeouts.write,
        idle_timeout: server.timeouts.idle,
        request_timeout: server.timeouts.request,
        drain_timeout: server.timeouts.drain,
        header_bytes_max: server.header_bytes_max,
        body_bytes_max: server.body_bytes_max.saturating_mul(BATCH_BODIES),
        http2: server.http2,
        http3: server.http3,
        threads: server.threads,
        trusted_proxies: TrustedProxies::new(server.trusted_proxies.clone()),
        tls: server
            .tls
            .as_ref()
            .map(|tls| TlsConfig::new(&tls.certificate, &tls.key)),
    }
}

/// What the management listener is told.
pub(super) fn admin_server(config: &Config) -> ServerConfig {
    ServerConfig {
        connections_max: ADMIN_CONNECTIONS_MAX,
        read_timeout: ADMIN_REQUEST_TIMEOUT,
        request_timeout: ADMIN_REQUEST_TIMEOUT,
        drain_timeout: config.server.timeouts.drain,
        body_bytes_max: admin::RESTORE_BYTES_MAX,
        threads: 1,
        ..ServerConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mode, Sources};

    /// A restore sends up to a gigabyte.
    #[test]
    fn bodies_of_administrators_have_as_long_as_their_requests() {
        let sources = Sources {
            file: None,
            environment: Vec::new(),
            flags: Vec::new(),
            mode: Mode::Development,
        };
        let Ok(loaded) = sources.load() else {
            panic!("the defaults are refused");
        };
        let admin = admin_server(&loaded.config);
        assert_eq!(admin.read_timeout, ADMIN_REQUEST_TIMEOUT);
        assert_eq!(admin.request_timeout, ADMIN_REQUEST_TIMEOUT);
        let public = public_server(&loaded.config);
        assert_eq!(public.read_timeout, std::time::Duration::from_secs(30));
    }
}
