//! Purging jemalloc, the one thing here that needs its C interface.

use std::ptr::null_mut;

/// The pages that no allocation uses, of all arenas; 4096 stands for all of them
/// (`MALLCTL_ARENAS_ALL`).
const PURGE_ALL: &std::ffi::CStr = c"arena.4096.purge";

/// Whether jemalloc gave its unused pages back.
pub(super) fn purge() -> bool {
    #[expect(
        unsafe_code,
        reason = "jemalloc's control interface takes pointers; these are a static name and nulls"
    )]
    // SAFETY: the name ends in NUL and lives for ever. The control neither reads nor writes
    // through the other pointers, which are null with a length of zero, as it demands.
    let failure = unsafe {
        tikv_jemalloc_sys::mallctl(PURGE_ALL.as_ptr(), null_mut(), null_mut(), null_mut(), 0)
    };
    failure == 0
}
