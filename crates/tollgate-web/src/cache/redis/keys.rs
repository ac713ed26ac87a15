//! What things are called in Redis, and how an entry is written there.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::config::RedisConfigError;
use crate::cache::config::TAGS_MAX;
use crate::cache::second_level::{Invalidation, SharedEntry};

/// What all keys begin with. The braces put them into one slot of a cluster.
pub(super) struct Namespace {
    prefix: String,
    uniqueness: RandomState,
    next: AtomicU64,
}

impl Namespace {
    pub(super) fn new(name: &str) -> Result<Self, RedisConfigError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
            return Err(RedisConfigError::Namespace);
        }
        Ok(Self {
            prefix: format!("{{{name}}}"),
            uniqueness: RandomState::new(),
            next: AtomicU64::new(0),
        })
    }

    pub(super) fn value(&self, key: &str) -> String {
        format!("{}:v:{key}", self.prefix)
    }

    pub(super) fn counter(&self, key: &str) -> String {
        format!("{}:n:{key}", self.prefix)
    }

    pub(super) fn key_generation(&self, key: &str) -> String {
        format!("{}:g:{key}", self.prefix)
    }

    pub(super) fn generation(&self) -> String {
        format!("{}:g", self.prefix)
    }

    pub(super) fn tag(&self, tag: u64) -> String {
        format!("{}:t:{tag:016x}", self.prefix)
    }

    pub(super) fn channel(&self) -> String {
        format!("{}:i", self.prefix)
    }

    /// The glob of all values whose keys begin with `prefix`.
    pub(super) fn pattern(&self, prefix: &str) -> String {
        let mut pattern = String::new();
        for character in self.value(prefix).chars() {
            if "*?[]^\\".contains(character) {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('*');
        pattern
    }

    /// A generation that never was before.
    pub(super) fn unique(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}{number:x}", self.uniqueness.hash_one(number))
    }
}

const VERSION: u8 = 1;

/// A version, the number of tags, the tags, the value.
pub(super) fn encode(entry: &SharedEntry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2 + entry.tags.len() * 8 + entry.bytes.len());
    bytes.push(VERSION);
    bytes.push(u8::try_from(entry.tags.len()).unwrap_or(u8::MAX));
    for tag in &entry.tags {
        bytes.extend_from_slice(&tag.to_be_bytes());
    }
    bytes.extend_from_slice(&entry.bytes);
    bytes
}

/// `None` for what is no entry, or has died since it was read.
pub(super) fn decode(stored: &Bytes, ttl_millis: i64) -> Option<SharedEntry> {
    let (version, rest) = stored.split_first()?;
    let (count, rest) = rest.split_first()?;
    let count = usize::from(*count);
    if *version != VERSION || count > TAGS_MAX {
        return None;
    }
    let (tags, value) = rest.split_at_checked(count * 8)?;
    let (tags, _) = tags.as_chunks::<8>();
    let ttl = u64::try_from(ttl_millis).ok().filter(|ttl| *ttl > 0)?;
    Some(SharedEntry {
        // Its own buffer: a slice would keep the tags' bytes unweighed.
        bytes: Bytes::copy_from_slice(value),
        ttl: Duration::from_millis(ttl),
        tags: tags.iter().map(|tag| u64::from_be_bytes(*tag)).collect(),
    })
}

/// How the other instances are told that all keys with a prefix went.
pub(super) fn prefix_message(prefix: &str) -> String {
    format!("p{prefix}")
}

/// How the other instances are told that all entries with a tag went.
pub(super) fn tag_message(tag: u64) -> String {
    format!("t{tag:016x}")
}

/// `None` for what nobody of this release has sent.
pub(super) fn heard(message: &str) -> Option<Invalidation> {
    let (kind, rest) = message.split_at_checked(1)?;
    match kind {
        "k" => Some(Invalidation::Keys(vec![rest.to_owned()])),
        "p" => Some(Invalidation::Prefix(rest.to_owned())),
        "t" => Some(Invalidation::Tag(u64::from_str_radix(rest, 16).ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_other_bytes_do_not() {
        let entry = SharedEntry {
            bytes: Bytes::from_static(b"value"),
            ttl: Duration::from_millis(5),
            tags: [1, u64::MAX].into(),
        };
        let stored = Bytes::from(encode(&entry));
        assert_eq!(decode(&stored, 5), Some(entry));
        for ttl_millis in [0, -1, -2] {
            assert_eq!(decode(&stored, ttl_millis), None);
        }
        let no = |bytes: &[u8]| assert_eq!(decode(&Bytes::copy_from_slice(bytes), 5), None);
        no(b"");
        no(b"\x01");
        no(b"\x02\0value");
        no(&stored[..17]);
        no(&[&[1, 17], [0; 17 * 8].as_slice()].concat());
    }

    #[test]
    fn messages_come_back_and_others_do_not() {
        let check = |message: &str, what| assert_eq!(heard(message), Some(what), "{message}");
        check("ka:b", Invalidation::Keys(vec!["a:b".to_owned()]));
        for prefix in ["", "user:"] {
            let what = Invalidation::Prefix(prefix.to_owned());
            check(&prefix_message(prefix), what);
        }
        check(&tag_message(7), Invalidation::Tag(7));
        for other in ["", "x", "tuser", "é"] {
            assert_eq!(heard(other), None);
        }
    }

    #[test]
    fn namespaces_are_plain_and_patterns_literal() {
        for name in ["", "a:b", "a{b}", "a b", &"n".repeat(65)] {
            assert!(Namespace::new(name).is_err(), "{name}");
        }
        let names = Namespace::new("n").unwrap();
        assert_eq!(names.pattern("a*[b]?\\^"), r"{n}:v:a\*\[b\]\?\\\^*");
        assert_ne!(names.unique(), names.unique());
    }
}
