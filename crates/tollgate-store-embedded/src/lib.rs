//! The embedded durable store: an LSM tree with group commit.
//!
//! One thread writes. It takes what arrived while its last commit ran, evaluates each operation
//! on the state that is durable and on what the operations before it in the same group change,
//! writes the changes of all of them as one batch, waits for one `fdatasync`, publishes, and only
//! then answers. So an answer never speaks of anything that a crash could take back. Reads go past
//! that thread.
//!
//! When a commit fails, every operation of the group fails and the thread commits nothing more
//! until the store is opened anew: after a failed sync nobody knows what the disk has.
//!
//! - [`config`]: how to open a store. [`EmbeddedStore`]: what one gets.
//! - [`stats`]: what it counts.

mod active;
mod admin;
mod buffers;
mod codec;
pub mod config;
mod engine;
mod group;
mod index;
mod journal;
mod journal_batch;
mod keys;
mod open;
mod reply;
mod request;
mod row_cache;
mod scan;
pub mod stats;
mod store;
mod sweep;
mod token_row;
mod writer;

pub use config::{Durability, EmbeddedConfig, OpenError};
pub use stats::{HISTOGRAM_BOUNDS, Histogram, StatsSnapshot};
pub use store::EmbeddedStore;
