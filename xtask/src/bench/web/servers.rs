//! The servers that are compared, each pinned to core 0 and ended with its value.

use super::sources;
use crate::bench::process::{end, free_address, pinned, wait_for};
use crate::run::{self, cargo, find_program, target};
use anyhow::{Context, Result, bail};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(60);

/// What is looked at most.
pub(super) const OURS: &str = "tollgate";
/// What everything is divided by.
pub(super) const BARE: &str = "bare";
pub(super) const NODE: &str = "node";
pub(super) const NGINX: &str = "nginx";

/// Who speaks HTTP/1.1: as the program calls it, and as people do.
pub(super) const HTTP1: [(&str, &str); 7] = [
    (BARE, "bare hyper"),
    (OURS, "tollgate-web, its own handler"),
    ("tollgate-axum", "tollgate-web, axum router"),
    ("axum", "axum's own `serve`"),
    ("actix", "actix-web"),
    ("ntex", "ntex"),
    (NODE, "node's http"),
];
/// The servers of others among them, which ours must not fall behind.
pub(super) const PEERS: [&str; 4] = ["axum", "actix", "ntex", NODE];

pub(super) const HTTP2: [(&str, &str); 4] = [
    ("bare-http2", "bare hyper"),
    (OURS, "tollgate-web, its own handler"),
    ("tollgate-axum", "tollgate-web, axum router"),
    (NGINX, "nginx"),
];

pub(super) const HTTP3: [(&str, &str); 3] = [
    ("bare-http3", "bare h3 on quinn"),
    (OURS, "tollgate-web, its own handler"),
    ("tollgate-axum", "tollgate-web, axum router"),
];

/// Builds the program that serves and asks.
///
/// # Errors
/// When it does not build.
pub(super) fn build() -> Result<()> {
    let mut build = cargo();
    build.args(["build", "--release", "--target-dir"]);
    run::run(build.arg(directory()).current_dir(sources()))
}

fn directory() -> PathBuf {
    target().join("compare")
}

/// The program that serves and asks.
pub(super) fn compare() -> PathBuf {
    directory().join("release/tollgate-compare-web")
}

/// Whether this machine has what a server needs.
pub(super) fn is_there(name: &str) -> bool {
    ![NODE, NGINX].contains(&name) || find_program(&[name]).is_some()
}

/// A server.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts on TCP without TLS, and waits until it listens.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn start(name: &str) -> Result<Self> {
        let address = free_address()?;
        let mut command = match name {
            NODE => node(address)?,
            NGINX => nginx(address)?,
            name => serve(name, address),
        };
        let child = command.spawn()?;
        let server = Self { child, address };
        server
            .wait()
            .with_context(|| format!("{name} does not listen"))?;
        Ok(server)
    }

    /// Starts with the certificate in `tls`, for clients of HTTP/3, which try until it is there.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start_http3(name: &str, tls: &Path) -> Result<Self> {
        let address = free_address()?;
        let child = serve(name, address).arg("--tls").arg(tls).spawn()?;
        Ok(Self { child, address })
    }

    /// Starts what `command` runs, which listens at `address`.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn start_as(command: &mut Command, address: SocketAddr) -> Result<Self> {
        let child = command.spawn()?;
        let server = Self { child, address };
        wait_for(address, "/", START)?;
        Ok(server)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub(super) fn stop(mut self) -> Result<()> {
        run::terminate(&self.child)?;
        self.child.wait()?;
        Ok(())
    }

    fn wait(&self) -> Result<()> {
        let begin = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if begin.elapsed() > START {
                bail!("nobody listens at {}", self.address);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn serve(name: &str, address: SocketAddr) -> Command {
    let mut command = pinned(0, &compare());
    command.args(["serve", name, "--listen", &address.to_string()]);
    command
}

fn node(address: SocketAddr) -> Result<Command> {
    let node = find_program(&[NODE]).context("needs Node.js (Debian package nodejs)")?;
    let mut command = pinned(0, &node);
    command
        .arg(sources().join("server.mjs"))
        .arg(address.port().to_string());
    Ok(command)
}

/// One process without a log, whose connections are never closed for their age.
fn nginx(address: SocketAddr) -> Result<Command> {
    let nginx = find_program(&[NGINX]).context("needs nginx (Debian package nginx-light)")?;
    let directory = target().join("bench/nginx");
    fs::create_dir_all(&directory)?;
    let configuration = format!(
        "daemon off; master_process off; pid nginx.pid;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
         access_log off; default_type text/plain; charset utf-8; keepalive_requests 1000000000;\n\
         client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
         uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
         server {{ listen {address} http2; location = / {{ return 200 hello; }} }}\n\
         }}\n"
    );
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = pinned(0, &nginx);
    command
        .args(["-e", "error.log", "-p"])
        .arg(&directory)
        .arg("-c")
        .arg(&file);
    Ok(command)
}
