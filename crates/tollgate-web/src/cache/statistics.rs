//! What a cache holds and how it was used.

/// Figures of one cache since its making.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStatistics {
    /// Entries held, dead ones that nobody has met yet among them.
    pub entries: usize,
    /// Bytes held, with keys, tags and index.
    pub bytes: usize,
    /// Bytes that may be held.
    pub bytes_max: usize,
    /// Look-ups answered from memory.
    pub hits: u64,
    /// Look-ups that memory could not answer.
    pub misses: u64,
    /// Entries written.
    pub inserts: u64,
    /// Entries pushed out by others.
    pub evictions: u64,
    /// Entries found dead of age.
    pub expirations: u64,
    /// Entries removed by key, prefix or tag.
    pub invalidations: u64,
    /// Values not kept because what they were made from was invalidated meanwhile.
    pub fills_refused: u64,
    /// Values not kept because of their size, or that of their key.
    pub too_large: u64,
    /// Loaders run.
    pub loads: u64,
    /// Loaders that failed.
    pub load_failures: u64,
    /// Callers who waited for another's loader.
    pub loads_shared: u64,
    /// Look-ups answered from the second level.
    pub second_level_hits: u64,
    /// Look-ups that the second level could not answer.
    pub second_level_misses: u64,
    /// Operations of the second level that failed.
    pub second_level_failures: u64,
    /// Look-ups that passed memory by, because invalidations could not be heard.
    pub bypasses: u64,
    /// Times that the invalidation channel was lost.
    pub channel_losses: u64,
    /// Invalidations of other instances that were heard.
    pub invalidations_heard: u64,
}
