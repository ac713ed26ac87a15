//! `tollgate serve`: puts the service together and runs it until it is told to stop.

use std::path::PathBuf;

use clap::Args;

use crate::{
    cli::Failure,
    config::{Flag, Mode, Sources},
};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tollgate serve --dev
  tollgate serve --config /etc/tollgate/tollgate.toml
  TOLLGATE_ISSUER=https://auth.example.com tollgate serve --data-dir /var/lib/tollgate")]
pub(crate) struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CONFIG")]
    config: Option<PathBuf>,
    /// For development: issuer http://LISTEN, everything on loopback, a demo client
    #[arg(long)]
    dev: bool,
    /// The data directory [default: store.embedded.path, which is data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// The address of the public listener [default: server.listen, which is 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The address of the management listener [default: admin.listen, which is 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<String>,
}

/// Runs the service.
///
/// # Errors
///
/// When it cannot start, or stops without having been told to.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let loaded = arguments.sources().load();
    let loaded = loaded.map_err(|problems| Failure::Refused(problems.into()))?;
    Err(Failure::refused(format!(
        "not wired yet: {:?}",
        loaded.config
    )))
}

impl Arguments {
    fn sources(self) -> Sources {
        let mode = if self.dev {
            Mode::Development
        } else {
            Mode::Production
        };
        let flags = [
            ("--data-dir", "store.embedded.path", self.data_dir),
            ("--listen", "server.listen", self.listen),
            ("--admin-listen", "admin.listen", self.admin_listen),
        ];
        let flags = flags.into_iter().filter_map(|(name, key, value)| {
            Some(Flag {
                name,
                key,
                value: value?,
            })
        });
        Sources::of_process(self.config, flags.collect(), mode)
    }
}
