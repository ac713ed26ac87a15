//! Token-bucket rate limiting: quotas, a pure decision and a bounded keyed limiter. No I/O, no
//! clock, no randomness: `now` is an argument, in nanoseconds of any monotonic clock.
//!
//! ```
//! use std::hash::RandomState;
//! use tollgate_limit::{KeyedLimiter, KeysMax, Quota};
//!
//! let quota = Quota::new(2, 1.0)?;
//! let limiter: KeyedLimiter<String> =
//!     KeyedLimiter::with_hasher(quota, KeysMax::new(1000)?, RandomState::new());
//! let now = 0; // nanoseconds
//! assert!(limiter.check("alice", 1, now).is_allowed());
//! assert!(limiter.check("alice", 1, now).is_allowed());
//! let refused = limiter.check("alice", 1, now);
//! assert_eq!(refused.retry_after_seconds(), Some(1));
//! # Ok::<(), tollgate_limit::QuotaError>(())
//! ```

mod bucket;
mod header;
mod keyed;
mod quota;

pub use bucket::{Bucket, Decision, charge, decide, peek};
pub use header::{PolicyName, PolicyNameError};
pub use keyed::{KeyedLimiter, KeysMax};
pub use quota::{Quota, QuotaError};
