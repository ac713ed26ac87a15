//! `[admin]`: the management listener.

use std::net::SocketAddr;

use super::{
    key::{Key, Kind},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[Key::new(
    "admin.listen",
    Kind::Address,
    "\"127.0.0.1:8081\"",
    "address of metrics, health, admin API and profiles; keep it from the public",
)];

/// The management listener.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) listen: SocketAddr,
}

impl Admin {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            listen: reader.address("admin.listen"),
        }
    }
}
