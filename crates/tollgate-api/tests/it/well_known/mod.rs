//! `GET /.well-known/…`.

mod jwks;
mod metadata;
