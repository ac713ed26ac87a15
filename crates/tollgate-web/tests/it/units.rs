//! The parts that need no socket: admission, health, CORS, metrics, configuration.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, Method};
use tollgate_web::metrics::{Buckets, Registry, RegistryError};
use tollgate_web::{
    Cors, HealthRegistry, HttpMetrics, Overload, OverloadLimits, Rejection, Server, ServerConfig,
    ServerError,
};

use crate::support::{SHORT, STUCK, config};

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(STUCK, future).await.unwrap() })
}

fn overload(
    in_flight_max: usize,
    queue_max: usize,
    queue_wait: Duration,
) -> (Arc<Overload>, Registry) {
    let registry = Registry::new();
    let limits = OverloadLimits {
        in_flight_max,
        queue_max,
        queue_wait,
    };
    (
        Arc::new(Overload::new(limits, &registry).unwrap()),
        registry,
    )
}

#[test]
fn admission_bounds_work_queue_and_wait() {
    let (gate, registry) = overload(2, 1, SHORT);
    block_on(async {
        let first = gate.admit().await.unwrap();
        let second = gate.admit().await.unwrap();
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.admit().await.map(drop) }
        });
        while gate.load().1 == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(gate.admit().await.err(), Some(Rejection::QueueFull));
        drop(first);
        assert_eq!(waiting.await.unwrap(), Ok(()));
        let _third = gate.admit().await.unwrap();
        assert_eq!(gate.admit().await.err(), Some(Rejection::QueueWait));
        drop(second);
        drop(gate.admit().await.unwrap());
        assert_eq!(gate.load(), (1, 0));
    });
    let rendered = registry.render();
    assert!(rendered.contains("overload_rejections_total{reason=\"queue_full\"} 1\n"));
    assert!(rendered.contains("overload_rejections_total{reason=\"queue_wait\"} 1\n"));
}

#[test]
fn admission_never_exceeds_its_bound_nor_forgets_a_waiter() {
    const BOUND: usize = 3;
    let (gate, _) = overload(BOUND, 1000, STUCK);
    let inside = AtomicUsize::new(0);
    let work = async || {
        for _ in 0..500 {
            let permit = gate.admit().await.unwrap();
            assert!(inside.fetch_add(1, Ordering::SeqCst) < BOUND);
            tokio::task::yield_now().await;
            inside.fetch_sub(1, Ordering::SeqCst);
            drop(permit);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                block_on(async { tokio::join!(work(), work(), work(), work(), work(), work()) });
            });
        }
    });
    assert_eq!(gate.load(), (0, 0));
}

#[test]
fn readiness_reports_every_check() {
    let health = HealthRegistry::new();
    assert!(block_on(health.report()).is_ok());
    let health = HealthRegistry::new();
    health.register("fine", STUCK, || async { Ok(Some("42".to_owned())) });
    assert!(block_on(health.report()).is_ok());
    let health = HealthRegistry::new();
    health.register("fine", STUCK, || async { Ok(None) });
    health.register("broken", STUCK, || async { Err("disk full".to_owned()) });
    health.register("stuck", SHORT, || async { std::future::pending().await });
    health.register("panics", STUCK, || async { panic!("on purpose") });
    let report = block_on(health.report());
    assert!(!report.is_ok());
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["status"], "failed");
    assert_eq!(json["checks"]["fine"]["status"], "ok");
    assert!(json["checks"]["fine"]["latency_ms"].is_number());
    for (name, detail) in [
        ("broken", "disk full"),
        ("stuck", "timed out"),
        ("panics", "the check did not finish"),
    ] {
        assert_eq!(json["checks"][name]["status"], "failed", "{name}");
        assert_eq!(json["checks"][name]["detail"], detail, "{name}");
    }
}

