//! Metrics that cost the hot path one uncontended atomic addition; not a general metrics library.
//!
//! Every label value is registered up front and found by index, so counting neither allocates nor
//! takes a lock, and no label can come from a request. Counters are sharded by thread and summed
//! when they are read.

mod cells;
mod histogram;
mod process;
mod quantiles;
mod registry;
mod runtime;
mod scalar;

pub use histogram::{Buckets, Histogram, HistogramFamily};
pub use quantiles::Quantiles;
pub use registry::{Registry, RegistryError};
pub use runtime::{CountedRuntime, Runtimes};
pub use scalar::{Counter, CounterFamily, Gauge};

pub(crate) use process::resident_bytes;
pub(crate) use scalar::Level;
