//! The operations of a store: each atomic, each on data, batch in and batch out.

use std::{future::Future, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tollgate_protocol::{ClientId, Now, Resources, Subject, UnixMillis, UnixSeconds};

use crate::record::{ClientRecord, KeyRing, NewToken, SignedToken, TokenKey, TokenRecord};

/// Something broke; nothing is known of the operation's effect beyond that it was not
/// acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot be reached or refuses to work; later it may.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// A write could not be made durable; the store takes no more writes until it is reopened.
    #[error("store stopped writing: {0}")]
    WriteFailed(String),
    /// The store's queue of writes is full.
    #[error("too many writes are waiting")]
    Saturated,
    /// The call has more than [`Batch::ITEMS_MAX`] items.
    #[error("more than {} items in one call", Batch::ITEMS_MAX)]
    BatchTooLarge,
    /// A record on disk is not what was written.
    #[error("corrupt record: {0}")]
    Corrupt(String),
}

/// The most items in one call of a batch operation.
pub struct Batch;

impl Batch {
    /// The bound.
    pub const ITEMS_MAX: usize = 1000;

    /// Refuses more `items` than that.
    ///
    /// # Errors
    ///
    /// [`StoreError::BatchTooLarge`].
    pub const fn check<T>(items: &[T]) -> Result<(), StoreError> {
        if items.len() > Self::ITEMS_MAX {
            return Err(StoreError::BatchTooLarge);
        }
        Ok(())
    }
}

/// How long marks of revoked signed tokens and of used assertions stay after they have expired.
///
/// # Security
///
/// A call may have come in before, and ask with its earlier time after a sweep: what the mark is of
/// would count again, once.
pub const MARKS_OUTLAST: Duration = Duration::from_secs(60);

/// A token whose standing is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// An opaque token, by its key.
    Stored(TokenKey),
    /// A signed token, by what it says of itself.
    Signed(SignedToken),
}

impl Probe {
    /// Under what the token is kept.
    #[must_use]
    pub fn key(&self) -> TokenKey {
        match self {
            Self::Stored(key) => *key,
            Self::Signed(token) => token.key,
        }
    }
}

/// Whether a token counts.
///
/// A token counts when it has not expired at the time asked for, was not revoked or consumed, its
/// client is there, enabled and in the same epoch as when the token was issued, and no [`Cut`]
/// covers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The opaque token counts and this is what it stands for.
    Stored(Arc<TokenRecord>),
    /// The signed token counts.
    Signed,
    /// It does not count; why is nobody's business.
    Dead,
}

/// What became of a batch of new tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertOutcome {
    /// All are kept, durably.
    Inserted,
    /// None is: there would be more live tokens than allowed.
    Full,
}

/// A one-time token presented for redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// The token.
    pub key: TokenKey,
    /// Who presents it.
    pub client: ClientId,
    /// The resources that this client is.
    pub serves: Resources,
}

/// What became of a redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// This call won; no other ever will.
    Consumed(Arc<TokenRecord>),
    /// Another call won before. Said to whoever asks, until the token would have expired.
    AlreadyConsumed,
    /// The caller neither asked for the token nor serves its audience; it stays as it was.
    NotYours,
    /// No such token, or it does not count, or it is not a one-time token; asked before
    /// [`Redeemed::NotYours`].
    Dead,
}

/// A token to be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The token.
    pub probe: Probe,
    /// The client that must own it; none when an administrator revokes.
    pub owner: Option<ClientId>,
}

/// What became of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The token is dead from now on, whatever becomes of its client or of the cut above it.
    Revoked,
    /// It was unknown, expired, consumed or revoked already; asked before [`Revoked::NotYours`].
    AlreadyDead,
    /// It belongs to another client and stays as it was.
    NotYours,
}

/// What a [`Cut`] covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CutScope {
    /// Every token of this subject.
    Subject(Subject),
    /// Every token.
    All,
}

/// Tokens issued up to a point in time are dead. Of two cuts of one scope the later dates count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Which tokens.
    pub scope: CutScope,
    /// The last millisecond of issue that is covered.
    pub issued_up_to: UnixMillis,
    /// When no covered token can be alive any more, so that the cut may be forgotten.
    pub expires_at: UnixSeconds,
}

