//! Every key of the configuration has an effect, and a test that shows it.

mod bounds;
mod listeners;
mod service;
mod tokens;

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;
use tollgate_testkit::{Builder, TestServer};

use crate::BINARY;

/// A server with this configuration.
fn start(config: &str) -> TestServer {
    Builder::new(BINARY).config(config).start()
}

/// A management answer.
fn admin(server: &TestServer, path: &str) -> Value {
    let token = format!("Bearer {}", server.admin_token());
    server
        .admin_http()
        .get(path, &[("authorization", &token)])
        .expect_status(200)
        .json()
}

/// The value of a metric, labels and all; 0 when it is not there.
fn metric(server: &TestServer, name: &str) -> f64 {
    let text = server
        .admin_http()
        .get("/metrics", &[])
        .expect_status(200)
        .body;
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(value).unwrap_or(0.0)
}

/// Each key, and where its effect is shown: a file beneath `tests/it` and a test in it.
const EFFECTS: &[(&str, &str, &str)] = &[
    ("issuer", "dev.rs", "the_issuer_is_the_listener"),
    (
        "profile",
        "effects/service.rs",
        "a_profile_presets_what_is_not_set",
    ),
    (
        "server.listen",
        "effects/listeners.rs",
        "everything_is_where_the_configuration_says",
    ),
    (
        "server.tls_cert",
        "tls.rs",
        "tls_is_on_with_both_files_and_new_ones_are_taken",
    ),
    (
        "server.tls_key",
        "tls.rs",
        "tls_is_on_with_both_files_and_new_ones_are_taken",
    ),
    (
        "server.http2",
        "effects/listeners.rs",
        "http2_is_spoken_unless_switched_off",
    ),
    (
        "server.http3",
        "http3.rs",
        "http3_is_spoken_beside_tls_when_switched_on",
    ),
    (
        "server.connections_max",
        "effects/bounds.rs",
        "one_connection_too_many_is_refused",
    ),
    (
        "server.header_timeout",
        "effects/bounds.rs",
        "a_slow_head_is_cut_off",
    ),
    (
        "server.read_timeout",
        "effects/bounds.rs",
        "a_slow_body_is_cut_off",
    ),
    (
        "server.write_timeout",
        "effects/bounds.rs",
        "a_client_that_does_not_read_is_cut_off",
    ),
    (
        "server.idle_timeout",
        "effects/bounds.rs",
        "an_idle_connection_is_closed",
    ),
    (
        "server.request_timeout",
        "effects/bounds.rs",
        "a_slow_answer_is_given_up",
    ),
    ("server.drain_timeout", "effects/bounds.rs", "a_drain_ends"),
    (
        "server.header_bytes_max",
        "effects/bounds.rs",
        "large_heads_and_bodies_are_refused",
    ),
    (
        "server.body_bytes_max",
        "effects/bounds.rs",
        "large_heads_and_bodies_are_refused",
    ),
    (
        "server.threads",
        "effects/listeners.rs",
        "there_are_as_many_threads_as_asked_for",
    ),
    (
        "server.trusted_proxies",
        "effects/listeners.rs",
        "forwarded_addresses_count_from_trusted_proxies",
    ),
    (
        "admin.listen",
        "effects/listeners.rs",
        "everything_is_where_the_configuration_says",
    ),
    (
        "overload.in_flight_max",
        "effects/bounds.rs",
        "work_is_bounded_queued_and_refused",
    ),
    (
        "overload.queue_max",
        "effects/bounds.rs",
        "work_is_bounded_queued_and_refused",
    ),
    (
        "overload.queue_wait",
        "effects/bounds.rs",
        "work_is_bounded_queued_and_refused",
    ),
    (
        "store.kind",
        "config.rs",
        "keys_that_are_not_built_are_unknown",
    ),
    (
        "store.embedded.path",
        "effects/listeners.rs",
        "everything_is_where_the_configuration_says",
    ),
    (
        "store.embedded.durability",
        "lifecycle.rs",
        "nothing_survives_in_memory",
    ),
    (
        "batch.records_max",
        "effects/service.rs",
        "commits_are_as_large_as_allowed",
    ),
    (
        "batch.linger",
        "effects/service.rs",
        "a_commit_waits_for_company",
    ),
    (
        "cache.entries_max",
        "effects/service.rs",
        "the_cache_is_as_large_and_as_old_as_allowed",
    ),
    (
        "cache.ttl",
        "effects/service.rs",
        "the_cache_is_as_large_and_as_old_as_allowed",
    ),
    (
        "cleanup.interval",
        "effects/service.rs",
        "expired_records_are_removed_in_steps",
    ),
    (
        "cleanup.batch_max",
        "effects/service.rs",
        "expired_records_are_removed_in_steps",
    ),
    (
        "tokens.access_format",
        "effects/tokens.rs",
        "tokens_are_as_configured",
    ),
    (
        "tokens.access_ttl",
        "effects/tokens.rs",
        "tokens_are_as_configured",
    ),
    (
        "tokens.one_time_ttl",
        "effects/tokens.rs",
        "tokens_are_as_configured",
    ),
    (
        "tokens.active_max",
        "effects/tokens.rs",
        "no_more_tokens_live_than_allowed",
    ),
    (
        "keys.signing_alg",
        "effects/tokens.rs",
        "keys_live_as_long_as_configured",
    ),
    ("keys.rotate_every", "keys.rs", "keys_rotate_by_age"),
    (
        "keys.publish_ahead",
        "effects/tokens.rs",
        "keys_live_as_long_as_configured",
    ),
    (
        "keys.retain_after",
        "effects/tokens.rs",
        "keys_live_as_long_as_configured",
    ),
    (
        "keys.jwks_max_age",
        "effects/tokens.rs",
        "keys_live_as_long_as_configured",
    ),
    (
        "keys.master_key_file",
        "files.rs",
        "the_master_key_may_come_from_elsewhere",
    ),
    (
        "rate_limit.kind",
        "config.rs",
        "keys_that_are_not_built_are_unknown",
    ),
    (
        "rate_limit.failures_capacity",
        "effects/service.rs",
        "failures_are_borne_up_to_a_bound",
    ),
    (
        "rate_limit.failures_fill_per_second",
        "effects/service.rs",
        "failures_are_borne_up_to_a_bound",
    ),
    (
        "rate_limit.rules",
        "effects/service.rs",
        "a_rule_limits_what_it_covers",
    ),
    (
        "routes",
        "effects/service.rs",
        "a_route_demands_its_scope_and_audience",
    ),
    (
        "cors.origins",
        "effects/service.rs",
        "listed_origins_may_call",
    ),
    (
        "log.format",
        "logs.rs",
        "an_event_carries_the_id_of_its_request",
    ),
    ("log.level", "logs.rs", "sighup_changes_the_level"),
    (
        "telemetry.otlp_endpoint",
        "telemetry.rs",
        "requests_and_what_they_ask_of_the_store_are_exported",
    ),
    (
        "audit.path",
        "audit.rs",
        "what_was_done_is_chained_and_goes_on_after_a_restart",
    ),
];

/// The dotted names of the keys in a schema.
fn names(schema: &Value, section: &str, names: &mut BTreeSet<String>) {
    for (name, property) in schema["properties"].as_object().unwrap() {
        let name = if section.is_empty() {
            name.clone()
        } else {
            format!("{section}.{name}")
        };
        if property["type"] == "object" {
            self::names(property, &name, names);
        } else {
            names.insert(name);
        }
    }
}

#[test]
fn every_key_has_a_test_that_is_there() {
    let schema = crate::tollgate(&["config", "schema"])
        .expect_success()
        .json_document();
    let mut keys = BTreeSet::new();
    names(&schema, "", &mut keys);
    let shown: BTreeSet<String> = EFFECTS.iter().map(|(key, ..)| (*key).to_owned()).collect();
    assert_eq!(keys, shown);
    for (key, file, test) in EFFECTS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it")
            .join(file);
        let text = fs::read_to_string(&path).unwrap();
        let head = format!("#[test]\nfn {test}()");
        assert!(text.contains(&head), "{key}: no {test} in {file}");
    }
}
