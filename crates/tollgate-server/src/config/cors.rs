//! `[cors]`: which web pages may call the public listener.

use super::{
    key::{Item, Key, Kind},
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[Key::new(
    "cors.origins",
    Kind::List(Item::Origin),
    "[]",
    "whose pages may call the public listener; none unless listed",
)];

/// Which web pages may call.
#[derive(Debug)]
pub(crate) struct Cors {
    pub(crate) origins: Vec<String>,
}

impl Cors {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            origins: reader.texts("cors.origins"),
        }
    }
}
