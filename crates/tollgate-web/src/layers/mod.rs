//! Tower layers for any service behind a [`Server`](crate::Server), one a file. Each answers what
//! it refuses itself, with the constant answers of [`error_response`](crate::error_response).
//!
//! Layers added later stand further out. A whole stack, the outermost last:
//!
//! ```
//! use axum::{Router, routing::get};
//! use std::time::Duration;
//! use tollgate_web::layers::{
//!     BodyLimit, Compression, Decompression, EntityTags, RequestIds, SecurityHeaders, Timeout,
//!     TraceSpans,
//! };
//!
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .layer(EntityTags::new(64 * 1024)) // within compression: tags are of the plain text
//!     .layer(Decompression::new(1 << 20))
//!     .layer(BodyLimit::new(64 * 1024)) // outside decompression: bytes on the wire
//!     .layer(Compression::new())
//!     .layer(Timeout::new(Duration::from_secs(2)))
//!     .layer(SecurityHeaders::new())
//!     .layer(TraceSpans::new())
//!     .layer(RequestIds::new());
//! ```
//!
//! Bodies of answers must be made from [`Bytes`](bytes::Bytes), as axum's and
//! [`ResponseBody`](crate::ResponseBody) are.

mod admission;
mod body_limit;
mod bounded;
mod client_address;
mod compression;
mod cors;
mod csrf;
mod decompression;
mod early_hints;
mod entity_tags;
mod policy;
mod rate_limit;
mod request_id;
mod security_headers;
mod timeout;
mod trace;

pub use admission::{Admission, Admitted};
pub use body_limit::{BodyLimit, Limited};
pub use bounded::{BoundedBody, BoundedFuture};
pub use client_address::ClientAddress;
pub use compression::{Compression, Packed, PackedBody, PackedFuture, SecretAnswer, Worthwhile};
pub use csrf::{Csrf, CsrfToken};
pub use decompression::{DecodedBody, Decompressed, Decompression};
pub use early_hints::EarlyHints;
pub use entity_tags::{EntityTags, Tagged, TaggedFuture};
pub use policy::{Policed, PolicedFuture, Policy, Refusal, refusal};
pub use rate_limit::RateLimit;
pub use request_id::RequestIds;
pub use security_headers::{SecurityHeaders, Subdomains};
pub use timeout::{Timed, TimedFuture, Timeout};
pub use trace::{TraceSpans, Traced, TracedFuture};
