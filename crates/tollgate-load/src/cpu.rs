//! Processor time of a process, as the operating system counts it.

use std::fs;
use std::time::Duration;

/// Clock ticks a second in `/proc`; part of Linux's binary interface, whatever the kernel's own.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time that the process `pid` has used, threads and all. `None` where there is no
/// such process or no `/proc`.
pub(crate) fn used(pid: u32) -> Option<Duration> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads the 14th and 15th fields; the name in brackets before them may hold spaces and brackets.
fn parse(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let ticks = user.checked_add(system)?;
    Some(Duration::from_millis(
        ticks.checked_mul(1000 / TICKS_PER_SECOND)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_are_read() {
        let check = |line: &str, milliseconds: Option<u64>| {
            assert_eq!(
                parse(line),
                milliseconds.map(Duration::from_millis),
                "{line}"
            );
        };
        check("7 (a) S 1 2 3 4 5 6 7 8 9 10 25 5 0 0", Some(300));
        check("7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 1 0 0", Some(10));
        check("7 (a) S 1 2 3", None);
        check("", None);
    }

    #[test]
    fn this_process_is_found_and_no_other() {
        assert!(used(std::process::id()).is_some());
        assert_eq!(used(u32::MAX), None);
    }
}
