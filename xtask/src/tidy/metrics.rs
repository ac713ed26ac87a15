//! The metrics that dashboards are built on keep their names.

use super::Finding;
use super::tree::File;

/// Every metric of the service, and the validation library's own.
const METRICS: [&str; 22] = [
    "http_requests_total",
    "http_request_duration_seconds",
    "http_requests_in_flight",
    "http_connections_open",
    "token_operation_duration_seconds",
    "token_validation_duration_seconds",
    "token_validation_total",
    "tokens_issued_total",
    "tokens_revoked_total",
    "tokens_active",
    "token_cache_hits_total",
    "token_cache_misses_total",
    "token_cache_size",
    "token_cache_hit_ratio",
    "store_operation_duration_seconds",
    "store_commit_batch_size",
    "rate_limit_decisions_total",
    "rate_limit_check_duration_seconds",
    "overload_rejections_total",
    "signing_key_age_seconds",
    "jwks_fetch_total",
    "process_",
];

/// Checks that each metric is named by the source of some crate.
pub(super) fn check(sources: &[File]) -> Vec<Finding> {
    let shipped: Vec<&File> = sources
        .iter()
        .filter(|file| is_shipped(&file.path))
        .collect();
    METRICS
        .iter()
        .filter(|metric| !shipped.iter().any(|file| registers(&file.text, metric)))
        .map(|metric| format!("metric {metric} is gone; dashboards need it"))
        .collect()
}

/// What a comment says registers nothing.
fn registers(text: &str, metric: &str) -> bool {
    let mut code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.any(|line| line.contains(metric))
}

fn is_shipped(path: &str) -> bool {
    path.starts_with("crates/") && path.contains("/src/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_metric_is_found() {
        let file = |path: &str, text: String| File {
            path: path.to_owned(),
            text,
        };
        let all = METRICS.join("\n");
        let path = "crates/tollgate-api/src/metrics.rs";
        assert_eq!(check(&[file(path, all.clone())]), Vec::<Finding>::new());
        assert_eq!(
            check(&[file(path, all.replace("tokens_active", "// tokens_active"))]).len(),
            1
        );
        assert_eq!(
            check(&[file("xtask/src/tidy/metrics.rs", all)]).len(),
            METRICS.len()
        );
    }
}