impl Cut {
    /// Whether a token of `subject` issued at `issued_at` is dead by this cut.
    #[must_use]
    pub fn covers(&self, subject: &Subject, issued_at: UnixMillis) -> bool {
        issued_at <= self.issued_up_to
            && match &self.scope {
                CutScope::Subject(own) => own == subject,
                CutScope::All => true,
            }
    }
}

/// What became of the use of a client assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionUse {
    /// It was not seen before.
    Fresh,
    /// It was.
    Replayed,
}

/// A change of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientChange {
    /// Done, durably.
    Done,
    /// There is such a client already.
    AlreadyExists,
    /// There is no such client.
    NotFound,
    /// Somebody else changed it first.
    Conflict,
}

/// A change of the key ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRingChange {
    /// Done, durably.
    Done,
    /// Somebody else changed it first.
    Conflict,
}

/// Which stored tokens are listed or counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFilter {
    /// Only those of this client.
    pub client: Option<ClientId>,
    /// Only those of this subject.
    pub subject: Option<Subject>,
}

impl TokenFilter {
    /// Whether `record` passes.
    #[must_use]
    pub fn admits(&self, record: &TokenRecord) -> bool {
        self.client.as_ref().is_none_or(|own| *own == record.client)
            && self
                .subject
                .as_ref()
                .is_none_or(|own| *own == record.subject)
    }
}

/// A page of stored tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The live tokens, in the order of their keys.
    pub tokens: Vec<(TokenKey, Arc<TokenRecord>)>,
    /// Where the next page begins after; none on the last. A page may be shorter than asked for and
    /// still have a next.
    pub next: Option<TokenKey>,
}

/// What one step of cleaning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepOutcome {
    /// How many records were removed.
    pub removed: usize,
    /// Whether the sweep came to the end of everything; the next call begins anew.
    pub finished: bool,
}

/// What a store says of its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Reads and writes work.
    Ok,
    /// Reads work, writes do not; and why.
    ReadOnly(String),
    /// Nothing works; and why.
    Down(String),
}

/// Told the keys of tokens that a commit ended: revoked or consumed.
pub type Watcher = Arc<dyn Fn(&[TokenKey]) + Send + Sync>;

