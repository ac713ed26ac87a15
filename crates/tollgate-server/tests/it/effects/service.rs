//! Batches, caches, cleaning, limits, routes, origins: what the service does within its bounds.

use std::{
    sync::Barrier,
    time::{Duration, Instant},
};

use tollgate_testkit::TestServer;

use super::listeners::await_threads;
use super::{admin, metric, start};

#[test]
fn a_profile_presets_what_is_not_set() {
    let server = start("profile = \"low-resource\"\n[cache]\nentries_max = 5000\n");
    let config = admin(&server, "/admin/config");
    assert_eq!(config["cache"]["entries_max"], 5000);
    assert_eq!(config["tokens"]["active_max"], 100_000);
    await_threads(&server, 1);
}

/// Issues `count` opaque tokens at once.
fn issue(server: &TestServer, count: usize) {
    let (demo, barrier) = (server.demo(), Barrier::new(count));
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                barrier.wait();
                let _ = server.token(&demo, "");
            });
        }
    });
}

#[test]
fn commits_are_as_large_as_allowed() {
    let mean = |records_max: usize| {
        let config = format!(
            "[batch]\nrecords_max = {records_max}\nlinger = \"300ms\"\n\
             [tokens]\naccess_format = \"opaque\"\n[server]\nrequest_timeout = \"60s\"\n"
        );
        let server = start(&config);
        let read = || {
            let sum = metric(&server, "store_commit_batch_size_sum");
            (sum, metric(&server, "store_commit_batch_size_count"))
        };
        let before = read();
        issue(&server, 8);
        let after = read();
        (after.0 - before.0) / (after.1 - before.1)
    };
    assert!((mean(1) - 1.0).abs() < f64::EPSILON, "one record a commit");
    assert!(
        mean(1000) > 1.0,
        "whoever comes at the same time shares a commit"
    );
}