#[test]
fn readiness_checks_run_once_however_many_ask() {
    let runs = Arc::new(AtomicUsize::new(0));
    let health = HealthRegistry::new();
    let counted = Arc::clone(&runs);
    health.register("counted", STUCK, move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(None) }
    });
    block_on(async {
        for _ in 0..10 {
            health.report().await;
        }
    });
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn only_named_origins_may_read() {
    let cors = Cors::new(&["https://app.example", "http://localhost:3000"]).unwrap();
    let request = |origin: &str, wanted: Option<&str>| {
        let mut headers = HeaderMap::new();
        headers.insert("origin", origin.parse().unwrap());
        if let Some(method) = wanted {
            headers.insert("access-control-request-method", method.parse().unwrap());
        }
        headers
    };
    for origin in ["https://app.example", "http://localhost:3000"] {
        let answer = cors
            .preflight(&Method::OPTIONS, &request(origin, Some("POST")))
            .unwrap();
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
        assert_eq!(answer.headers()["access-control-allow-methods"], "POST");
        assert_eq!(answer.headers()["vary"], "origin");
    }
    for origin in [
        "https://app.example.evil",
        "https://APP.example",
        "null",
        "http://app.example",
    ] {
        let preflight = cors
            .preflight(&Method::OPTIONS, &request(origin, Some("POST")))
            .unwrap();
        assert!(
            !preflight
                .headers()
                .contains_key("access-control-allow-origin"),
            "{origin}"
        );
        let mut answer = HeaderMap::new();
        assert!(!cors.decorate(&request(origin, None), &mut answer));
        assert_eq!(answer["vary"], "origin");
    }
    let named = request("https://app.example", None);
    assert!(
        cors.preflight(&Method::OPTIONS, &named).is_none(),
        "no preflight without a method"
    );
    assert!(
        cors.preflight(&Method::POST, &request("https://app.example", Some("POST")))
            .is_none()
    );
    assert!(
        Cors::default()
            .preflight(&Method::OPTIONS, &request("null", Some("GET")))
            .is_none()
    );
    for bad in [
        "*",
        "",
        "app.example",
        "https://",
        "https://a/",
        "https://a b",
        "HTTPS://a",
    ] {
        assert!(Cors::new(&[bad]).is_err(), "{bad}");
    }
}

