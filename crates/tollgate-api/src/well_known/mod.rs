//! `GET /.well-known/…`: what the server publishes of itself.

pub(crate) mod jwks;
pub(crate) mod metadata;
