//! The median of a few repetitions, and how far they lie apart.

use std::fmt;

/// Median, least and greatest of some repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// Of nothing it is all zeroes.
    pub(crate) fn of(mut list: Vec<f64>) -> Self {
        list.sort_by(f64::total_cmp);
        let at = |index: usize| list.get(index).copied().unwrap_or_default();
        let last = list.len().saturating_sub(1);
        Self {
            median: f64::midpoint(at(last / 2), at(last.div_ceil(2))),
            least: at(0),
            greatest: at(last),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(0);
        let (least, greatest) = (self.least, self.greatest);
        write!(f, "{:.decimals$}", self.median)?;
        if least < greatest {
            write!(f, " ({least:.decimals$}–{greatest:.decimals$})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        let check = |list: &[f64], median: f64, shown: &str| {
            let spread = Spread::of(list.to_vec());
            assert!(
                (spread.median - median).abs() < 1e-9,
                "{list:?}: {spread:?}"
            );
            assert_eq!(spread.to_string(), shown);
        };
        check(&[3.0, 1.0, 2.0], 2.0, "2 (1–3)");
        check(&[4.0, 1.0, 2.0, 3.0], 2.5, "2 (1–4)");
        check(&[7.0], 7.0, "7");
        check(&[], 0.0, "0");
    }
}
