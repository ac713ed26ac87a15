//! `/oauth/…`: one file an endpoint.

mod authentication;
mod introspect;
mod ott;
mod revoke;
mod token;
mod validate;
