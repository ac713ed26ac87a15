//! Signals to processes, without a program that sends them.

use rustix::process::{Pid, Signal, kill_process};

/// Sends the process of this id a signal: `TERM`, `INT`, `HUP`, `STOP` or `CONT`.
///
/// # Panics
///
/// When there is no such signal or no such process.
pub fn send_signal(id: u32, name: &str) {
    let signal = match name {
        "TERM" => Signal::TERM,
        "INT" => Signal::INT,
        "HUP" => Signal::HUP,
        "STOP" => Signal::STOP,
        "CONT" => Signal::CONT,
        _ => panic!("no signal {name}"),
    };
    let process = i32::try_from(id).ok().and_then(Pid::from_raw);
    let sent = process.map(|process| kill_process(process, signal));
    assert_eq!(sent, Some(Ok(())), "{name} to process {id}");
}
