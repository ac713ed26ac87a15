//! What lives as long as one request: an arena and a cache, reached through its extensions.
//!
//! Nothing has to be set up. Whoever asks first makes them, and they are gone when the request and
//! its extractors are, also when the request is cancelled.

use std::sync::Arc;

use bumpalo::Bump;
use http::Extensions;
use parking_lot::Mutex;

use crate::request_cache::Values;

/// The bounds of a request's memory. Put one into the request's extensions before the first use,
/// such as by `axum::Extension`, to have others than the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestMemoryLimits {
    /// Bytes that the arena may take, its own bookkeeping among them.
    pub arena_bytes_max: usize,
    /// Bytes that cached values may take, keys and table among them.
    pub cache_bytes_max: usize,
}

impl Default for RequestMemoryLimits {
    fn default() -> Self {
        Self {
            arena_bytes_max: 64 << 10,
            cache_bytes_max: 64 << 10,
        }
    }
}

/// One request's memory.
#[derive(Clone)]
pub(crate) struct RequestMemory(pub(crate) Arc<Memory>);

pub(crate) struct Memory {
    /// The arena, unless somebody has it.
    pub(crate) arena: Mutex<Option<Bump>>,
    pub(crate) values: Mutex<Values>,
}

impl RequestMemory {
    pub(crate) fn of(extensions: &mut Extensions) -> Self {
        if let Some(memory) = extensions.get::<Self>() {
            return memory.clone();
        }
        let limits = extensions.get::<RequestMemoryLimits>();
        let limits = limits.copied().unwrap_or_default();
        let bump = Bump::new();
        bump.set_allocation_limit(Some(limits.arena_bytes_max));
        let memory = Self(Arc::new(Memory {
            arena: Mutex::new(Some(bump)),
            values: Mutex::new(Values::new(limits.cache_bytes_max)),
        }));
        extensions.insert(memory.clone());
        memory
    }
}