#[test]
fn a_commit_waits_for_company() {
    let server = start("[batch]\nlinger = \"400ms\"\n[tokens]\naccess_format = \"opaque\"\n");
    let started = Instant::now();
    let _ = server.token(&server.demo(), "");
    assert!(
        started.elapsed() >= Duration::from_millis(400),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn the_cache_is_as_large_and_as_old_as_allowed() {
    let hits = |config: &str| {
        let server = start(config);
        let demo = server.demo();
        for _ in 0..5 {
            let _ = server.token(&demo, "");
        }
        let caches = admin(&server, "/admin/cache");
        let clients = &caches["caches"].as_array().unwrap()[0];
        let bound = clients["entries_max"].as_u64().unwrap();
        (clients["hits"].as_u64().unwrap() > 0, bound)
    };
    assert_eq!(hits("[cache]\nentries_max = 77"), (true, 77));
    assert_eq!(hits("[cache]\nentries_max = 0"), (false, 0));
    assert!(!hits("[cache]\nttl = \"0s\"").0);
}

#[test]
fn expired_records_are_removed_in_steps() {
    let config = "[cleanup]\ninterval = \"3s\"\nbatch_max = 1\n[log]\nlevel = \"debug\"\n\
                  [tokens]\naccess_format = \"opaque\"\naccess_ttl = \"1s\"\n";
    let server = start(config);
    issue(&server, 5);
    server.await_log("removed expired records");
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.contains("removed expired records"))
        .unwrap();
    let number = |name: &str| -> usize {
        let (_, rest) = line.split_once(&format!("{name}=")).unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    assert!(number("removed") > 0, "{line}");
    assert!(number("steps") >= number("removed"), "{line}");
}

#[test]
fn failures_are_borne_up_to_a_bound() {
    let refusal = |capacity: usize| {
        let config = format!(
            "[rate_limit]\nfailures_capacity = {capacity}\nfailures_fill_per_second = 0.001\n"
        );
        let server = start(&config);
        let form = [("grant_type", "client_credentials")];
        let fail = |_| {
            server
                .http()
                .form("/oauth/token", Some(("demo", "wrong")), &form)
        };
        (0..capacity + 1)
            .map(fail)
            .find(|answer| answer.status == 429)
    };
    let limited = refusal(2).expect("three failures are more than two");
    let seconds: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!(
        seconds > 100,
        "{seconds}: a failure is forgiven every 1000 seconds"
    );
    let server = start("");
    let form = [("grant_type", "client_credentials")];
    for _ in 0..5 {
        let _ = server
            .http()
            .form("/oauth/token", Some(("demo", "wrong")), &form)
            .expect_status(401);
    }
}

#[test]
fn a_rule_limits_what_it_covers() {
    let config = "[[rate_limit.rules]]\nname = \"one-a-day\"\nroutes = [\"/oauth/token\"]\n\
                  key = \"client\"\ncapacity = 1\nfill_per_second = 0.0001\n";
    let server = start(config);
    let shop = server.create_client(&["--id", "shop"]);
    let form = [("grant_type", "client_credentials")];
    let ask = |client: &tollgate_testkit::TestClient| {
        server.http().form("/oauth/token", client.basic(), &form)
    };
    let first = ask(&shop).expect_status(200);
    assert!(
        first
            .header("ratelimit-policy")
            .unwrap()
            .contains("one-a-day"),
        "{first:?}"
    );
    let second = ask(&shop).expect_status(429);
    assert!(second.header("retry-after").is_some(), "{second:?}");
    let _ = ask(&server.demo()).expect_status(200);
    let _ = server
        .http()
        .get("/.well-known/jwks.json", &[])
        .expect_status(200);
    assert_eq!(
        admin(&server, "/admin/limits")["rules"][0]["name"],
        "one-a-day"
    );

    let everywhere = start(&config.replace("routes = [\"/oauth/token\"]\n", ""));
    let http = everywhere.http();
    let demo = everywhere.demo();
    let _ = http
        .form("/oauth/token", demo.basic(), &form)
        .expect_status(200);
    let ask = [("token", "x")];
    let _ = http
        .form("/oauth/introspect", demo.basic(), &ask)
        .expect_status(429);
}

#[test]
fn a_route_demands_its_scope_and_audience() {
    let config = "[[routes]]\nmethod = \"GET\"\npath = \"/orders/{id}\"\nscope = \"orders:read\"\n\
                  [[routes]]\nmethod = \"*\"\npath = \"/stock/{*rest}\"\n\
                  audience = \"https://stock.example.com\"\n";
    let server = start(config);
    let create = [
        "--id",
        "shop",
        "--scope",
        "orders:read other",
        "--audience",
        "https://stock.example.com",
    ];
    let shop = server.create_client(&create);
    let status = |token: &str, method: &str, path: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", &*bearer),
            ("x-forwarded-method", method),
            ("x-forwarded-uri", path),
        ];
        server.http().get("/oauth/validate", &headers).status
    };
    let (reader, other) = (
        server.token(&shop, "orders:read"),
        server.token(&shop, "other"),
    );
    assert_eq!(status(&reader, "GET", "/orders/7"), 200);
    assert_eq!(status(&other, "GET", "/orders/7"), 403);
    assert_eq!(status(&reader, "POST", "/stock/a/b"), 200);
    let demo = server.token(&server.demo(), "");
    assert_ne!(status(&demo, "POST", "/stock/a/b"), 200);
}

#[test]
fn listed_origins_may_call() {
    let server = start("[cors]\norigins = [\"https://app.example.com\"]\n");
    let allowed = |origin: &str| {
        let answer = server
            .http()
            .get("/.well-known/jwks.json", &[("origin", origin)]);
        answer
            .header("access-control-allow-origin")
            .map(str::to_owned)
    };
    assert_eq!(
        allowed("https://app.example.com").as_deref(),
        Some("https://app.example.com")
    );
    assert_eq!(allowed("https://evil.example.com"), None);
}
