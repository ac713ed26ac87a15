//! `tollgate audit`: checks the hash chain of an audit log.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, output};
use crate::audit::{self, LineHash, Start, Verdict};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check that each line of an audit log follows the one before
    #[command(after_help = EXAMPLES)]
    Verify {
        /// The audit log
        file: PathBuf,
        /// The hash that the first line must follow: the last of the file before
        #[arg(long, value_name = "HASH", value_parser = hash)]
        after: Option<LineHash>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

const EXAMPLES: &str = "\
Examples:
  tollgate audit verify /var/log/tollgate/audit.jsonl
  tollgate audit verify --after 9f86d0…0a08 /var/log/tollgate/audit.jsonl.1

The chain has no key: whoever may write the file can write a chain of their own. Compare the last hash
with one that was noted elsewhere.";

fn hash(text: &str) -> Result<LineHash, String> {
    LineHash::parse(text).ok_or_else(|| "a hash is 64 lower-case hexadecimal digits".to_owned())
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Verify { file, after, json } = command;
    let start = after.clone().map_or(Start::Begun, Start::After);
    let verdict = audit::verify_file(file, start)?;
    let object = match &verdict {
        Verdict::Whole {
            lines,
            last,
            follows,
        } => {
            serde_json::json!({
                "valid": true, "lines": lines, "last_hash": last, "follows": follows,
            })
        }
        Verdict::Broken { line, why } => {
            serde_json::json!({"valid": false, "line": line, "error": why.to_string()})
        }
    };
    let said = match (&verdict, json) {
        (_, true) => object.to_string(),
        (
            Verdict::Whole {
                lines,
                last,
                follows,
            },
            false,
        ) => {
            let from = match follows {
                Some(hash) => format!(", going on from {hash} of the file before"),
                None => String::new(),
            };
            format!("{lines} lines, unbroken{from}; the last hash is {last}")
        }
        (Verdict::Broken { line, why }, false) => format!("{}:{line}: {why}", file.display()),
    };
    output::enough(output::line(&said))?;
    match verdict {
        Verdict::Whole { .. } => Ok(()),
        Verdict::Broken { .. } => Err(Failure::Answered),
    }
}
