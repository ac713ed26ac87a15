//! Answers sent piece by piece, as fast as the client reads and for as long as it stays: exports
//! and server-sent events. It stores nothing and knows no formats but that of events.
//!
//! A producer that runs [inside the answer](produce) is dropped with it, so it ends when the client
//! leaves, at whatever it waits for. A producer that lives elsewhere holds the far end of a
//! [`channel`]. Both wait while the client has not taken what they sent, and neither can pass off
//! half an answer as whole: what ends without [`finish`](StreamSender::finish) or `Ok` breaks off,
//! so that the client sees a failure and no end.
//! Small chunks that are ready together leave together.
//!
//! ```
//! use http::Response;
//! use tollgate_web::{ResponseBody, stream};
//!
//! fn export() -> Response<ResponseBody> {
//!     Response::new(stream::produce(4, |rows| async move {
//!         for row in 0..1_000_000 {
//!             rows.send(format!("{row}\n")).await?;
//!         }
//!         Ok(())
//!     }))
//! }
//! # drop(export());
//! ```
//!
//! `request_timeout` ends with the answer's head. What bounds the rest is `write_timeout`, for a
//! client that does not read, and `drain_timeout` at a shutdown: an endless stream should listen
//! for the shutdown too.

mod channel;
mod event;
mod events;
mod gather;
mod produce;

pub use channel::{ChunkSender, ClientLeft, StreamSender, Unfinished, channel};
pub use event::{Event, EventFieldError, LastEventId};
pub use events::{EventOptions, EventSender, events};
pub use produce::{ProducerPanicked, produce};
