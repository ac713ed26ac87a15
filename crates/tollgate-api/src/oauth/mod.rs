//! `/oauth/…`: one file an endpoint.

pub(crate) mod batch;
pub(crate) mod claims;
pub(crate) mod introspect;
pub(crate) mod introspect_batch;
pub(crate) mod ott;
pub(crate) mod ott_redeem;
pub(crate) mod parameters;
mod presented;
pub(crate) mod revoke;
pub(crate) mod revoke_batch;
pub(crate) mod token;
pub(crate) mod validate;
