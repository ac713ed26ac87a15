//! `tollgate serve`: puts the service together and runs it until it is told to stop.

mod assembly;
mod backend;
mod background;
mod clock_file;
mod commit_sizes;
mod data_dir;
mod dev;
mod health;
mod observed;
mod scrape;
mod settings;
mod signals;
mod store_metrics;

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use tokio::sync::watch;

use self::{assembly::Assembly, data_dir::DataDir, signals::Signals};
use crate::{
    audit,
    cli::Failure,
    config::{Flag, Loaded, Mode, Sources},
    logs::{self, Logs},
    telemetry::Traces,
};

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  tollgate serve --dev
  tollgate serve --config /etc/tollgate/tollgate.toml
  TOLLGATE_ISSUER=https://auth.example.com tollgate serve --data-dir /var/lib/tollgate

SIGTERM and Ctrl-C finish what is in flight, then exit 0; the second one does not wait for it. SIGHUP
reads the TLS files and log.level again, and begins a new audit log if the file was moved away.")]
pub(crate) struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CONFIG")]
    config: Option<PathBuf>,
    /// For development: issuer http://LISTEN, everything on loopback, a demo client
    #[arg(long)]
    dev: bool,
    /// The data directory [default: store.embedded.path, which is data] [env: TOLLGATE_DATA_DIR]
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
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // The servers have threads and runtimes of their own; this one waits, and works in between.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()?;
    let signals = runtime.block_on(async { Signals::catch() })?;
    let loaded = arguments.load()?;
    let logs = logs::start(&loaded.config.log)?;
    // Whatever is made from here on is for this user alone: store, keys, backups, audit log.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    raise_file_limit();
    runtime.block_on(serve(arguments, signals, loaded, &logs))?;
    Ok(())
}

/// Serves on what outlasts it: whatever it ends with, audit log and traces are written out.
async fn serve(
    arguments: &Arguments,
    signals: Signals,
    loaded: Loaded,
    logs: &Logs,
) -> anyhow::Result<()> {
    // First, since the audit log may lie in it.
    let data = DataDir::open(&loaded.config.store.data_dir)?;
    let audit = match &loaded.config.audit.path {
        Some(path) => Some(audit::AuditLog::open(
            path,
            settings::deeds_max(&loaded.config),
        )?),
        None => None,
    };
    let (sink, audit_writer) = audit.unzip();
    let traces = Traces::start(&loaded.config.telemetry)?;
    let log = sink.map(Arc::new);
    let opened = Assembly::open(loaded, data, arguments.mode(), log, traces.clone());
    let outcome = match opened.await {
        Ok(assembly) => until_told(arguments, assembly, signals, logs).await,
        Err(error) => Err(error),
    };
    if let Some(writer) = audit_writer {
        writer.close();
    }
    if let Some(traces) = traces {
        traces.flush();
    }
    outcome?;
    tracing::info!("stopped");
    Ok(())
}

/// Runs until a signal says to end, and closes the store.
async fn until_told(
    arguments: &Arguments,
    assembly: Assembly,
    signals: Signals,
    logs: &Logs,
) -> anyhow::Result<()> {
    let Signals {
        mut ends,
        mut hangups,
    } = signals;
    if assembly.announce().is_err() {
        // Whoever started the service may be gone; the log says the same.
        tracing::warn!("nobody reads what is printed");
    }
    let (end, ended) = watch::channel(false);
    let reload = assembly.reloader();
    let hangups = hangups.each(|| {
        reload.tls();
        reload.audit();
        reload_level(arguments, logs);
    });
    let closer = assembly.closer();
    let mut servers = Box::pin(assembly.run(ended));
    let outcome = tokio::select! {
        outcome = &mut servers => outcome,
        never = hangups => match never {},
        signal = ends.wait() => {
            tracing::info!(signal, "draining");
            let _ = end.send(true);
            tokio::select! {
                outcome = &mut servers => outcome,
                signal = ends.wait() => {
                    tracing::warn!(signal, "told twice to end: cutting off what is in flight");
                    Ok(())
                }
            }
        }
    };
    drop(servers);
    let closed = closer.close().await;
    outcome.and(closed)
}

/// Takes the level of the configuration as it stands now; all else needs a restart.
fn reload_level(arguments: &Arguments, logs: &Logs) {
    let level = match arguments.sources().load() {
        Ok(loaded) => loaded.config.log.level,
        Err(problems) => {
            tracing::error!(%problems, "kept the log level");
            return;
        }
    };
    match logs.set_level(&level) {
        Ok(()) => tracing::info!(level, "took the log level"),
        Err(error) => tracing::error!(%error, "kept the log level"),
    }
}

/// Each connection is a file; the soft limit of many systems is 1024.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "failed to raise the limit of open files");
    }
}

impl Arguments {
    const fn mode(&self) -> Mode {
        if self.dev {
            Mode::Development
        } else {
            Mode::Production
        }
    }

    fn load(&self) -> Result<Loaded, Failure> {
        self.sources()
            .load()
            .map_err(|problems| Failure::Refused(problems.into()))
    }

    fn sources(&self) -> Sources {
        let flags = [
            ("--data-dir", "store.embedded.path", &self.data_dir),
            ("--listen", "server.listen", &self.listen),
            ("--admin-listen", "admin.listen", &self.admin_listen),
        ];
        let flags = flags.into_iter().filter_map(|(name, key, value)| {
            Some(Flag {
                name,
                key,
                value: value.clone()?,
            })
        });
        Sources::of_process(self.config.clone(), flags.collect(), self.mode())
    }
}
