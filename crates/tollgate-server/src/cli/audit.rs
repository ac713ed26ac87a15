//! `tollgate audit`: checks the hash chain of an audit log.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, output};
use crate::audit::{self, Verdict};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check that no line of an audit log was changed, removed or put in between
    #[command(after_help = "Example:\n  tollgate audit verify /var/log/tollgate/audit.jsonl")]
    Verify {
        /// The audit log
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Verify { file, json } = command;
    let verdict = audit::verify_file(file)?;
    let object = match &verdict {
        Verdict::Whole { lines, last } => {
            serde_json::json!({"valid": true, "lines": lines, "last_hash": last})
        }
        Verdict::Broken { line, why } => {
            serde_json::json!({"valid": false, "line": line, "error": why.to_string()})
        }
    };
    match (&verdict, json) {
        (_, true) => output::json(&object)?,
        (Verdict::Whole { lines, last }, false) => {
            output::line(&format!("{lines} lines, unbroken; the last hash is {last}"))?;
        }
        (Verdict::Broken { line, why }, false) => {
            output::line(&format!("{}:{line}: {why}", file.display()))?;
        }
    }
    match verdict {
        Verdict::Whole { .. } => Ok(()),
        Verdict::Broken { .. } => Err(Failure::Answered),
    }
}
