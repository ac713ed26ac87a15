//! The Tollgate token service: one binary that serves, and administers what serves.
//!
//! `cli` is what can be typed, `config` what can be configured, `serve` what is put together from
//! it. Only this crate names a backend.

mod audit;
mod bounded;
mod cli;
mod config;
mod logs;
mod private_file;
mod serve;
mod telemetry;

/// Steady under the churn of requests, and it gives memory back.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How the allocator runs: a thread of its own gives freed memory back within a second, and one
/// allocation in a mebibyte is sampled for `/debug/pprof/heap`, which is too seldom to be felt.
/// Huge pages are asked for, since look-ups among a million tokens miss the translation of addresses
/// more than anything else.
#[expect(
    unsafe_code,
    reason = "jemalloc reads its settings from a symbol of this very name"
)]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8] =
    b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,thp:always,\
      prof:true,prof_active:true,lg_prof_sample:20\0";

fn main() -> std::process::ExitCode {
    cli::run()
}
