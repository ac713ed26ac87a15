//! The list of all metrics of a process, and their Prometheus text exposition.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::cells::Cells;
use super::process;
use super::scalar::{Counter, CounterFamily, Gauge};
use super::{Buckets, Histogram, HistogramFamily, Quantiles};

/// The most series that one family may have: its labels are bounded, and so is its memory.
const SERIES_MAX: usize = 16_384;

/// A label's name and all values that it will ever have.
type Label<'a> = (&'a str, &'a [&'a str]);

/// Where metrics are registered and read.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<Vec<Family>>>);

/// Why a metric was not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Another metric has this name.
    #[error("metric `{0}` is registered twice")]
    NameTaken(String),
    /// The name or a label's name is not `[a-zA-Z_][a-zA-Z0-9_]*`.
    #[error("`{0}` is no name of a metric or label")]
    BadName(String),
    /// The labels' values make too many combinations.
    #[error("metric `{0}` has too many series")]
    TooManySeries(String),
}

struct Family {
    name: String,
    help: String,
    /// `{a="x",b="y"}` or empty, one for each combination of label values.
    labels: Vec<String>,
    kind: Kind,
}

enum Kind {
    Counter(Arc<Cells>),
    Gauge(Gauge),
    Computed(Type, Box<dyn Fn() -> f64 + Send + Sync>),
    Histogram(Arc<Cells>, Buckets),
}

#[derive(Clone, Copy)]
enum Type {
    Counter,
    Gauge,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a counter; by custom its name ends in `_total`.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn counter(&self, name: &str, help: &str) -> Result<Counter, RegistryError> {
        let cells = Arc::new(Cells::new(1));
        self.register(name, help, &[], Kind::Counter(Arc::clone(&cells)))?;
        Ok(Counter(cells))
    }

    /// Registers counters for every combination of the labels' values.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn counter_family(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &[&str])],
    ) -> Result<CounterFamily, RegistryError> {
        let cells = Arc::new(Cells::new(series(name, labels)?));
        self.register(name, help, labels, Kind::Counter(Arc::clone(&cells)))?;
        Ok(CounterFamily {
            cells,
            sizes: sizes(labels),
        })
    }

    /// Registers a gauge.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn gauge(&self, name: &str, help: &str) -> Result<Gauge, RegistryError> {
        let gauge = Gauge::default();
        self.register(name, help, &[], Kind::Gauge(gauge.clone()))?;
        Ok(gauge)
    }

    /// Registers a gauge whose value is asked for when the metrics are read.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn gauge_fn(
        &self,
        name: &str,
        help: &str,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> Result<(), RegistryError> {
        self.register(
            name,
            help,
            &[],
            Kind::Computed(Type::Gauge, Box::new(value)),
        )
    }

    /// Registers a counter that somebody else keeps.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn counter_fn(
        &self,
        name: &str,
        help: &str,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> Result<(), RegistryError> {
        self.register(
            name,
            help,
            &[],
            Kind::Computed(Type::Counter, Box::new(value)),
        )
    }

    /// Registers a histogram.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &Buckets,
    ) -> Result<Histogram, RegistryError> {
        let cells = Arc::new(Cells::new(buckets.cells()));
        let kind = Kind::Histogram(Arc::clone(&cells), buckets.clone());
        self.register(name, help, &[], kind)?;
        Ok(Histogram {
            cells,
            buckets: buckets.clone(),
        })
    }

    /// Registers a histogram for each value of a label.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn histogram_family(
        &self,
        name: &str,
        help: &str,
        label: (&str, &[&str]),
        buckets: &Buckets,
    ) -> Result<HistogramFamily, RegistryError> {
        let labels = [label];
        let cells = Arc::new(Cells::new(series(name, &labels)? * buckets.cells()));
        let kind = Kind::Histogram(Arc::clone(&cells), buckets.clone());
        self.register(name, help, &labels, kind)?;
        Ok(HistogramFamily {
            cells,
            buckets: buckets.clone(),
            sizes: sizes(&labels),
        })
    }

    /// Registers the process's own figures (`process_*`), read from `/proc` at each scrape.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn process_metrics(&self) -> Result<(), RegistryError> {
        process::register(self)
    }

    /// All metrics in Prometheus's text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::with_capacity(16 * 1024);
        for family in families.iter() {
            family.render(&mut out);
        }
        out
    }

    /// The quantiles of every histogram that has observed something.
    #[must_use]
    pub fn quantiles(&self) -> Vec<Quantiles> {
        let families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        families.iter().flat_map(Family::quantiles).collect()
    }

    fn register(
        &self,
        name: &str,
        help: &str,
        labels: &[Label<'_>],
        kind: Kind,
    ) -> Result<(), RegistryError> {
        for name in labels.iter().map(|(name, _)| *name).chain([name]) {
            let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if !starts || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(RegistryError::BadName(name.to_owned()));
            }
        }
        let mut families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if families.iter().any(|family| family.name == name) {
            return Err(RegistryError::NameTaken(name.to_owned()));
        }
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        families.push(Family {
            name: name.to_owned(),
            help,
            labels: combinations(labels),
            kind,
        });
        Ok(())
    }
}

