//! HTTP/3: the same service and the same bounds as on TCP, over QUIC.

mod bounds;
mod client;
mod early_data;
mod endpoints;
mod lifetime;
mod requests;
