//! Quantiles out of histograms, as exact as their buckets are fine.

use serde::Serialize;

use super::cells::Cells;
use super::histogram::{Buckets, Histogram, HistogramFamily};

/// The usual quantiles of one series, in the unit in which the series is told: of durations,
/// seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quantiles {
    /// The metric.
    pub name: String,
    /// The labels as in the exposition, `route="/health"`; empty if there are none.
    pub labels: String,
    /// Observations since the start.
    pub count: u64,
    /// Half of them were at most this.
    pub p50: f64,
    /// Nine in ten were at most this.
    pub p90: f64,
    /// Ninety-nine in a hundred were at most this.
    pub p99: f64,
}

impl Quantiles {
    /// Of one histogram among the cells; `None` if nothing was observed.
    pub(super) fn of(
        (name, labels): (&str, &str),
        cells: &Cells,
        offset: usize,
        buckets: &Buckets,
    ) -> Option<Self> {
        let counts = Counts::read(cells, offset, buckets);
        Some(Self {
            name: name.to_owned(),
            labels: labels.to_owned(),
            count: counts.total,
            p50: counts.quantile(0.5)?,
            p90: counts.quantile(0.9)?,
            p99: counts.quantile(0.99)?,
        })
    }
}

impl Histogram {
    /// The value, in exposed units, that the share `q` (0 to 1) of the observations do not pass;
    /// `None` if there are none.
    ///
    /// Within a bucket observations are taken to lie evenly; what passed the last bound is told as
    /// that bound.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        Counts::read(&self.cells, 0, &self.buckets).quantile(q)
    }
}

impl HistogramFamily {
    /// As [`Histogram::quantile`], at this position in the label's list of values.
    #[must_use]
    pub fn quantile(&self, position: usize, q: f64) -> Option<f64> {
        let known = self.sizes.first().is_some_and(|&size| position < size);
        let offset = position.checked_mul(self.buckets.cells())?;
        known.then(|| Counts::read(&self.cells, offset, &self.buckets).quantile(q))?
    }
}

/// What one histogram has counted.
struct Counts<'b> {
    buckets: &'b Buckets,
    /// One a bound, and one for what passed them all.
    counts: Vec<u64>,
    total: u64,
}

impl<'b> Counts<'b> {
    fn read(cells: &Cells, offset: usize, buckets: &'b Buckets) -> Self {
        let counts: Vec<u64> = (0..=buckets.bounds().len())
            .map(|bucket| cells.sum(offset + bucket))
            .collect();
        Self {
            buckets,
            total: counts.iter().sum(),
            counts,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a rank among more than 2^52 observations needs no last digit"
    )]
    fn quantile(&self, q: f64) -> Option<f64> {
        if self.total == 0 || q.is_nan() {
            return None;
        }
        let rank = q.clamp(0.0, 1.0) * self.total as f64;
        let (mut below, mut lower) = (0_u64, 0.0);
        for (&count, &bound) in self.counts.iter().zip(self.buckets.bounds()) {
            let upper = self.buckets.exposed(bound);
            if count > 0 && (below + count) as f64 >= rank {
                let share = (rank - below as f64) / count as f64;
                return Some(lower + (upper - lower) * share);
            }
            below += count;
            lower = upper;
        }
        Some(lower)
    }
}
