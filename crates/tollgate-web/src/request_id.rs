//! Request ids: made without a system call, or taken over from a trusted proxy.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use http::HeaderValue;

/// Enough for a UUID and for ids with a prefix; every request carries the space.
const BYTES_MAX: usize = 47;
/// Of an id made here: process, thread and count in hexadecimal.
const PROCESS_DIGITS: usize = 10;
const THREAD_DIGITS: usize = 4;
const PREFIX_DIGITS: usize = PROCESS_DIGITS + THREAD_DIGITS;
const COUNT_DIGITS: usize = 12;
const MADE_BYTES: u8 = 26;

/// The id of one request: up to 47 bytes of `A-Z a-z 0-9 - _ . : = + / @`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    bytes: [u8; BYTES_MAX],
    length: u8,
}

/// Tells processes apart; ids are no secrets and need not be unguessable.
static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
static THREADS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static COUNTER: Cell<Option<Counter>> = const { Cell::new(None) };
}

/// A thread's own sequence.
#[derive(Clone, Copy)]
struct Counter {
    prefix: [u8; PREFIX_DIGITS],
    count: u64,
}

impl RequestId {
    /// A new id, distinct from every other one of this process.
    pub(crate) fn make() -> Self {
        COUNTER.with(|cell| {
            let mut counter = cell.take().unwrap_or_else(Counter::new);
            counter.count = counter.count.wrapping_add(1);
            cell.set(Some(counter));
            let mut bytes = [0; BYTES_MAX];
            let (prefix, rest) = bytes.split_at_mut(PREFIX_DIGITS);
            prefix.copy_from_slice(&counter.prefix);
            let (count, _) = rest.split_at_mut(COUNT_DIGITS);
            write_hex(count, counter.count);
            Self {
                bytes,
                length: MADE_BYTES,
            }
        })
    }

    /// An id that somebody else made, if it is sane.
    pub(crate) fn parse(untrusted: &[u8]) -> Option<Self> {
        let sane = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:=+/@".contains(byte);
        if untrusted.is_empty() || !untrusted.iter().all(sane) {
            return None;
        }
        let mut bytes = [0; BYTES_MAX];
        bytes.get_mut(..untrusted.len())?.copy_from_slice(untrusted);
        let length = u8::try_from(untrusted.len()).ok()?;
        Some(Self { bytes, length })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }

    pub(crate) fn header_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(self.as_bytes()).unwrap_or(HeaderValue::from_static("invalid"))
    }
}

impl Counter {
    fn new() -> Self {
        let mut prefix = [0; PREFIX_DIGITS];
        let (process, thread) = prefix.split_at_mut(PROCESS_DIGITS);
        write_hex(process, *PROCESS);
        write_hex(thread, u64::from(THREADS.fetch_add(1, Ordering::Relaxed)));
        Self { prefix, count: 0 }
    }
}

/// Fills `out` with the low hexadecimal digits of `value`.
fn write_hex(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        let nibble = (value & 0xf) as u8;
        *digit = if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' + nibble - 10
        };
        value >>= 4;
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({})", self.as_str())
    }
}
