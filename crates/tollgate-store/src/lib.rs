//! The store port of the token service: what is kept, and the atomic operations on it.
//!
//! A [`Store`] keeps records and decides nothing that a caller could get wrong between two calls:
//! each method is one transaction, takes data and answers with what happened. *Not there* is a
//! value, never an error; a [`StoreError`] says that something broke.
//!
//! - [`record`]: what is kept. Not what goes over the wire: those types live with the endpoints.
//! - [`port`]: the operations.
//! - [`memory`]: the reference model, the oracle of every backend's property tests.
//! - `conformance`: the one suite that every backend passes; behind the feature of that name.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod memory;
pub mod port;
pub mod record;

pub use memory::MemoryStore;
pub use port::{
    AssertionUse, Batch, ClientChange, Cut, CutScope, Health, InsertOutcome, KeyRingChange,
    MARKS_OUTLAST, Page, Probe, Redeemed, Redemption, Revocation, Revoked, Snapshot, Standing,
    Store, StoreError, SweepOutcome, TokenFilter, Watcher,
};
pub use record::{
    ClientEpoch, ClientRecord, ClientState, KeyRing, NewToken, SecretHash, SignedToken, StoredKey,
    TokenKey, TokenRecord, TokenUse,
};
