//! The command line: what can be typed, and what each command ends with.

#![expect(
    clippy::indexing_slicing,
    reason = "answers are JSON, whose index is a name; a member that is missing is null"
)]

mod admin_api;
mod audit;
mod backup;
mod client;
mod completions;
mod config;
mod discovery;
mod failure;
mod health;
mod input;
mod keys;
pub(crate) mod output;
mod progress;
mod token;
mod trust;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use self::{failure::Failure, trust::Trust};
use crate::serve;

/// The Tollgate token service.
///
/// One binary that issues, checks and revokes OAuth 2 tokens, and administers a running server.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tollgate serve --dev                       start on loopback with a demo client
  tollgate serve --config tollgate.toml      start for real
  tollgate client create --id shop --scope \"orders:read orders:write\"
  tollgate token issue --client shop         a token of that client
  tollgate config defaults > tollgate.toml   every key, explained

Exit codes: 0 done, 1 refused or invalid, 2 usage, 3 server not reachable.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the token service
    Serve(serve::Arguments),
    /// Register, change and delete clients of a running server
    #[command(subcommand)]
    Client(client::Command),
    /// List, rotate and revoke the signing keys of a running server
    #[command(subcommand)]
    Keys(keys::Command),
    /// Issue, check and revoke tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Check a configuration, or write one out
    #[command(subcommand)]
    Config(config::Command),
    /// Save the clients and keys of a running server to a file
    Backup(backup::BackupArguments),
    /// Replace the clients and keys of a running server by those of a backup
    Restore(backup::RestoreArguments),
    /// Check audit logs
    #[command(subcommand)]
    Audit(audit::Command),
    /// Ask a server whether it is healthy: exit 0 if so, 1 if not
    Health(health::Arguments),
    /// Print the completion script of a shell
    Completions(completions::Arguments),
}

/// Runs what was typed.
pub(crate) fn run() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Client(command) => client::run(command),
        Command::Keys(command) => keys::run(command),
        Command::Token(command) => token::run(command),
        Command::Config(command) => config::run(command),
        Command::Backup(arguments) => backup::backup(&arguments),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Audit(command) => audit::run(&command),
        Command::Health(arguments) => health::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}
