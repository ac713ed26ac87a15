//! The serving layer under an HTTP service: hardened listeners, bounds, overload control, health
//! and metrics. It knows nothing of what is served.
//!
//! Any tower service, above all an `axum::Router`, is served by `TowerService` (feature `tower`);
//! the feature `axum` adds extractors, the feature `layers` what services commonly put before
//! themselves. Who writes a service for this crate alone implements [`Handler`], the fast path:
//!
//! ```no_run
//! use tollgate_web::metrics::Registry;
//! use tollgate_web::{Handler, HttpMetrics, RequestBody, RequestContext, ResponseBody};
//! use tollgate_web::{Server, ServerConfig};
//!
//! struct Hello;
//!
//! impl Handler for Hello {
//!     async fn handle(
//!         &self,
//!         _request: http::Request<RequestBody>,
//!         _context: &mut RequestContext,
//!     ) -> http::Response<ResponseBody> {
//!         http::Response::new("hello".into())
//!     }
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! let metrics = HttpMetrics::register(&registry, &[])?;
//! let server = Server::bind(ServerConfig::default(), &["127.0.0.1:8080".parse()?], metrics)?;
//! server.run(Hello, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | brings |
//! |---|---|
//! | `tower` | any tower service as a handler |
//! | `axum` | `tower`, extractors, metrics by axum's route templates |
//! | `layers` | compression, CORS, CSRF, rate limits, time-outs and the like, one tower layer each |
//! | `stream` | bodies with back-pressure, server-sent events |
//! | `work` | a worker pool behind a bounded queue, bounded fan-out |
//! | `arena` | memory and values that live as long as a request |
//! | `cache`, `redis` | an application cache, its second level; with `tower` a cache of responses |
//! | `http3` | HTTP/3 on the UDP port of the TLS listener |
//! | `systemd` | sockets handed over by systemd |
//! | `profiling` | CPU and heap profiles that `go tool pprof` opens; includes `jemalloc` |
//! | `jemalloc` | [trimming memory](memory) purges jemalloc |
//!
//! Where a configuration is read from text, [`ServerConfig`] and [`OverloadLimits`] are read by
//! `serde`, and a [`Preset`] gives bounds that fit together.

#[cfg(feature = "arena")]
mod arena;
pub mod body;
#[cfg(feature = "cache")]
pub mod cache;
mod client_address;
mod config;
mod cors;
mod duration;
#[cfg(any(feature = "layers", all(feature = "cache", feature = "tower")))]
mod entity_tag;
#[cfg(feature = "axum")]
pub mod extract;
mod handler;
mod head;
mod health;
mod host;
mod http_metrics;
#[cfg(feature = "layers")]
pub mod layers;
pub mod memory;
pub mod metrics;
mod overload;
mod preset;
#[cfg(feature = "profiling")]
pub mod profiling;
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
mod readme {}
mod redirect;
#[cfg(feature = "arena")]
mod request_cache;
mod request_id;
#[cfg(feature = "arena")]
mod request_memory;
mod response;
#[cfg(all(feature = "cache", feature = "tower"))]
pub mod response_cache;
mod serve;
#[cfg(feature = "stream")]
pub mod stream;
mod tls;
#[cfg(feature = "tower")]
mod tower;
mod unwind;
#[cfg(any(feature = "arena", feature = "cache"))]
mod weigh;
#[cfg(feature = "work")]
pub mod work;

#[cfg(feature = "tower")]
pub use self::tower::{RequestInfo, TowerService};
#[cfg(feature = "arena")]
pub use arena::{Arena, ArenaFull, ArenaInUse};
pub use body::{BodyError, RequestBody};
pub use client_address::{Scheme, TrustedProxies, ip_key};
pub use config::{
    CertificateFiles, ClientCertificateDemand, ClientCertificates, ConfigError, ServerConfig,
    TlsConfig,
};
pub use cors::{Cors, OriginError};
pub use handler::{Handler, RequestContext};
pub use health::{
    CheckOutcome, CheckReport, CheckSettings, HealthRegistry, HealthReport, Importance, Status,
};
pub use http_metrics::{HttpMetrics, RouteId};
pub use overload::{Overload, OverloadLimits, Permit, Rejection};
pub use preset::{Preset, UnknownPreset};
pub use redirect::{HostError, HttpsRedirect};
#[cfg(feature = "arena")]
pub use request_cache::RequestCache;
pub use request_id::RequestId;
#[cfg(feature = "arena")]
pub use request_memory::RequestMemoryLimits;
pub use response::{ResponseBody, StreamError, error_response};
pub use serve::{Drained, Server, ServerError};
pub use tls::{ClientCertificate, TlsError, TlsReloader};
#[cfg(any(feature = "arena", feature = "cache"))]
pub use weigh::Weigh;