/// A store of tokens, clients and keys.
///
/// Every method is atomic and, where it changes something, durable before it answers. `now` is the
/// caller's clock, which never runs backwards.
pub trait Store: Send + Sync + 'static {
    /// Has `watcher` told of every token that ends from now on: after the commit is durable and
    /// before whoever asked for it is answered. Called once, before the store serves.
    ///
    /// # Security
    ///
    /// A commit does not care whether the request that asked for it is still there. Who caches
    /// standings must forget them here and not when the answer arrives, which may be never.
    fn watch(&self, watcher: Watcher);

    /// Keeps `tokens`, all or none, unless [`Store::active`] would exceed `active_max` (0: no bound).
    ///
    /// Each key is new: the caller hashes 256 fresh random bits, and no backend looks whether the
    /// key is in use.
    fn insert(
        &self,
        tokens: Vec<NewToken>,
        active_max: u64,
        now: UnixSeconds,
    ) -> impl Future<Output = Result<InsertOutcome, StoreError>> + Send;

    /// The standing of each of `probes` at `now`, in order, in one round trip.
    fn standing(
        &self,
        probes: &[Probe],
        now: UnixSeconds,
    ) -> impl Future<Output = Result<Vec<Standing>, StoreError>> + Send;

    /// Consumes the one-time token of each of `redemptions`, in order.
    fn redeem(
        &self,
        redemptions: Vec<Redemption>,
        now: UnixSeconds,
    ) -> impl Future<Output = Result<Vec<Redeemed>, StoreError>> + Send;

    /// Revokes each of `revocations`, in order.
    fn revoke(
        &self,
        revocations: Vec<Revocation>,
        now: UnixSeconds,
    ) -> impl Future<Output = Result<Vec<Revoked>, StoreError>> + Send;

    /// Makes every token that `cut` covers dead.
    fn cut(&self, cut: Cut) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The latest millisecond that any cut not yet swept covers; the caller issues later ones.
    fn latest_cut(&self) -> impl Future<Output = Result<Option<UnixMillis>, StoreError>> + Send;

    /// Notes the use of a client assertion, remembered until `expires_at`. An assertion and a token
    /// of the same key have nothing to do with each other.
    ///
    /// Unlike all others, these dates are of the wall clock, by which the caller decides whether an
    /// assertion counts: what still counts is remembered then, however the clock was set in between.
    fn use_assertion(
        &self,
        assertion: TokenKey,
        expires_at: UnixSeconds,
        now: UnixSeconds,
    ) -> impl Future<Output = Result<AssertionUse, StoreError>> + Send;

    /// The client of this identifier.
    fn client(
        &self,
        id: &ClientId,
    ) -> impl Future<Output = Result<Option<Arc<ClientRecord>>, StoreError>> + Send;

    /// Up to `limit` clients in the order of their identifiers, those after `after`.
    fn clients(
        &self,
        after: Option<ClientId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Arc<ClientRecord>>, StoreError>> + Send;

    /// Registers a client; [`ClientChange::AlreadyExists`] when there is one.
    ///
    /// # Security
    ///
    /// The store forgets deleted clients. The epoch of the new one must be a number that no earlier
    /// client of this identifier had, or that one's tokens are alive again.
    fn create_client(
        &self,
        client: ClientRecord,
    ) -> impl Future<Output = Result<ClientChange, StoreError>> + Send;

    /// Replaces a client whose stored revision is one less than `client.revision`.
    fn update_client(
        &self,
        client: ClientRecord,
    ) -> impl Future<Output = Result<ClientChange, StoreError>> + Send;

    /// Deletes a client; its tokens are dead from then on.
    fn delete_client(
        &self,
        id: ClientId,
    ) -> impl Future<Output = Result<ClientChange, StoreError>> + Send;

    /// Every signing key.
    fn key_ring(&self) -> impl Future<Output = Result<KeyRing, StoreError>> + Send;

    /// Replaces the key ring whose stored revision is one less than `ring.revision`.
    fn replace_key_ring(
        &self,
        ring: KeyRing,
    ) -> impl Future<Output = Result<KeyRingChange, StoreError>> + Send;

    /// Up to `limit` live tokens that pass `filter`, those after `after`. May read every token: it
    /// is for administrators, not for requests.
    fn tokens(
        &self,
        filter: TokenFilter,
        after: Option<TokenKey>,
        limit: usize,
        now: UnixSeconds,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// How many live tokens pass `filter`. May read every token.
    fn count(
        &self,
        filter: TokenFilter,
        now: UnixSeconds,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// How many stored tokens have neither expired nor been revoked or consumed; cheap. Tokens
    /// that are lost otherwise count until a sweep finds them.
    fn active(&self, now: UnixSeconds) -> u64;

    /// Removes up to `limit` records that have expired at `now` (tokens, marks of consumed and
    /// revoked ones, used assertions, cuts) and tokens that are lost (their client is gone or in
    /// another life, or a cut covers them), going on where the last call stopped. Used assertions
    /// expire by the wall clock, everything else by the steady one; those and marks of revoked
    /// signed tokens are removed [`MARKS_OUTLAST`] later.
    fn sweep(
        &self,
        limit: usize,
        now: Now,
    ) -> impl Future<Output = Result<SweepOutcome, StoreError>> + Send;

    /// Whether it works, asked of the store itself.
    fn health(&self) -> impl Future<Output = Health> + Send;

    /// Everything that a backup carries, all at one moment. Tokens are left out, and with them what
    /// is known of dead ones: a restore cannot know which died since, and so revives none.
    fn export(&self) -> impl Future<Output = Result<Snapshot, StoreError>> + Send;

    /// Replaces clients and key ring by those of `snapshot` and forgets tokens, revocations and
    /// cuts. An assertion that was used here or there stays used.
    ///
    /// # Security
    ///
    /// As with [`Store::create_client`], the epoch of each client must be a number that no token
    /// has: those that were ever issued are dead then, whenever that was and wherever they are. The
    /// revision must be one that nobody has read, or a change of a client from before puts back what
    /// it read.
    fn import(&self, snapshot: Snapshot) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What a backup carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Every client.
    pub clients: Vec<ClientRecord>,
    /// Every signing key, sealed.
    pub key_ring: KeyRing,
    /// Used assertions, each until it expires.
    pub assertions: Vec<(TokenKey, UnixSeconds)>,
}
