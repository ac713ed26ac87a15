//! Prometheus' own parser on our metrics.

use crate::peer::Python;
use crate::server::Server;
use serde_json::json;

const METRICS: [&str; 12] = [
    "http_requests_total",
    "http_request_duration_seconds",
    "http_requests_in_flight",
    "http_connections_open",
    "token_operation_duration_seconds",
    "token_validation_total",
    "tokens_issued_total",
    "tokens_active",
    "store_operation_duration_seconds",
    "store_commit_batch_size",
    "signing_key_age_seconds",
    "process_cpu_seconds_total",
];

#[test]
fn prometheus_reads_the_metrics() {
    let Some(python) = Python::find() else { return };
    let server = Server::start("");
    let client = server.create_client("peer-metrics", &["--token-format", "opaque"]);
    let token = server.token(&client, "read");
    let (status, _) = server.post(&client, "/oauth/introspect", &[("token", &token)]);
    assert_eq!(status, 200);
    let secrets = [&client.id, &client.secret, &token];
    let peer = json!({ "admin_url": server.admin_url, "metrics": METRICS, "secrets": secrets });
    python.run("metrics.py", &[], &peer);
}