fn sizes(labels: &[Label<'_>]) -> Arc<[usize]> {
    labels.iter().map(|(_, values)| values.len()).collect()
}

fn series(name: &str, labels: &[Label<'_>]) -> Result<usize, RegistryError> {
    labels
        .iter()
        .try_fold(1_usize, |series, (_, values)| {
            series.checked_mul(values.len())
        })
        .filter(|&series| series <= SERIES_MAX)
        .ok_or_else(|| RegistryError::TooManySeries(name.to_owned()))
}

/// `a="x",b="y"` for each combination of values, the last label changing fastest.
fn combinations(labels: &[Label<'_>]) -> Vec<String> {
    labels
        .iter()
        .fold(vec![String::new()], |rows, (name, values)| {
            let extend = |row: &String| {
                let row = row.clone();
                values.iter().map(move |value| {
                    let value = value
                        .replace('\\', "\\\\")
                        .replace('"', "\\\"")
                        .replace('\n', "\\n");
                    let comma = if row.is_empty() { "" } else { "," };
                    format!("{row}{comma}{name}=\"{value}\"")
                })
            };
            rows.iter().flat_map(extend).collect()
        })
}

impl Family {
    fn quantiles(&self) -> Vec<Quantiles> {
        let Kind::Histogram(cells, buckets) = &self.kind else {
            return Vec::new();
        };
        let series = self.labels.iter().enumerate();
        series
            .filter_map(|(index, labels)| {
                let offset = index * buckets.cells();
                Quantiles::of((&self.name, labels), cells, offset, buckets)
            })
            .collect()
    }

    fn render(&self, out: &mut String) {
        let kind = match &self.kind {
            Kind::Counter(_) | Kind::Computed(Type::Counter, _) => "counter",
            Kind::Histogram(..) => "histogram",
            Kind::Gauge(_) | Kind::Computed(Type::Gauge, _) => "gauge",
        };
        let name = &self.name;
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", self.help);
        match &self.kind {
            Kind::Counter(cells) => {
                for (index, labels) in self.labels.iter().enumerate().take(cells.width()) {
                    self.render_counter(out, labels, cells.sum(index));
                }
            }
            Kind::Gauge(gauge) => drop(writeln!(out, "{name} {}", gauge.value())),
            Kind::Computed(_, value) => drop(writeln!(out, "{name} {}", value())),
            Kind::Histogram(cells, buckets) => {
                for (index, labels) in self.labels.iter().enumerate() {
                    self.render_histogram(out, labels, (cells, index * buckets.cells()), buckets);
                }
            }
        }
    }

    /// Of a family with several labels only what has happened: most combinations never do.
    fn render_counter(&self, out: &mut String, labels: &str, value: u64) {
        if labels.is_empty() {
            let _ = writeln!(out, "{} {value}", self.name);
        } else if value > 0 || !labels.contains("\",") {
            let _ = writeln!(out, "{}{{{labels}}} {value}", self.name);
        }
    }

    fn render_histogram(
        &self,
        out: &mut String,
        labels: &str,
        (cells, offset): (&Cells, usize),
        buckets: &Buckets,
    ) {
        let name = &self.name;
        let comma = if labels.is_empty() { "" } else { "," };
        let mut count = 0;
        for (index, bound) in buckets.bounds().iter().enumerate() {
            count += cells.sum(offset + index);
            let bound = buckets.exposed(*bound);
            let _ = writeln!(
                out,
                "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}"
            );
        }
        count += cells.sum(offset + buckets.bounds().len());
        let sum = buckets.exposed(cells.sum(offset + buckets.bounds().len() + 1));
        let braced = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{labels}}}")
        };
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
        let _ = writeln!(
            out,
            "{name}_sum{braced} {sum}\n{name}_count{braced} {count}"
        );
    }
}
