//! Validation of OAuth 2 access tokens for resource servers, with any provider.
//!
//! # One call
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
//! The builder goes from issuer to audience to keys, and there is no verifier before the last: a
//! forgotten audience does not compile. No setting switches a check off; what weakens a verifier
//! lives in [`danger`], under a name that a search finds.
//!
//! What every token has to pass: a signature by one of the issuer's keys with an algorithm of that
//! key's own, `iss` and `aud` exactly, `exp` and `iat` and `nbf` against the clock that the caller
//! hands in, `typ`, no member twice, no extension that is not understood, and proof of possession
//! where the token is bound to a key. Sizes and depths are bounded, and up to the signature check
//! nothing is allocated. Checks of the caller's own come last, at once or awaited
//! ([`VerifierBuilder::validate`], [`VerifierBuilder::validate_async`]).
//!
//! # Keys over the network
//!
//! With the feature `client` the keys may stay with the provider:
//!
//! ```toml
//! [dependencies]
//! tollgate-verify = { version = "0.1", features = ["client"] }
//! ```
//!
//! ```no_run
//! # #[cfg(feature = "client")] {
//! # use tollgate_verify::Verifier;
//! # async fn example(token: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = Verifier::builder()
//!     .issuer("https://as.example")
//!     .audience("https://orders.example")
//!     .build()?; // finds the keys by the issuer's metadata
//!
//! let token = verifier.verify(token).await?;
//! println!("{:?} may {:?}", token.subject(), token.scopes().collect::<Vec<_>>());
//! # Ok(()) }
//! # }
//! ```
//!
//! [`client::KeySource`] says where keys come from and how long they are kept. It fetches once
//! however many tokens wait, refreshes ahead of need, leaves the provider alone for a while after
//! an unknown key or a failure, never trades good keys for a bad answer, and asks neither private
//! addresses nor plain http. Futures of any runtime and plain threads ([`blocking`]) share it.
//!
//! A verifier that keeps seeing the same tokens may remember which signatures were good
//! ([`VerifierBuilder::verified_cache`]); that is off unless asked for, and spares nothing else.
//!
//! Opaque tokens are for [`client::Introspector`], and a service's own tokens for
//! [`client::ClientTokens`].
//!
//! # In a server
//!
//! With the feature `tower` there is a layer that refuses as RFC 6750 says ([`web`]), and with
//! `axum` an extractor for the verified token. The example `resource_server` shows both.
//!
//! # Manual
//!
//! The [`manual`] has a chapter on each part: threats, policy, keys, bound and opaque tokens,
//! servers, testing, speed.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | none | verification with keys at hand: no I/O, no clock, no async |
//! | `client` | discovery, key sets, introspection, own tokens; async and blocking |
//! | `tower` | `client`, a layer and a scope guard |
//! | `axum` | `tower` and an extractor |
//!
//! A `build` that is missing after [`audience`](VerifierBuilder::audience) is the one of `client`: without
//! it the builder wants [`jwk_set`](VerifierBuilder::jwk_set) or [`keys`](VerifierBuilder::keys) first.

#![cfg_attr(
    not(feature = "axum"),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "what is linked may not be built"
    )
)]

mod batch;
#[cfg(feature = "client")]
pub mod blocking;
mod bound;
mod builder;
mod claimed_issuer;
mod claims;
#[cfg(feature = "client")]
pub mod client;
pub mod danger;
mod dpop;
mod error;
mod http_url;
mod keys;
mod lock;
#[cfg(feature = "axum")]
pub mod manual;
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
mod readme {}
mod policy;
mod replays;
mod token;
mod validators;
#[cfg(feature = "client")]
mod verified;
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
#[cfg(feature = "client")]
pub use validators::Validation;
pub use validators::{AtOnce, Awaited, Rejection};
pub use verifier::Verifier;