#[test]
fn metrics_are_exposed_as_prometheus_reads_them() {
    let registry = Registry::new();
    let counter = registry.counter("a_total", "A\nB\\.").unwrap();
    let family = registry
        .counter_family(
            "b_total",
            "B.",
            &[("x", &["p", "q\"\\"]), ("y", &["r", "s"])],
        )
        .unwrap();
    let gauge = registry.gauge("c", "C.").unwrap();
    let bounds = [Duration::from_millis(1), Duration::from_secs(1)];
    let histogram = registry
        .histogram("d_seconds", "D.", &Buckets::durations(&bounds))
        .unwrap();
    let sizes = registry
        .histogram_family("e", "E.", ("z", &["t", "u"]), &Buckets::counts(&[1, 10]))
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| counter.increment()));
        }
    });
    family.increment([1, 0]);
    family.add([0, 1], 2);
    family.increment([2, 0]);
    family.increment([0]);
    gauge.set(5);
    gauge.add(-7);
    for micros in [1, 1000, 1001, 2_000_000] {
        histogram.observe(Duration::from_micros(micros));
    }
    sizes.observe(1, Duration::from_nanos(3));
    let expected = "\
# HELP a_total A\\nB\\\\.
# TYPE a_total counter
a_total 4000
# HELP b_total B.
# TYPE b_total counter
b_total{x=\"p\",y=\"s\"} 2
b_total{x=\"q\\\"\\\\\",y=\"r\"} 1
# HELP c C.
# TYPE c gauge
c -2
# HELP d_seconds D.
# TYPE d_seconds histogram
d_seconds_bucket{le=\"0.001\"} 2
d_seconds_bucket{le=\"1\"} 3
d_seconds_bucket{le=\"+Inf\"} 4
d_seconds_sum 2.002002
d_seconds_count 4
# HELP e E.
# TYPE e histogram
e_bucket{z=\"t\",le=\"1\"} 0
e_bucket{z=\"t\",le=\"10\"} 0
e_bucket{z=\"t\",le=\"+Inf\"} 0
e_sum{z=\"t\"} 0
e_count{z=\"t\"} 0
e_bucket{z=\"u\",le=\"1\"} 0
e_bucket{z=\"u\",le=\"10\"} 1
e_bucket{z=\"u\",le=\"+Inf\"} 1
e_sum{z=\"u\"} 3
e_count{z=\"u\"} 1
";
    assert_eq!(registry.render(), expected);
}

#[test]
fn metrics_have_one_name_each_and_bounded_labels() {
    let registry = Registry::new();
    registry.counter("a_total", "").unwrap();
    assert_eq!(
        registry.gauge("a_total", "").err(),
        Some(RegistryError::NameTaken("a_total".into()))
    );
    for bad in ["", "1a", "a-b", "a b", "ä"] {
        assert_eq!(
            registry.gauge(bad, "").err(),
            Some(RegistryError::BadName(bad.into()))
        );
    }
    let many: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let family = registry.counter_family("b_total", "", &[("x", &many), ("y", &many)]);
    assert_eq!(
        family.err(),
        Some(RegistryError::TooManySeries("b_total".into()))
    );
}

#[test]
fn the_process_reports_itself() {
    let registry = Registry::new();
    registry.process_metrics().unwrap();
    let rendered = registry.render();
    let value = |name: &str| -> f64 {
        let line = rendered
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes ") > 1e6);
    assert!(value("process_virtual_memory_bytes ") > value("process_resident_memory_bytes "));
    assert!(value("process_start_time_seconds ") > 1.5e9);
    assert!(value("process_cpu_seconds_total ") >= 0.0);
    assert!(value("process_open_fds ") >= 3.0);
    assert!(value("process_max_fds ") >= value("process_open_fds "));
    assert!(value("process_threads ") >= 1.0);
}

#[test]
fn values_out_of_range_are_named() {
    config().validate().unwrap();
    ServerConfig::default().validate().unwrap();
    type Change = fn(&mut ServerConfig);
    let changes: [(&str, Change); 11] = [
        ("header_timeout", |c| {
            c.header_timeout = Duration::ZERO;
        }),
        ("read_timeout", |c| {
            c.read_timeout = Duration::ZERO;
        }),
        ("write_timeout", |c| {
            c.write_timeout = Duration::from_millis(9);
        }),
        ("idle_timeout", |c| {
            c.idle_timeout = Duration::from_secs(86_401);
        }),
        ("request_timeout", |c| {
            c.request_timeout = Duration::MAX;
        }),
        ("drain_timeout", |c| {
            c.drain_timeout = Duration::MAX;
        }),
        ("connections_max", |c| {
            c.connections_max = 0;
        }),
        ("threads", |c| {
            c.threads = 1025;
        }),
        ("header_bytes_max", |c| {
            c.header_bytes_max = 1023;
        }),
        ("header_bytes_max", |c| {
            c.header_bytes_max = (1 << 20) + 1;
        }),
        ("body_bytes_max", |c| {
            c.body_bytes_max = 1 << 32;
        }),
    ];
    for (key, change) in changes {
        let mut config = config();
        change(&mut config);
        assert_eq!(config.validate().unwrap_err().key, key);
    }
}

#[test]
fn a_port_is_never_shared_with_another_server() {
    let bind = |address: SocketAddr, threads| {
        let metrics = HttpMetrics::register(&Registry::new(), &[]).unwrap();
        Server::bind(
            ServerConfig {
                threads,
                ..config()
            },
            &[address],
            metrics,
        )
    };
    let first = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
    for threads in [1, 2] {
        let second = bind(first.local_addr().unwrap(), threads);
        assert!(
            matches!(second, Err(ServerError::Listen { .. })),
            "{threads}"
        );
    }
}
