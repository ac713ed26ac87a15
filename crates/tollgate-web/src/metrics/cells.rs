//! Rows of counters, one copy a thread as far as copies go, so that counting is a plain addition.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads with a copy of their own, beyond one a core; later ones share the last copy.
const SPARE_SHARDS: usize = 4;
const SHARDS_MAX: usize = 64;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The number of the calling thread, counted from its first call.
fn thread() -> usize {
    let thread = THREAD.get();
    if thread != usize::MAX {
        return thread;
    }
    let thread = THREADS.fetch_add(1, Ordering::Relaxed);
    THREAD.set(thread);
    thread
}

/// Cells filling whole cache lines: shards begin on their own.
#[repr(align(128))]
#[derive(Default)]
struct Line([AtomicU64; LINE_CELLS]);

const LINE_CELLS: usize = 16;

/// `width` counters, readable as sums over the shards.
pub(super) struct Cells {
    width: usize,
    /// The last one is shared by all threads that came too late for one of their own.
    shards: usize,
    lines_per_shard: usize,
    lines: Box<[Line]>,
}

impl Cells {
    pub(super) fn new(width: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = (cores + SPARE_SHARDS).min(SHARDS_MAX);
        let lines_per_shard = width.div_ceil(LINE_CELLS);
        let lines = (0..shards * lines_per_shard)
            .map(|_| Line::default())
            .collect();
        Self {
            width,
            shards,
            lines_per_shard,
            lines,
        }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Adds to the cell, wrapping; a cell that does not exist is left alone.
    #[inline]
    pub(super) fn add(&self, index: usize, amount: u64) {
        let (thread, shared) = (thread(), self.shards - 1);
        let Some(cell) = self.cell(thread.min(shared), index) else {
            return;
        };
        if thread < shared {
            // No other thread writes here: a locked instruction would buy nothing.
            let count = cell.load(Ordering::Relaxed);
            cell.store(count.wrapping_add(amount), Ordering::Relaxed);
        } else {
            cell.fetch_add(amount, Ordering::Relaxed);
        }
    }

    pub(super) fn sum(&self, index: usize) -> u64 {
        (0..self.shards)
            .filter_map(|shard| self.cell(shard, index))
            .fold(0, |sum, cell| {
                sum.wrapping_add(cell.load(Ordering::Relaxed))
            })
    }

    #[inline]
    fn cell(&self, shard: usize, index: usize) -> Option<&AtomicU64> {
        let line = shard * self.lines_per_shard + index / LINE_CELLS;
        self.lines.get(line)?.0.get(index % LINE_CELLS)
    }
}
