//! What a process takes of the machine: memory and processor time, as Linux tells.

use std::fs;
use std::time::Duration;

/// Linux tells processor time in hundredths of a second on every architecture it runs on here.
const TICK: Duration = Duration::from_millis(10);

/// Processor time taken so far.
pub(crate) fn cpu(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // The name in parentheses may hold anything; the times are the 12th and 13th field after it.
    let fields = stat.rsplit_once(')').unwrap().1;
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = times.map(|time| time.parse::<u32>().unwrap()).sum();
    TICK * ticks
}

/// Kibibytes resident now.
pub(crate) fn resident(id: u32) -> u64 {
    status(id, "VmRSS:")
}

/// Kibibytes that were resident at most so far.
pub(crate) fn peak(id: u32) -> u64 {
    status(id, "VmHWM:")
}

/// Files and sockets open now.
pub(crate) fn files(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}

fn status(id: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let value = line.unwrap().trim().trim_end_matches(" kB");
    value.parse().unwrap()
}
