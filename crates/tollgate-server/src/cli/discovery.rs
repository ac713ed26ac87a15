//! Finding the management listener of a running server, and the token that it takes.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Failure, admin_api::AdminApi, output, trust::Trust};
use crate::private_file::{self, AdminFile};

/// Where the server is.
#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerArguments {
    /// URL of the management listener [default: that of --data-dir]
    #[arg(long, value_name = "URL", env = "TOLLGATE_ADMIN_URL")]
    admin_url: Option<String>,
    /// File with the administrator's token [default: that of --data-dir]
    #[arg(long, value_name = "FILE", env = "TOLLGATE_ADMIN_TOKEN_FILE")]
    admin_token_file: Option<PathBuf>,
    /// Data directory of a server on this machine, whose admin.json says both
    #[arg(
        long,
        value_name = "DIR",
        env = "TOLLGATE_DATA_DIR",
        default_value = "data"
    )]
    data_dir: PathBuf,
    /// PEM file with the certificates to believe of an https URL [default: public authorities]
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CA_FILE")]
    ca_file: Option<PathBuf>,
}

/// What every command takes that asks a server.
#[derive(Args, Debug)]
pub(crate) struct Asking {
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

impl Asking {
    /// Prints one object that was answered.
    pub(crate) fn print(&self, object: &Value) -> Result<(), Failure> {
        if self.json {
            output::json(object)
        } else {
            output::members(object)
        }
    }
}

impl ServerArguments {
    /// The management API of that server.
    ///
    /// # Errors
    ///
    /// When nothing says where it is.
    pub(crate) fn connect(&self) -> Result<AdminApi, Failure> {
        let trust = self.trust()?;
        let (url, token) = match (&self.admin_url, &self.admin_token_file) {
            (Some(url), Some(path)) => (url.clone(), token(path)?),
            (Some(url), None) => (url.clone(), self.discover()?.token),
            (None, Some(path)) => (self.discover()?.url, token(path)?),
            (None, None) => {
                let found = self.discover()?;
                (found.url, found.token)
            }
        };
        Ok(AdminApi::new(&url, &token, trust))
    }

    /// Whose certificates count.
    pub(crate) fn trust(&self) -> Result<Trust, Failure> {
        match &self.ca_file {
            Some(path) => Ok(Trust::only(path)?),
            None => Ok(Trust::Public),
        }
    }

    /// The URL of the management listener.
    pub(crate) fn url(&self) -> Result<String, Failure> {
        match &self.admin_url {
            Some(url) => Ok(url.clone()),
            None => Ok(self.discover()?.url),
        }
    }

    fn discover(&self) -> Result<AdminFile, Failure> {
        let path = self.data_dir.join(AdminFile::NAME);
        // Where nobody but the server's user may look it is not missing.
        if path.try_exists().is_ok_and(|exists| !exists) {
            return Err(Failure::Unreachable(format!(
                "no server has run on {}: {} is missing (give --data-dir, or --admin-url and \
                 --admin-token-file)",
                self.data_dir.display(),
                path.display()
            )));
        }
        Ok(AdminFile::read(&path).context("failed to find the server")?)
    }
}

fn token(path: &std::path::Path) -> Result<Zeroizing<String>, Failure> {
    // The file may be an admin.json, copied from the server's machine.
    let text = private_file::read_secret(path)?;
    match AdminFile::parse(&text) {
        Some(file) => Ok(file.token),
        None if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text),
        None => Err(Failure::refused(format!(
            "{} holds no admin token: one line of visible ASCII characters, or an admin.json",
            path.display()
        ))),
    }
}
