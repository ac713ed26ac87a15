//! `tollgate backup`, `tollgate restore`: the clients and keys of a running server, to and fro.

use std::{io, path::PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::{Failure, discovery::ServerArguments, output, progress::Progress};
use crate::private_file::PrivateFile;

#[derive(Args, Debug)]
#[command(after_help = "\
A backup holds the clients, the sealed keys and which client assertions were used; nothing of
tokens. The master key is not in it: keep master.key elsewhere, or the backup is worth nothing.

Example:
  tollgate backup tollgate-$(date +%F).backup")]
pub(crate) struct BackupArguments {
    /// The file to write; it must not exist
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Every token issued before the restore is refused from then on: which of them were consumed or
revoked since the backup nobody knows.

Example:
  tollgate restore tollgate-2026-01-31.backup")]
pub(crate) struct RestoreArguments {
    /// The file that `tollgate backup` wrote
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) fn backup(arguments: &BackupArguments) -> Result<(), Failure> {
    let api = arguments.server.connect()?;
    let (content, length) = api.download("/admin/backup")?;
    let mut content = Progress::new(content, "backup", length);
    let mut file = PrivateFile::create(&arguments.file)?;
    io::copy(&mut content, file.writer()).context("failed to read the backup")?;
    if length.is_some_and(|length| length != content.done()) {
        return Err(Failure::refused(
            "the backup broke off; nothing was written",
        ));
    }
    let bytes = content.done();
    drop(content);
    file.finish()?;
    if arguments.json {
        let file = arguments.file.display().to_string();
        return output::json(&serde_json::json!({"file": file, "bytes": bytes}));
    }
    output::remark(&format!("{bytes} bytes in {}", arguments.file.display()));
    Ok(())
}

pub(crate) fn restore(arguments: &RestoreArguments) -> Result<(), Failure> {
    let name = arguments.file.display();
    let file =
        std::fs::File::open(&arguments.file).with_context(|| format!("failed to open {name}"))?;
    let length = file
        .metadata()
        .with_context(|| format!("failed to read {name}"))?
        .len();
    let content = Progress::new(io::BufReader::new(file), "restore", Some(length));
    let answer = arguments
        .server
        .connect()?
        .upload("/admin/restore", content, length)?;
    if arguments.json {
        return output::json(&answer);
    }
    let restored = &answer["restored"];
    output::remark(&format!(
        "restored {} clients and {} keys",
        restored["clients"], restored["keys"]
    ));
    if let Some(before) = answer["tokens_refused_before"].as_u64() {
        output::remark(&format!(
            "tokens issued up to {} are refused",
            output::date(before)
        ));
    }
    Ok(())
}
