//! The machine that was measured on, in the figures that results depend on.

use crate::run::{self, output};
use anyhow::{Result, bail};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Appends whose `fdatasync` is timed.
const SYNCS: usize = 1000;

/// The machine.
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
    /// Median time of an `fdatasync` after an append of 200 bytes.
    pub(crate) sync: Duration,
    pub(crate) commit: String,
    load_average: f64,
}

impl Machine {
    /// Looks at this machine; `directory` is where the store will be.
    ///
    /// # Errors
    /// When there are too few cores or the directory cannot be written to.
    pub(crate) fn look(directory: &Path) -> Result<Self> {
        let cores = std::thread::available_parallelism()?.get();
        if cores < 2 {
            bail!("one core for the server and one for the load: this machine has only {cores}");
        }
        fs::create_dir_all(directory)?;
        Ok(Self {
            cores,
            processor: field("/proc/cpuinfo", "model name"),
            kernel: output(Command::new("uname").arg("-sr"))?.trim().to_owned(),
            sync: sync_time(directory)?,
            commit: commit(),
            load_average: fs::read_to_string("/proc/loadavg")?
                .split(' ')
                .next()
                .and_then(|first| first.parse().ok())
                .unwrap_or_default(),
        })
    }

    /// Says so when something else keeps the machine busy.
    pub(crate) fn complain(&self) {
        if self.load_average > 0.5 {
            println!(
                "warning: load average {}: figures will be too low",
                self.load_average
            );
        }
    }
}

fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or_else(String::new, |rest| {
        rest.trim_start_matches([' ', '\t', ':']).to_owned()
    })
}

fn commit() -> String {
    let mut git = Command::new("git");
    git.current_dir(run::root())
        .args(["rev-parse", "--short", "HEAD"]);
    output(&mut git).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn sync_time(directory: &Path) -> Result<Duration> {
    let path = directory.join("sync-time");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[7; 200])?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed());
    }
    fs::remove_file(&path)?;
    times.sort();
    Ok(times.get(SYNCS / 2).copied().unwrap_or_default())
}
