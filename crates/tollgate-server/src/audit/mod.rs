//! The audit log: JSON lines of which each carries the hash of the one before, so that a line that
//! is changed, removed or put in breaks the chain behind it.
//!
//! A line is a JSON object whose last two members are `prev` and `hash`. `prev` is the `hash` of
//! the line before, 64 zeros on the first; `hash` is the SHA-256 of `prev`'s text, a line feed and
//! the text of the line up to the comma before `prev`. Both are in lower-case hexadecimal. A file
//! that carries on the chain of one that was moved away begins with the event
//! `audit_log.continued`, whose `prev` is the last hash there.
//!
//! # Security
//!
//! There is no key in the chain: it shows damage and careless hands, and ties all lines to the last
//! hash. Whoever may write the file can write a chain of their own from any line on, cut lines off
//! at the end, or replace all of it. That shows only beside a last hash, as `tollgate audit verify`
//! prints it, that was noted where they cannot write.

mod chain;
mod file;
mod verify;
mod writer;

pub(crate) use self::{
    chain::{CONTINUED, LineHash},
    verify::{Start, Verdict, verify_file},
    writer::AuditLog,
};
