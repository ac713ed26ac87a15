//! In front of a service: a tower layer that lets in whoever brings a good token, a scope guard,
//! and an axum extractor for the token.
//!
//! ```no_run
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, routing::get};
//! use tollgate_verify::{Verifier, web::{Authenticated, RequireScope, RequireToken}};
//!
//! # fn app() -> Result<Router, tollgate_verify::BuildError> {
//! let verifier = Verifier::builder()
//!     .issuer("https://as.example")
//!     .audience("https://orders.example")
//!     .build()?;
//! let app = Router::new()
//!     .route("/orders", get(|token: Authenticated| async move {
//!         token.subject().unwrap_or("nobody").to_owned()
//!     }))
//!     .route_layer(RequireScope::new("orders:read"))
//!     .route_layer(RequireToken::new(verifier));
//! # Ok(app) }
//! # }
//! ```

mod authenticated;
mod layer;
mod refusal;
mod resource_metadata;
mod scope;

#[cfg(feature = "axum")]
pub use authenticated::NotAuthenticated;
pub use authenticated::{Authenticated, ClientCertificate};
pub use layer::{RequireToken, RequireTokenService};
pub use resource_metadata::ResourceMetadata;
pub use scope::{RequireScope, RequireScopeFuture, RequireScopeService};
