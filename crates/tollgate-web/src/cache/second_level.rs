//! The port to a cache that several instances share, and what it tells them.

use std::sync::Weak;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// The second level did not answer in time, or not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the second level is unavailable")]
pub struct Unavailable;

/// What goes into the second level, or came from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedEntry {
    /// The encoded value.
    pub bytes: Bytes,
    /// How long it still lives.
    pub ttl: Duration,
    /// The numbers of its tags.
    pub tags: Box<[u64]>,
}

/// What the second level knows of a key, and the right to fill it.
#[derive(Clone, Debug)]
pub struct SharedRead {
    /// The entry, if there is one.
    pub entry: Option<SharedEntry>,
    /// For [`SecondLevel::fill`].
    pub ticket: SharedTicket,
}

/// How long after [`SecondLevel::read`] its ticket may be used. A level must know for longer what
/// was invalidated.
pub const FILL_WITHIN: Duration = Duration::from_secs(300);

/// A state of the second level's generations: void once an invalidation moved them on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedTicket {
    /// Of the key alone.
    pub key_generation: Bytes,
    /// Of prefixes and tags.
    pub generation: Bytes,
}

/// What a fill comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillKind {
    /// A load: it leaves the fills of others as they are.
    Loaded,
    /// A write to the source: it voids the fills of others.
    Written,
}

/// What is no longer true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// These keys.
    Keys(Vec<String>),
    /// All keys that begin so; all, if empty.
    Prefix(String),
    /// All entries with the tag of this number.
    Tag(u64),
}

/// Who must hear of invalidations: the first level.
pub trait InvalidationListener: Send + Sync {
    /// Something ended, here or on another instance.
    fn invalidated(&self, what: &Invalidation);
}

/// Figures of a second level since its making.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondLevelStatistics {
    /// Operations that failed.
    pub failures: u64,
    /// Times that the invalidation channel was lost.
    pub channel_losses: u64,
    /// Invalidations that were heard.
    pub invalidations_heard: u64,
}

/// A cache that several instances share.
///
/// Every method answers in bounded time, but for the removal of a prefix, whose every step does. A
/// caller may leave in the middle: what was begun is done all the same. An invalidation that
/// returns [`Unavailable`] is owed: the level gives no entries until it was made up for.
#[async_trait]
pub trait SecondLevel: Send + Sync {
    /// Looks up many keys in one exchange; the answers stand as the keys do.
    async fn read(&self, keys: &[&str]) -> Result<Vec<SharedRead>, Unavailable>;

    /// Writes what was made from the state of `ticket`; whether nothing had moved it on.
    async fn fill(
        &self,
        key: &str,
        ticket: &SharedTicket,
        entry: &SharedEntry,
        kind: FillKind,
    ) -> Result<bool, Unavailable>;

    /// Writes many in one exchange, past all that is under way, and tells all instances.
    async fn write(&self, entries: &[(&str, SharedEntry)]) -> Result<(), Unavailable>;

    /// Removes, voids what is under way, and tells all instances. How many entries went.
    async fn remove(&self, what: &Invalidation) -> Result<u64, Unavailable>;

    /// Adds to a counter that lives for `ttl` from its first addition; `None` on overflow.
    async fn add(&self, key: &str, by: i64, ttl: Duration) -> Result<Option<i64>, Unavailable>;

    /// Whether invalidations are heard: only then may the first level be believed.
    fn is_coherent(&self) -> bool;

    /// Begins to tell `listener`; ends when it is gone. Before the first level may be believed
    /// again it is told to forget everything.
    fn listen(&self, listener: Weak<dyn InvalidationListener>);

    /// The figures.
    fn statistics(&self) -> SecondLevelStatistics;
}

/// A value as the second level keeps it.
pub trait Encode: Sized {
    /// The bytes that [`decode`](Self::decode) makes the value from.
    fn encode(&self) -> Bytes;

    /// The value; `None` when the bytes are of something else, such as another release's type.
    fn decode(bytes: &Bytes) -> Option<Self>;
}

impl Encode for Bytes {
    fn encode(&self) -> Bytes {
        self.clone()
    }

    fn decode(bytes: &Bytes) -> Option<Self> {
        Some(bytes.clone())
    }
}

impl Encode for String {
    fn encode(&self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }

    fn decode(bytes: &Bytes) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok()
    }
}
