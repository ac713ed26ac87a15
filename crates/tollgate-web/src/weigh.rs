//! How many bytes a cached value holds beside its own size.

use bytes::Bytes;
use std::sync::Arc;

/// A value that knows how much memory hangs from it.
pub trait Weigh {
    /// Bytes on the heap that live as long as the value does, without `size_of::<Self>()`.
    fn heap_bytes(&self) -> usize;
}

/// What one allocation of `bytes` costs with the allocator's rounding and bookkeeping.
pub(crate) const fn allocation_bytes(bytes: usize) -> usize {
    if bytes == 0 {
        0
    } else {
        bytes + bytes / 8 + 16
    }
}

/// The counters in front of what an `Arc` or a shared buffer holds.
const SHARED_BYTES: usize = 24;

impl Weigh for Bytes {
    /// The visible bytes. A slice of a larger buffer keeps the whole buffer: copy it before.
    fn heap_bytes(&self) -> usize {
        allocation_bytes(self.len()) + allocation_bytes(SHARED_BYTES)
    }
}

impl Weigh for String {
    fn heap_bytes(&self) -> usize {
        allocation_bytes(self.capacity())
    }
}

impl<T: Weigh> Weigh for Vec<T> {
    fn heap_bytes(&self) -> usize {
        allocation_bytes(self.capacity() * size_of::<T>())
            + self.iter().map(Weigh::heap_bytes).sum::<usize>()
    }
}

impl<T: Weigh> Weigh for Option<T> {
    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, Weigh::heap_bytes)
    }
}

impl<T: Weigh> Weigh for Box<T> {
    fn heap_bytes(&self) -> usize {
        allocation_bytes(size_of::<T>()) + T::heap_bytes(self)
    }
}

impl<T: Weigh> Weigh for Arc<T> {
    /// As if nobody else held it: a cached value may be the last to.
    fn heap_bytes(&self) -> usize {
        allocation_bytes(size_of::<T>() + SHARED_BYTES) + T::heap_bytes(self)
    }
}

impl Weigh for Arc<str> {
    fn heap_bytes(&self) -> usize {
        allocation_bytes(self.len() + SHARED_BYTES)
    }
}

macro_rules! weightless {
    ($($kind:ty),*) => {
        $(impl Weigh for $kind {
            fn heap_bytes(&self) -> usize {
                0
            }
        })*
    };
}

weightless!(
    (),
    bool,
    char,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64
);
