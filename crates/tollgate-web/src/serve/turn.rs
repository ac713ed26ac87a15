//! How much a connection does before the others of its thread have their turn. Bounds no connection
//! in all: that is the time-outs' work.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;

/// Bytes that are read and written in one turn.
const TURN_BYTES: usize = 64 * 1024;
/// What a write counts for at least: the smallest answer took work too.
const WRITE_BYTES_MIN: usize = 4 * 1024;
/// What a frame of HTTP/2 counts for at least.
const FRAME_BYTES_MIN: usize = 512;
/// How many other bytes one of a body in chunks counts for: chunks may have next to no data in them,
/// and what frames them is read one by one.
const CHUNKED_BYTE: usize = 8;

/// What is left of a connection's turn. Used by one thread alone.
///
/// # Security
/// A client that always has more to send, or takes whatever it is sent, keeps its connection busy
/// without a pause; without an end to its turns the thread would serve nobody else.
pub(super) struct Turn {
    left: AtomicUsize,
    /// What a byte that is read counts for.
    byte: AtomicUsize,
}

impl Turn {
    pub(super) const fn new() -> Self {
        Self {
            left: AtomicUsize::new(TURN_BYTES),
            byte: AtomicUsize::new(1),
        }
    }

    /// HTTP/1: a request begins whose body comes in chunks, or one of another kind.
    pub(super) fn expect_chunks(&self, in_chunks: bool) {
        let byte = if in_chunks { CHUNKED_BYTE } else { 1 };
        self.byte.store(byte, Ordering::Relaxed);
    }

    /// Begins a turn, unless the last one was used up: then all others go first, those too whose
    /// sockets have not been looked at yet, and the task is woken after them.
    pub(super) fn begins(&self, cx: &mut Context<'_>) -> bool {
        let used_up = self.is_over();
        self.left.store(TURN_BYTES, Ordering::Relaxed);
        if used_up {
            // Waking ourselves would put us before whoever the system has yet to tell of.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
        }
        !used_up
    }

    pub(super) fn is_over(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// These many bytes were read, in which so many frames of HTTP/2 begin.
    pub(super) fn read(&self, bytes: usize, frames: usize) {
        let bytes = bytes.saturating_mul(self.byte.load(Ordering::Relaxed));
        self.spend(bytes.max(frames.saturating_mul(FRAME_BYTES_MIN)));
    }

    pub(super) fn wrote(&self, bytes: usize) {
        self.spend(bytes.max(WRITE_BYTES_MIN));
    }

    fn spend(&self, bytes: usize) {
        let left = self.left.load(Ordering::Relaxed);
        self.left
            .store(left.saturating_sub(bytes), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_turn_that_was_used_up_is_followed_by_those_of_others() {
        let mut cx = Context::from_waker(Waker::noop());
        let turn = Turn::new();
        let mut check = |spend: &dyn Fn(&Turn), used_up: bool| {
            assert!(turn.begins(&mut cx));
            spend(&turn);
            assert_eq!(turn.is_over(), used_up);
            assert_eq!(turn.begins(&mut cx), !used_up);
            assert!(!turn.is_over());
        };
        check(&|_| {}, false);
        check(&|turn| turn.read(TURN_BYTES - 1, 0), false);
        check(&|turn| turn.read(TURN_BYTES, 0), true);
        // So are many small frames, and what frames chunks.
        check(&|turn| turn.read(1, 1), false);
        check(&|turn| turn.read(2000, TURN_BYTES / FRAME_BYTES_MIN), true);
        check(
            &|turn| {
                turn.expect_chunks(true);
                turn.read(TURN_BYTES / CHUNKED_BYTE, 0);
            },
            true,
        );
        check(
            &|turn| {
                turn.expect_chunks(false);
                turn.read(TURN_BYTES / CHUNKED_BYTE, 0);
            },
            false,
        );
        check(&|turn| turn.wrote(usize::MAX), true);
        // Many small answers are as much work as a large one.
        let answers = |count: usize| move |turn: &Turn| (0..count).for_each(|_| turn.wrote(1));
        check(&answers(TURN_BYTES / WRITE_BYTES_MIN - 1), false);
        check(&answers(TURN_BYTES / WRITE_BYTES_MIN), true);
    }
}
