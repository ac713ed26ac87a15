//! The words of OAuth 2 as types: identifiers, scopes, resources, token shapes, requests and errors.
//!
//! Everything here is pure: no I/O, no clock, no randomness. A value of one of these types is
//! well-formed by construction, so that code which holds one need not check it again.
//!
//! | module | has | RFC |
//! |---|---|---|
//! | [`client_id`], [`scope`], [`resource`], [`subject`] | identifiers and the sets made of them | 6749, 8707 |
//! | [`token`] | the shape of opaque tokens, their checksum and what is stored of them | 6750 |
//! | [`form`], [`basic`], [`bearer`] | what arrives: form bodies and `Authorization` headers | 6749, 7617, 6750 |
//! | [`error`] | what is answered when a request is refused | 6749 §5.2 |
//! | [`metadata`] | what the server says of itself | 8414 |
//! | [`time`], [`entropy`] | the clock and the randomness that others pass in | |

pub mod base62;
pub mod basic;
pub mod bearer;
pub mod client_id;
pub mod entropy;
pub mod error;
pub mod form;
pub mod grant;
pub mod metadata;
pub mod resource;
pub mod scope;
pub mod secret;
pub mod subject;
pub mod time;
pub mod token;

pub use basic::BasicCredentials;
pub use bearer::{BearerToken, Challenge};
pub use client_id::ClientId;
pub use entropy::Entropy;
pub use error::{ErrorCode, OAuthError};
pub use form::{Form, FormError};
pub use grant::{AuthMethod, GrantType, TokenFormat};
pub use resource::{Resource, Resources};
pub use scope::Scope;
pub use secret::ClientSecret;
pub use subject::Subject;
pub use time::{Now, UnixMillis, UnixSeconds};
pub use token::{OpaqueToken, TokenKind};
