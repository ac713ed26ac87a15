//! `/metrics`, `/health`, `/ready`, `/admin/stats`, `/admin/config`, `/admin/limits`, `/debug/pprof`
//! and the audit log that cannot be written.

use std::time::Duration;

use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use super::panel::{Answer, Panel, START};

async fn bare(panel: &Panel, path: &str) -> Answer {
    panel
        .send(Request::get(path).body(Body::empty()).unwrap())
        .await
}

#[tokio::test]
async fn probes_need_no_token() {
    let panel = Panel::new().await;
    assert_eq!(
        bare(&panel, "/health").await.expect(200),
        json!({"status": "ok"})
    );
    assert_eq!(bare(&panel, "/ready").await.expect(200)["status"], "ok");
    let metrics = bare(&panel, "/metrics").await;
    assert_eq!(metrics.status, 200);
    assert_eq!(
        metrics.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = String::from_utf8(metrics.body).unwrap();
    for family in [
        "tokens_active 0",
        "signing_key_age_seconds 0",
        "tokens_revoked_total 0",
    ] {
        assert!(text.contains(family), "{family} is missing in {text}");
    }
    panel.audit.fill();
    assert_eq!(bare(&panel, "/health").await.status, 200);
}

#[tokio::test]
async fn readiness_tells_what_fails() {
    let panel = Panel::new().await;
    panel
        .health
        .register("store", Duration::from_secs(5), || async {
            Err("the disk is full".to_owned())
        });
    let answer = bare(&panel, "/ready").await;
    assert_eq!(answer.headers["retry-after"], "1");
    let report = answer.expect(503);
    assert_eq!(report["checks"]["store"]["status"], "failed");
    assert_eq!(report["checks"]["store"]["detail"], "the disk is full");
}

#[tokio::test]
async fn statistics_show_the_service_at_a_glance() {
    let panel = Panel::new().await;
    panel.client("c", "opaque").await;
    panel.access_token("c").await;
    let stats = panel.get("/admin/stats").await.expect(200);
    for (pointer, value) in [
        ("/version", json!("1.2.3")),
        ("/issuer", json!("https://auth.example.com")),
        ("/started_at", json!(START)),
        ("/tokens_active", json!(1)),
        ("/tokens_active_max", json!(10_000)),
        ("/keys/0/state", json!("signing")),
        ("/caches/0/name", json!("clients")),
        ("/limits/0/name", json!("token-per-client")),
        ("/store", json!({"kind": "memory", "status": "ok"})),
        ("/http/in_flight", json!(0)),
        ("/http/queued", json!(0)),
    ] {
        assert_eq!(stats.pointer(pointer), Some(&value), "{pointer} of {stats}");
    }
    assert!(stats["uptime_seconds"].is_u64());
    let config = panel.get("/admin/config").await.expect(200);
    assert_eq!(config["admin"]["token"], "***");
}

#[tokio::test]
async fn limits_are_told_with_what_they_did() {
    let panel = Panel::new().await;
    let limits = panel.get("/admin/limits").await.expect(200);
    let rule = &limits["rules"][0];
    for (name, value) in [
        ("name", json!("token-per-client")),
        ("routes", json!(["/oauth/token"])),
        ("key", json!("client")),
        ("capacity", json!(100)),
        ("fill_per_second", json!(20.0)),
        ("keys", json!(0)),
        ("allowed", json!(0)),
        ("denied", json!(0)),
    ] {
        assert_eq!(rule[name], value, "{name} of {rule}");
    }
    assert!(rule["keys_max"].as_u64() > Some(0));
}

#[tokio::test]
async fn profiles_last_a_bounded_time() {
    let panel = Panel::new().await;
    for query in ["seconds=0", "seconds=121", "seconds=x", "minutes=1"] {
        let answer = panel.get(&format!("/debug/pprof/profile?{query}")).await;
        answer.refused(400, "invalid_request", "");
    }
    let profile = panel.get("/debug/pprof/profile?seconds=1").await;
    assert_eq!(profile.status, 200);
    assert_eq!(profile.headers["content-type"], "application/octet-stream");
}

/// An operation that the audit log missed would be worse than one that did not happen.
#[tokio::test]
async fn nothing_is_answered_when_the_audit_log_cannot_be_written() {
    let panel = Panel::new().await;
    panel.client("c", "jwt").await;
    panel.audit.fill();
    let answer = panel.post("/admin/tokens", json!({"client_id": "c"})).await;
    answer.refused(503, "temporarily_unavailable", "");
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(answer.json().get("access_token"), None::<&Value>);
    panel
        .get("/admin/backup")
        .await
        .refused(503, "temporarily_unavailable", "");
}
