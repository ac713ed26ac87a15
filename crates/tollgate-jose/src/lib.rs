//! JWS, JWK and JWK Set with a strict algorithm policy, on `aws-lc-rs`.
//!
//! Pure: no I/O, no clock, no threads. Keys are parsed and judged once and held prepared, so a
//! signature costs what the library's own signature costs.
//!
//! ```
//! use tollgate_jose::{Algorithm, Compact, Limits, SigningKey, VerifyingKey, compact, encode_header};
//!
//! let (_pkcs8, signing_key) = SigningKey::generate(Algorithm::ES256)?;
//! let header = encode_header(Algorithm::ES256, signing_key.kid(), "at+jwt");
//! let mut token = String::new();
//! compact(&header, br#"{"sub":"alice"}"#, &signing_key, &mut token)?;
//!
//! let public = signing_key.public_jwk().expect("ES256 has a public half");
//! let key = VerifyingKey::from_jwk(&public)?;
//! let payload = Compact::parse(&token, &Limits::default())?.verify(&key)?;
//! assert_eq!(payload.as_bytes(), br#"{"sub":"alice"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What cannot be expressed here: an unsecured token (`none`), a key taken from a token's own
//! header, an RSA key used as an HMAC secret, a weak key, a payload before its signature was
//! checked except through methods named `unverified_…`.

mod algorithm;
mod b64;
mod compact;
mod detached;
mod encode;
mod error;
mod header;
pub mod json;
mod jwk;
mod key_set;
mod signing;
mod spki;
mod verifying;
mod weak;

pub use algorithm::{Algorithm, UnsupportedAlgorithm};
pub use compact::{Compact, Limits, VerifiedPayload};
pub use detached::Detached;
pub use encode::{compact, encode_header};
pub use error::{KeyError, ParseError, Part, SignError, VerifyError, Weakness};
pub use header::{Header, KID_BYTES_MAX};
pub use jwk::{Jwk, sha256_base64url};
pub use key_set::{JwkSet, JwkSetLimits, KeySet, LookupError};
pub use signing::{Pkcs8, RsaBits, SigningKey};
pub use verifying::VerifyingKey;
