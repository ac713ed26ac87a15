//! `/oauth/…`: one file an endpoint.

mod audit;
mod authentication;
mod introspect;
mod ott;
mod revoke;
mod token;
mod validate;
