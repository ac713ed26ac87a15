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

#[cfg(feature = "arena")]
mod arena;
pub mod body;
#[cfg(feature = "cache")]
pub mod cache;
mod client_address;
mod config;
mod cors;
#[cfg(feature = "axum")]
pub mod extract;
mod duration;
mod handler;
mod health;
mod http_metrics;
#[cfg(feature = "layers")]
pub mod layers;
pub mod memory;
pub mod metrics;
mod overload;
mod preset;
#[cfg(feature = "profiling")]
pub mod profiling;
#[cfg(feature = "arena")]
mod request_cache;
mod redirect;
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
mod unwind;
#[cfg(feature = "work")]
pub mod work;
#[cfg(any(feature = "arena", feature = "cache"))]
mod weigh;
#[cfg(feature = "tower")]
mod tower;

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
#[cfg(feature = "arena")]
pub use request_cache::RequestCache;
pub use redirect::{HostError, HttpsRedirect};
pub use request_id::RequestId;
#[cfg(feature = "arena")]
pub use request_memory::RequestMemoryLimits;
pub use response::{ResponseBody, StreamError, error_response};
pub use serve::{Drained, Server, ServerError};
pub use tls::{ClientCertificate, TlsError, TlsReloader};
#[cfg(feature = "tower")]
pub use self::tower::{RequestInfo, TowerService};
#[cfg(any(feature = "arena", feature = "cache"))]
pub use weigh::Weigh;
