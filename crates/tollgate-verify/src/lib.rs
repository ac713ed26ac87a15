//! Validation of OAuth 2 access tokens for resource servers.
//!
//! ```
//! use tollgate_jose::JwkSet;
//! use tollgate_verify::{UnixSeconds, Verifier};
//!
//! let keys = JwkSet::from_slice(br#"{"keys":[]}"#)?;
//! let verifier = Verifier::builder()
//!     .issuer("https://as.example")
//!     .audience("https://orders.example")
//!     .jwk_set(&keys)
//!     .build()?;
//!
//! let refused = verifier.verify_at("not.a.token", UnixSeconds(1_700_000_000)).unwrap_err();
//! assert_eq!(refused.code(), "malformed");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! There is no verifier without issuer, audience and keys, and no setting that switches a check
//! off; what weakens one lives in [`danger`].

#[cfg(feature = "client")]
pub mod blocking;
mod bound;
mod builder;
mod claims;
#[cfg(feature = "client")]
pub mod client;
pub mod danger;
mod dpop;
mod error;
mod http_url;
mod keys;
mod policy;
mod token;
mod verifier;
#[cfg(feature = "tower")]
pub mod web;

pub use builder::{Ready, VerifierBuilder, WantsAudience, WantsIssuer, WantsKeys};
pub use dpop::{DpopSettings, Presented, Proof, ProofError};
pub use error::{BuildError, Error};
pub use policy::{Claim, TokenType};
pub use token::{NoClaims, VerifiedToken};
pub use tollgate_jose as jose;
pub use tollgate_protocol::UnixSeconds;
pub use verifier::{Rejection, Verifier};
