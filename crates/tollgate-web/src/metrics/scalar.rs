//! Counters and gauges.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::cells::Cells;

/// A number that only grows.
#[derive(Clone)]
pub struct Counter(pub(super) Arc<Cells>);

impl Counter {
    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.0.add(0, amount);
    }

    /// The count so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.sum(0)
    }
}

/// Counters told apart by labels, each label's values known beforehand.
#[derive(Clone)]
pub struct CounterFamily {
    pub(super) cells: Arc<Cells>,
    /// The number of values of each label.
    pub(super) sizes: Arc<[usize]>,
}

impl CounterFamily {
    /// Adds one to the counter at these positions in the labels' lists of values.
    #[inline]
    pub fn increment<const N: usize>(&self, positions: [usize; N]) {
        self.add(positions, 1);
    }

    /// Adds `amount`; positions that do not exist are ignored.
    #[inline]
    pub fn add<const N: usize>(&self, positions: [usize; N], amount: u64) {
        if let Some(index) = flatten(&self.sizes, &positions) {
            self.cells.add(index, amount);
        }
    }

    /// The count so far at these positions.
    #[must_use]
    pub fn value<const N: usize>(&self, positions: [usize; N]) -> u64 {
        flatten(&self.sizes, &positions).map_or(0, |index| self.cells.sum(index))
    }
}

/// The index of a combination of label values in row-major order.
#[inline]
pub(super) fn flatten(sizes: &[usize], positions: &[usize]) -> Option<usize> {
    if sizes.len() != positions.len() {
        return None;
    }
    sizes
        .iter()
        .zip(positions)
        .try_fold(0, |index, (&size, &position)| {
            (position < size).then_some(index * size + position)
        })
}

/// A number that goes up and down.
#[derive(Clone, Default)]
pub struct Gauge(pub(super) Arc<AtomicI64>);

impl Gauge {
    /// Replaces the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds `amount`, which may be negative.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many of something there are now, raised and lowered by any thread without contention.
#[derive(Clone)]
pub(crate) struct Level(Arc<Cells>);

impl Level {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Cells::new(1)))
    }

    #[inline]
    pub(crate) fn raise(&self) {
        self.0.add(0, 1);
    }

    /// A unit may be given back on another thread: the shards wrap, and so does their sum.
    #[inline]
    pub(crate) fn lower(&self) {
        self.0.add(0, u64::MAX);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the exposition format has floats alone"
    )]
    pub(crate) fn value(&self) -> f64 {
        self.0.sum(0) as f64
    }
}
