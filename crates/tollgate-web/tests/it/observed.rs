//! What is read out of metrics: quantiles, and the figures of runtimes.

use std::time::Duration;

use tollgate_web::ServerConfig;
use tollgate_web::metrics::{Buckets, Registry, Runtimes};

use crate::support::{TestServer, config};

#[test]
fn quantiles_lie_where_the_observations_do() {
    let registry = Registry::new();
    let counts = Buckets::counts(&[10, 20, 40]);
    let check = |name: &str, observed: &[u64], expected: [f64; 5]| {
        let histogram = registry.histogram(name, "", &counts).unwrap();
        assert_eq!(histogram.quantile(0.5), None);
        for &value in observed {
            histogram.observe_count(value);
        }
        let found = [0.0, 0.25, 0.5, 0.75, 1.0].map(|q| histogram.quantile(q).unwrap());
        assert_eq!(found, expected, "{name}");
        for outside in [-1.0, f64::NEG_INFINITY] {
            assert_eq!(histogram.quantile(outside), Some(expected[0]));
        }
        assert_eq!(histogram.quantile(2.0), Some(expected[4]));
        assert_eq!(histogram.quantile(f64::NAN), None);
    };
    check("first", &[1, 2, 3, 4], [0.0, 2.5, 5.0, 7.5, 10.0]);
    check("apart", &[5, 5, 30, 30], [0.0, 5.0, 10.0, 30.0, 40.0]);
    check("beyond", &[50, 60], [40.0; 5]);
    check("bounds", &[10, 20, 40, 41], [0.0, 10.0, 20.0, 40.0, 40.0]);
}

#[test]
fn every_series_that_observed_has_its_quantiles() {
    let registry = Registry::new();
    let buckets = Buckets::durations(&[Duration::from_millis(1), Duration::from_secs(1)]);
    let routes = ("route", ["/a", "/b", "/c"].as_slice());
    let family = registry.histogram_family("took_seconds", "", routes, &buckets);
    let family = family.unwrap();
    registry.histogram("silent_seconds", "", &buckets).unwrap();
    registry.counter("other_total", "").unwrap();
    for _ in 0..100 {
        family.observe(0, Duration::from_micros(10));
        family.observe(2, Duration::from_millis(500));
    }
    let quantiles = registry.quantiles();
    let named: Vec<_> = quantiles
        .iter()
        .map(|series| (series.name.as_str(), series.labels.as_str(), series.count))
        .collect();
    let expected = ["route=\"/a\"", "route=\"/c\""].map(|route| ("took_seconds", route, 100));
    assert_eq!(named, expected);
    assert_eq!(quantiles[0].p50, 0.0005);
    assert_eq!(quantiles[0].p99, 0.00099);
    assert!((0.89..0.91).contains(&quantiles[1].p90));
    assert_eq!(family.quantile(0, 0.5), Some(0.0005));
    for missing in [1, 3, usize::MAX] {
        assert_eq!(family.quantile(missing, 0.5), None);
    }
}

#[test]
fn runtimes_are_summed_while_they_run() {
    let registry = Registry::new();
    let runtimes = Runtimes::register(&registry).unwrap();
    let value = |name: &str| -> f64 {
        let rendered = registry.render();
        let mut lines = rendered.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().parse().unwrap()
    };
    assert_eq!(value("tokio_workers"), 0.0);
    let build = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (one, two) = (build(), build());
    let counted = [one.handle(), two.handle()].map(|handle| runtimes.add(handle));
    assert_eq!(value("tokio_workers"), 2.0);
    assert_eq!(value("tokio_alive_tasks"), 0.0);
    let hangs = one.spawn(std::future::pending::<()>());
    assert_eq!(value("tokio_alive_tasks"), 1.0);
    assert_eq!(value("tokio_global_queue_depth"), 1.0);
    one.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
    assert_eq!(value("tokio_global_queue_depth"), 0.0);
    let parks = value("tokio_worker_parks_total");
    assert!(parks > 0.0);
    let busy = value("tokio_worker_busy_seconds_total");
    assert!(busy > 0.0);
    drop((hangs, counted));
    assert_eq!(value("tokio_workers"), 0.0);
    assert_eq!(value("tokio_worker_parks_total"), parks);
    assert_eq!(value("tokio_worker_busy_seconds_total"), busy);
}

#[test]
fn a_server_tells_of_its_runtimes() {
    let server = TestServer::start(ServerConfig {
        threads: 2,
        ..config()
    });
    server.wait_for_metric("tokio_workers 2");
    assert_eq!(server.connect().get("/hello").status, 200);
    let registry = server.registry.clone();
    server.join();
    assert!(registry.render().contains("tokio_workers 0\n"));
}
