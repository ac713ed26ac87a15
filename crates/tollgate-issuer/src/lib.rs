//! Every decision of the token service; no I/O but the store's, no clock, no randomness of its own.
//!
//! [`Issuer`] is generic over the [`Store`](tollgate_store::Store) and takes the time and the
//! entropy of each call as a [`Context`]. It knows nothing of HTTP: requests arrive as types of
//! `tollgate-protocol`, answers leave as types of this crate.
//!
//! | module | decides |
//! |---|---|
//! | [`authenticate`] | who the caller is |
//! | [`grant`] | which access token a client gets; one file a grant |
//! | [`one_time`] | issuing and redeeming one-time tokens |
//! | [`check`] | whether a token counts, for introspection, validation and revocation |
//! | [`clients`], [`keys`], [`tokens`] | what administrators do |
//! | [`backup`] | what a backup carries and what a restore makes dead |

pub mod authenticate;
pub mod backup;
pub mod cache;
pub mod check;
pub mod clients;
pub mod error;
pub mod grant;
mod hash;
mod introspection;
mod issuer;
pub mod jti;
pub mod keys;
pub mod master_key;
pub mod one_time;
pub mod settings;
mod sign;
pub mod tokens;

pub use error::{AdminError, IssuerError};
pub use issuer::{Context, Issuer};
pub use master_key::MasterKey;
pub use settings::{KeyPolicy, Settings};
