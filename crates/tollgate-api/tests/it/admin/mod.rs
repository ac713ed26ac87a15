//! The management API, driven in process; the modules mirror the paths.

mod auth;
mod backup;
mod cache;
mod clients;
mod handler;
mod keys;
mod panel;
mod probes;
mod tokens;
