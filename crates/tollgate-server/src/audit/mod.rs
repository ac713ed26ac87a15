//! The audit log: JSON lines of which each carries the hash of the one before, so that nobody can
//! change, remove or put in a line unnoticed.
//!
//! A line is a JSON object whose last two members are `prev` and `hash`. `prev` is the `hash` of
//! the line before, 64 zeros on the first; `hash` is the SHA-256 of `prev`'s text, a line feed and
//! the text of the line up to the comma before `prev`. Both are in lower-case hexadecimal.
//!
//! What the chain cannot show is a log that was cut off at its end, or replaced as a whole: note
//! the last hash elsewhere, as `tollgate audit verify` prints it.

mod chain;
mod verify;
mod writer;

pub(crate) use self::{
    verify::{Verdict, verify_file},
    writer::AuditLog,
};
