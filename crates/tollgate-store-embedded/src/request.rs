//! What is asked of the writer, and how it answers.

use tollgate_protocol::{ClientId, Now, UnixSeconds};
use tollgate_store::{
    AssertionUse, ClientChange, ClientRecord, Cut, InsertOutcome, KeyRing, KeyRingChange, NewToken,
    Redeemed, Redemption, Revocation, Revoked, Snapshot, StoreError, TokenKey,
};

use crate::{
    keys::{Generation, MarkKind},
    reply::{self, Wakes},
};

/// Where an answer goes.
pub(crate) type Reply<T> = reply::Reply<Result<T, StoreError>>;

/// An operation that changes something.
#[derive(Debug)]
pub(crate) enum Request {
    Insert {
        tokens: Vec<NewToken>,
        active_max: u64,
        now: UnixSeconds,
        reply: Reply<InsertOutcome>,
    },
    Redeem {
        redemptions: Vec<Redemption>,
        now: UnixSeconds,
        reply: Reply<Vec<Redeemed>>,
    },
    Revoke {
        revocations: Vec<Revocation>,
        now: UnixSeconds,
        reply: Reply<Vec<Revoked>>,
    },
    UseAssertion {
        assertion: TokenKey,
        expires_at: UnixSeconds,
        now: UnixSeconds,
        reply: Reply<AssertionUse>,
    },
    Remove {
        rows: Vec<DeadRow>,
        now: Now,
        reply: Reply<()>,
    },
    /// Rare operations have a commit of their own.
    Administer(Box<Administration>),
    /// Everything before this is committed; nothing after it is.
    Close { reply: Reply<()> },
}

/// A row that a sweep found dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeadRow {
    Token(Generation, TokenKey),
    /// A token that is lost and has not expired: it is still counted.
    LostToken(Generation, TokenKey),
    Mark(MarkKind, Generation, TokenKey),
}

/// A change of what the index holds.
#[derive(Debug)]
pub(crate) enum Administration {
    CreateClient(ClientRecord, Reply<ClientChange>),
    UpdateClient(ClientRecord, Reply<ClientChange>),
    DeleteClient(ClientId, Reply<ClientChange>),
    ReplaceKeyRing(KeyRing, Reply<KeyRingChange>),
    Cut(Cut, Reply<()>),
    /// Forgets counters and up to so many cuts that expired; answers how many cuts.
    Forget(UnixSeconds, usize, Reply<usize>),
    Import(Box<Snapshot>, Reply<()>),
}

impl Request {
    /// How many records it may change.
    pub(crate) fn records(&self) -> usize {
        match self {
            Self::Insert { tokens, .. } => tokens.len(),
            Self::Redeem { redemptions, .. } => redemptions.len(),
            Self::Revoke { revocations, .. } => revocations.len(),
            Self::Remove { rows, .. } => rows.len(),
            Self::UseAssertion { .. } | Self::Administer(_) | Self::Close { .. } => 1,
        }
    }

    /// Answers with an error.
    pub(crate) fn refuse(self, error: StoreError) {
        match self {
            Self::Insert { reply, .. } => reply.send(Err(error)),
            Self::Redeem { reply, .. } => reply.send(Err(error)),
            Self::Revoke { reply, .. } => reply.send(Err(error)),
            Self::UseAssertion { reply, .. } => reply.send(Err(error)),
            Self::Remove { reply, .. } | Self::Close { reply } => reply.send(Err(error)),
            Self::Administer(administration) => administration.refuse(error),
        }
    }
}

impl Administration {
    fn refuse(self, error: StoreError) {
        match self {
            Self::CreateClient(_, reply)
            | Self::UpdateClient(_, reply)
            | Self::DeleteClient(_, reply) => reply.send(Err(error)),
            Self::ReplaceKeyRing(_, reply) => reply.send(Err(error)),
            Self::Cut(_, reply) | Self::Import(_, reply) => reply.send(Err(error)),
            Self::Forget(_, _, reply) => reply.send(Err(error)),
        }
    }
}

/// An answer that waits for its commit.
#[derive(Debug)]
pub(crate) enum Answer {
    Insert(Reply<InsertOutcome>, InsertOutcome),
    Redeem(Reply<Vec<Redeemed>>, Vec<Redeemed>),
    Revoke(Reply<Vec<Revoked>>, Vec<Revoked>),
    UseAssertion(Reply<AssertionUse>, AssertionUse),
    Client(Reply<ClientChange>, ClientChange),
    KeyRing(Reply<KeyRingChange>, KeyRingChange),
    Forgot(Reply<usize>, usize),
    Done(Reply<()>),
}

impl Answer {
    /// Sends it, or the error that the commit ended in.
    pub(crate) fn send(self, committed: &Result<(), StoreError>) {
        let mut wakes = Wakes::default();
        self.send_among(committed, &mut wakes);
        wakes.wake();
    }

    /// Sends it, and leaves it to `wakes` to tell of it.
    pub(crate) fn send_among(self, committed: &Result<(), StoreError>, wakes: &mut Wakes) {
        let mut sending = Sending { committed, wakes };
        match self {
            Self::Insert(reply, value) => sending.send(reply, value),
            Self::Redeem(reply, value) => sending.send(reply, value),
            Self::Revoke(reply, value) => sending.send(reply, value),
            Self::UseAssertion(reply, value) => sending.send(reply, value),
            Self::Client(reply, value) => sending.send(reply, value),
            Self::KeyRing(reply, value) => sending.send(reply, value),
            Self::Forgot(reply, value) => sending.send(reply, value),
            Self::Done(reply) => sending.send(reply, ()),
        }
    }
}

struct Sending<'a> {
    committed: &'a Result<(), StoreError>,
    wakes: &'a mut Wakes,
}

impl Sending<'_> {
    fn send<T: Send + 'static>(&mut self, reply: Reply<T>, value: T) {
        reply.send_among(self.committed.clone().map(|()| value), self.wakes);
    }
}
