//! `tollgate config`: checks a configuration, or writes one out.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, output};
use crate::config::{self, Loaded, Mode, Sources};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what is wrong with a configuration: key, place and what is allowed
    #[command(after_help = "Example:\n  tollgate config check /etc/tollgate/tollgate.toml")]
    Check(Source),
    /// Print the effective configuration and where each value was set; secrets are redacted
    Show(Source),
    /// Print every key with its default and what it does, as TOML that loads
    #[command(after_help = "Example:\n  tollgate config defaults > tollgate.toml")]
    Defaults,
    /// Print the JSON Schema of the configuration file
    Schema,
}

#[derive(Args, Debug)]
pub(crate) struct Source {
    /// The configuration file [default: none, the environment alone] [env: TOLLGATE_CONFIG]
    #[arg(value_name = "FILE")]
    positional: Option<PathBuf>,
    /// The same, as `serve` spells it
    #[arg(long = "config", value_name = "FILE", conflicts_with = "positional")]
    config: Option<PathBuf>,
    /// Check it for `serve --dev`
    #[arg(long)]
    dev: bool,
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Check(source) => {
            source.load()?;
            output::remark("the configuration is valid");
            Ok(())
        }
        Command::Show(source) => document(&config::show(&source.load()?)),
        Command::Defaults => document(&config::defaults()),
        Command::Schema => document(&format!("{:#}", config::schema())),
    }
}

fn document(text: &str) -> Result<(), Failure> {
    output::enough(output::line(text.trim_end()))
}

impl Source {
    fn load(self) -> Result<Loaded, Failure> {
        let mode = if self.dev {
            Mode::Development
        } else {
            Mode::Production
        };
        // Not by clap, to whom a file that is named and the variable would contradict each other.
        let named = self.positional.or(self.config);
        let file = named.or_else(|| std::env::var_os("TOLLGATE_CONFIG").map(PathBuf::from));
        let sources = Sources::of_process(file, Vec::new(), mode);
        sources
            .load()
            .map_err(|problems| Failure::Refused(problems.into()))
    }
}
