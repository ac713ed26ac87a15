//! A server to be measured, or a client that measures one: `cargo xtask bench web` runs it.

use anyhow::{Context, Result};
use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use tollgate_compare_web::http3::Load;
use tollgate_compare_web::keep_alive::{self, KeepAlive};
use tollgate_compare_web::{Name, make_certificate, serve};

#[derive(Parser)]
enum Command {
    /// Serves.
    Serve {
        name: Name,
        #[arg(long)]
        listen: SocketAddr,
        /// Where the certificate is.
        #[arg(long)]
        tls: Option<PathBuf>,
    },
    /// Writes a certificate and its key.
    Certificate { directory: PathBuf },
    /// Asks again and again on one connection.
    Ask {
        address: SocketAddr,
        requests: usize,
    },
    /// Opens connections, says so, and holds them until standard input ends.
    Idle {
        address: SocketAddr,
        connections: usize,
    },
    /// Asks over HTTP/3 and prints the seconds.
    Http3 {
        address: SocketAddr,
        requests: usize,
        #[arg(long)]
        tls: PathBuf,
        #[arg(long)]
        connections: usize,
        #[arg(long)]
        streams: usize,
    },
}

fn main() -> Result<()> {
    raise_files_max().context("the limit of open files")?;
    match Command::parse() {
        Command::Serve { name, listen, tls } => serve(name, listen, tls.as_deref()),
        Command::Certificate { directory } => make_certificate(&directory),
        Command::Ask { address, requests } => {
            let mut connection = KeepAlive::open(address)?;
            (0..requests).try_for_each(|_| connection.ask())
        }
        Command::Idle {
            address,
            connections,
        } => {
            let open = keep_alive::idle(address, connections)?;
            println!("{}", open.len());
            std::io::stdin().read_to_end(&mut Vec::new())?;
            Ok(())
        }
        Command::Http3 {
            address,
            requests,
            tls,
            connections,
            streams,
        } => {
            let load = Load {
                address,
                requests,
                connections,
                streams,
            };
            println!("{}", load.run(&tls)?.as_secs_f64());
            Ok(())
        }
    }
}

/// Ten thousand connections need as many files, and most shells allow a tenth.
fn raise_files_max() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
