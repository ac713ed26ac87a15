//! The process's own figures, from `/proc`; nothing on systems without it.

use std::fs;

use super::{Registry, RegistryError};

/// Linux counts process times in hundredths of a second for user space, whatever its own tick.
const TICKS_PER_SECOND: f64 = 100.0;
const BYTES_PER_KIB: f64 = 1024.0;

pub(super) fn register(registry: &Registry) -> Result<(), RegistryError> {
    registry.counter_fn(
        "process_cpu_seconds_total",
        "User and system CPU time spent, in seconds.",
        || (stat(11) + stat(12)) / TICKS_PER_SECOND,
    )?;
    let started = boot_seconds() + stat(19) / TICKS_PER_SECOND;
    registry.gauge_fn(
        "process_start_time_seconds",
        "Start of the process since the Unix epoch, in seconds.",
        move || started,
    )?;
    registry.gauge_fn(
        "process_resident_memory_bytes",
        "Resident memory in bytes.",
        || status_kib("VmRSS:") * BYTES_PER_KIB,
    )?;
    registry.gauge_fn(
        "process_virtual_memory_bytes",
        "Virtual memory in bytes.",
        || status_kib("VmSize:") * BYTES_PER_KIB,
    )?;
    registry.gauge_fn("process_threads", "Threads of the process.", || {
        status_kib("Threads:")
    })?;
    registry.gauge_fn("process_open_fds", "Open file descriptors.", open_files)?;
    registry.gauge_fn(
        "process_max_fds",
        "Most file descriptors that may be open.",
        files_max,
    )
}

/// A field of `/proc/self/stat`, counted from the one after the command's closing parenthesis.
fn stat(field: usize) -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    number(fields.split(' ').nth(field))
}

fn boot_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    number(stat.lines().find_map(|line| line.strip_prefix("btime ")))
}

fn status_kib(key: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    number(line.and_then(|line| line.split_whitespace().next()))
}

/// Resident memory in bytes; 0 where there is no `/proc`.
pub(crate) fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

fn open_files() -> f64 {
    let count = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    // Reading the directory opens it.
    f64::from(u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX))
}

fn files_max() -> f64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    number(line.and_then(|line| line.split_whitespace().next()))
}

fn number(text: Option<&str>) -> f64 {
    text.and_then(|text| text.trim().parse().ok())
        .unwrap_or(0.0)
}
