//! Histograms with fixed buckets.

use std::sync::Arc;
use std::time::Duration;

use super::cells::Cells;
use super::scalar::flatten;

/// The upper bounds of a histogram's buckets, and the unit in which values are told.
#[derive(Clone, Debug)]
pub struct Buckets {
    /// In the unit of recording, ascending.
    bounds: Arc<[u64]>,
    /// Recorded units in one exposed unit.
    scale: f64,
}

const NANOS_PER_SECOND: f64 = 1e9;

impl Buckets {
    /// Bounds of durations, exposed in seconds.
    #[must_use]
    pub fn durations(bounds: &[Duration]) -> Self {
        let nanos = bounds.iter().map(|bound| nanos(*bound));
        Self::ascending(nanos.collect(), NANOS_PER_SECOND)
    }

    /// Bounds of plain numbers.
    #[must_use]
    pub fn counts(bounds: &[u64]) -> Self {
        Self::ascending(bounds.to_vec(), 1.0)
    }

    /// Sixteen bounds from 10 µs to 10 s: requests and store operations.
    #[must_use]
    pub fn latency() -> Self {
        let micros = [
            10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000,
            250_000, 1_000_000, 10_000_000,
        ];
        Self::durations(&micros.map(Duration::from_micros))
    }

    fn ascending(mut bounds: Vec<u64>, scale: f64) -> Self {
        bounds.sort_unstable();
        bounds.dedup();
        Self {
            bounds: bounds.into(),
            scale,
        }
    }

    /// Cells of one histogram: a bucket a bound, one above all bounds, and the sum.
    pub(super) fn cells(&self) -> usize {
        self.bounds.len() + 2
    }

    pub(super) fn bounds(&self) -> &[u64] {
        &self.bounds
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the exposition format has floats alone"
    )]
    pub(super) fn exposed(&self, recorded: u64) -> f64 {
        recorded as f64 / self.scale
    }

    #[inline]
    fn record(&self, cells: &Cells, offset: usize, value: u64) {
        let bucket = self.bounds.partition_point(|&bound| bound < value);
        cells.add(offset + bucket, 1);
        cells.add(offset + self.bounds.len() + 1, value);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How often values fell between fixed bounds, and their sum.
#[derive(Clone)]
pub struct Histogram {
    pub(super) cells: Arc<Cells>,
    pub(super) buckets: Buckets,
}

impl Histogram {
    /// Records a duration, for buckets made of durations.
    #[inline]
    pub fn observe(&self, duration: Duration) {
        self.buckets.record(&self.cells, 0, nanos(duration));
    }

    /// Records a plain number, for buckets made of numbers.
    #[inline]
    pub fn observe_count(&self, count: u64) {
        self.buckets.record(&self.cells, 0, count);
    }
}

/// Histograms told apart by one label, whose values are known beforehand.
#[derive(Clone)]
pub struct HistogramFamily {
    pub(super) cells: Arc<Cells>,
    pub(super) buckets: Buckets,
    pub(super) sizes: Arc<[usize]>,
}

impl HistogramFamily {
    /// Records a duration at this position in the label's list of values.
    #[inline]
    pub fn observe(&self, position: usize, duration: Duration) {
        if let Some(index) = flatten(&self.sizes, &[position]) {
            self.buckets
                .record(&self.cells, index * self.buckets.cells(), nanos(duration));
        }
    }
}
