//! Work off the request: a pool of threads behind a bounded queue, and lists of jobs done a few at a
//! time. What is accepted has a result or ends with a reason; what is not is rejected at once.
//!
//! ```
//! use std::time::Duration;
//! use tollgate_web::metrics::Registry;
//! use tollgate_web::work::{WorkLimits, WorkPool};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let limits = WorkLimits { workers: 2, queue_max: 100 };
//! let pool = WorkPool::start("reports", limits, &Registry::new())?;
//! // Waited for: dropping the ticket would cancel the job.
//! let sum = pool.submit(async { (1..=1000_u64).sum::<u64>() })?.await?;
//! assert_eq!(sum, 500_500);
//! // Not waited for.
//! pool.submit(async { println!("sent the mail") })?.detach();
//! pool.drain(Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```

mod fan_out;
mod job;
mod metrics;
mod pool;
mod queue;

pub use fan_out::{JobPanicked, fan_out};
pub use job::{JobError, Ticket};
pub use pool::{WorkDrained, WorkError, WorkLimits, WorkPool};
pub use queue::Rejected;
