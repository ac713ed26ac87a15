//! Tags as numbers: the same in every process, so that they can be kept beside shared entries.

use super::config::TAGS_MAX;

/// The tags of one entry. Two tags may share a number; then an invalidation takes more with it
/// than it must, never less.
pub(crate) type Tags = Box<[u64]>;

/// The numbers of `tags`; `None` when they are too many.
pub(crate) fn numbers(tags: &[&str]) -> Option<Tags> {
    (tags.len() <= TAGS_MAX).then(|| tags.iter().map(|tag| number(tag)).collect())
}

/// FNV-1a, which is the same in every build and on every machine.
pub(crate) fn number(tag: &str) -> u64 {
    tag.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
