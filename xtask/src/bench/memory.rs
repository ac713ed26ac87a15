//! How much memory and disk the service takes, and how fast it starts on a full store.

use super::process::Tollgate;
use super::rows::{Client, ROWS};
use super::{CONNECTIONS, Effort, load::Load};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The figures.
pub(crate) struct Memory {
    pub(crate) tokens: usize,
    /// Resident bytes of a server that was just started on an empty store.
    pub(crate) idle: u64,
    /// Resident bytes after issuing and introspecting the tokens.
    pub(crate) full: u64,
    /// Bytes on disk, after a restart.
    pub(crate) disk: u64,
    /// Resident bytes after a restart.
    pub(crate) restarted: u64,
    /// Introspections a second over all tokens.
    pub(crate) lookups_per_second: f64,
    pub(crate) start_empty: Duration,
    pub(crate) start_full: Duration,
}

/// Fills a store in `directory` and looks at the process.
///
/// # Errors
/// When a run fails or `/proc` does not tell.
pub(crate) fn measure(directory: &Path, effort: Effort) -> Result<Memory> {
    let server = Tollgate::start(directory)?;
    let (idle, start_empty) = (resident(server.pid())?, server.start);
    let clients = server.create_clients()?;
    let row = ROWS.iter().find(|row| row.scenario == "introspect-opaque");
    let row = row.context("no row introspects")?;
    debug_assert_eq!(row.client, Client::Opaque);
    let all = Effort {
        tokens: effort.stored,
        ..effort
    };
    let report = Load::new(&server, &clients, row, CONNECTIONS).run(all)?;
    let full = resident(server.pid())?;
    server.stop()?;
    let server = Tollgate::start_again(directory)?;
    let memory = Memory {
        tokens: effort.stored,
        idle,
        full,
        disk: size(&server.data())?,
        restarted: resident(server.pid())?,
        lookups_per_second: report.per_second,
        start_empty,
        start_full: server.start,
    };
    server.stop()?;
    Ok(memory)
}

/// Resident bytes of the process `pid`.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    Ok(kilobytes.context("no VmRSS")?.trim().parse::<u64>()? * 1024)
}

/// Bytes that the files under `directory` take on disk.
pub(crate) fn size(directory: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() {
            size(&entry.path())?
        } else {
            blocks(&metadata)
        };
    }
    Ok(sum)
}

#[cfg(unix)]
fn blocks(metadata: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn blocks(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}
