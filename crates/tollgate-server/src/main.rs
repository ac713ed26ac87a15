//! The Tollgate token service: one binary that serves, and administers what serves.
//!
//! `cli` is what can be typed, `config` what can be configured, `serve` what is put together from
//! it. Only this crate names a backend.

mod audit;
mod cli;
mod config;
mod logs;
mod private_file;
mod serve;

/// Steady under the churn of requests, and it gives memory back.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
