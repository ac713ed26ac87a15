//! What is counted of every request and connection.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};

use crate::metrics::{
    Buckets, Counter, CounterFamily, HistogramFamily, Level, Registry, RegistryError, Runtimes,
};

const METHODS: [&str; 8] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "other",
];
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// A route template's place in the list given to [`HttpMetrics::register`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteId(u16);

impl RouteId {
    /// Any request that no route claimed.
    pub const OTHER: Self = Self(0);

    /// The route at this index of the list given to [`HttpMetrics::register`].
    #[must_use]
    pub const fn new(index: u16) -> Self {
        Self(index.saturating_add(1))
    }

    /// Its place in that list; `None` for [`RouteId::OTHER`].
    #[must_use]
    pub fn index(self) -> Option<usize> {
        usize::from(self.0).checked_sub(1)
    }
}

/// The metrics of all servers of a process; cheap to clone.
#[derive(Clone)]
pub struct HttpMetrics(Arc<Families>);

struct Families {
    requests: CounterFamily,
    durations: HistogramFamily,
    in_flight: Level,
    connections: Level,
    panics: Counter,
    closed: CounterFamily,
    runtimes: Runtimes,
}

/// Why the server itself ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    HeaderTimeout,
    IdleTimeout,
    WriteTimeout,
    ConnectionsMax,
    TlsHandshake,
    Drain,
}

const CLOSED: [&str; 6] = [
    "header_timeout",
    "idle_timeout",
    "write_timeout",
    "connections_max",
    "tls",
    "drain",
];

impl HttpMetrics {
    /// Registers the families; `routes` are all route templates that will ever be set.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn register(registry: &Registry, routes: &[&str]) -> Result<Self, RegistryError> {
        let routes: Vec<&str> = ["other"].iter().chain(routes).copied().collect();
        let requests = registry.counter_family(
            "http_requests_total",
            "Requests answered.",
            &[
                ("route", &routes),
                ("method", &METHODS),
                ("status", &STATUSES),
            ],
        )?;
        let durations = registry.histogram_family(
            "http_request_duration_seconds",
            "From the end of a request's head to the answer's head, in seconds.",
            ("route", &routes),
            &Buckets::latency(),
        )?;
        let in_flight = Self::level(registry, "http_requests_in_flight", "Requests now handled.")?;
        let connections = Self::level(registry, "http_connections_open", "Open connections.")?;
        let panics = registry.counter(
            "http_handler_panics_total",
            "Handlers that panicked and were answered 500.",
        )?;
        let closed = registry.counter_family(
            "http_connections_closed_total",
            "Connections ended by the server, by cause.",
            &[("reason", &CLOSED)],
        )?;
        let runtimes = Runtimes::register(registry)?;
        let families = Families {
            runtimes,
            requests,
            durations,
            in_flight,
            connections,
            panics,
            closed,
        };
        Ok(Self(Arc::new(families)))
    }

    /// The runtimes whose figures are told as `tokio_*`: those of the servers that have these
    /// metrics, and others that are added.
    #[must_use]
    pub fn runtimes(&self) -> &Runtimes {
        &self.0.runtimes
    }

    fn level(registry: &Registry, name: &str, help: &str) -> Result<Level, RegistryError> {
        let level = Level::new();
        let read = level.clone();
        registry.gauge_fn(name, help, move || read.value())?;
        Ok(level)
    }

    #[inline]
    pub(crate) fn answered(
        &self,
        route: RouteId,
        method: usize,
        status: StatusCode,
        duration: Duration,
    ) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        self.0
            .requests
            .increment([usize::from(route.0), method, class]);
        self.0.durations.observe(usize::from(route.0), duration);
    }

    pub(crate) fn panicked(&self) {
        self.0.panics.increment();
    }

    pub(crate) fn closed(&self, reason: Closed) {
        self.0.closed.increment([reason as usize]);
    }

    #[inline]
    pub(crate) fn in_flight(&self) -> &Level {
        &self.0.in_flight
    }

    pub(crate) fn connections(&self) -> &Level {
        &self.0.connections
    }
}

/// The place of a method in the list of label values.
#[inline]
pub(crate) fn method_position(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::POST => 1,
        Method::PUT => 2,
        Method::DELETE => 3,
        Method::HEAD => 4,
        Method::OPTIONS => 5,
        Method::PATCH => 6,
        _ => 7,
    }
}
