//! The servers under test, each pinned to core 0 and ended with its value.

use super::rows::Client;
use crate::run::{output, target, terminate};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(60);

/// The file of each client's secret.
pub(crate) type Clients = BTreeMap<Client, PathBuf>;

/// A program of this workspace, built for release.
pub(crate) fn program(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// `program`, allowed to run on `core` alone.
pub(crate) fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command
        .args(["-c", &core.to_string()])
        .arg(program)
        .stdin(Stdio::null());
    command
}

/// The baseline: hyper and nothing else.
pub(crate) struct Bare {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Bare {
    pub(crate) fn start() -> Result<Self> {
        let address = free_address()?;
        let mut command = pinned(0, &program("examples/bare_hyper"));
        let child = command
            .args(["--threads", "1", "--listen", &address.to_string()])
            .spawn()?;
        let bare = Self { child, address };
        wait_for(address, "/", START)?;
        Ok(bare)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A token service on its own data.
pub(crate) struct Tollgate {
    child: Child,
    directory: PathBuf,
    pub(crate) address: SocketAddr,
    /// From the start of the process to its first good answer.
    pub(crate) start: Duration,
}

impl Tollgate {
    /// Starts on new data in `directory`.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        Self::start_with(directory, &[])
    }

    /// Starts on new data in `directory`, with some keys of the configuration in the environment.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) fn start_with(directory: &Path, keys: &[(&str, &str)]) -> Result<Self> {
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        fs::create_dir_all(directory)?;
        Self::launch(directory, keys)
    }

    /// Starts on the data that is in `directory`.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) fn start_again(directory: &Path) -> Result<Self> {
        Self::launch(directory, &[])
    }

    fn launch(directory: &Path, keys: &[(&str, &str)]) -> Result<Self> {
        let (address, admin) = (free_address()?, free_address()?);
        let config = directory.join("tollgate.toml");
        fs::write(&config, configuration(directory, address, admin))?;
        let log = File::create(directory.join("log"))?;
        let mut command = pinned(0, &program("tollgate"));
        command
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .envs(keys.iter().copied());
        let begin = Instant::now();
        let child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut server = Self {
            child,
            directory: directory.to_owned(),
            address,
            start: Duration::ZERO,
        };
        wait_for(address, "/ready", START).with_context(|| {
            let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
            format!("the server does not become ready; its log:\n{log}")
        })?;
        server.start = begin.elapsed();
        Ok(server)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Creates every client that rows ask with.
    ///
    /// # Errors
    /// When the command line says no.
    pub(crate) fn create_clients(&self) -> Result<Clients> {
        let mut clients = Clients::new();
        for client in Client::ALL {
            let mut command = Command::new(program("tollgate"));
            command.args(["client", "create", "--json", "--id", client.id()]);
            command
                .args(client.options())
                .arg("--data-dir")
                .arg(self.data());
            let text = output(&mut command)?;
            let created: serde_json::Value = serde_json::from_str(text.trim())?;
            let secret = created
                .get("client_secret")
                .and_then(serde_json::Value::as_str);
            let file = self.directory.join(client.id());
            fs::write(&file, secret.context("client create shows no secret")?)?;
            clients.insert(client, file);
        }
        Ok(clients)
    }

    /// Asks the server to end, and waits until it has.
    ///
    /// # Errors
    /// When it cannot be asked or ends badly.
    pub(crate) fn stop(mut self) -> Result<()> {
        terminate(&self.child)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(())
    }

    /// Where its store is.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }
}

impl Drop for Tollgate {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a process.
pub(crate) fn end(child: &mut Child) {
    // It may have ended by itself, which is as good.
    let _ = child.kill();
    let _ = child.wait();
}

/// What is the default in production is the default here; caps that a benchmark would run into are
/// lifted, and a rate limit is there to be checked by every request.
fn configuration(directory: &Path, address: SocketAddr, admin: SocketAddr) -> String {
    let data = directory.join("data");
    let data = data.display();
    format!(
        r#"issuer = "http://{address}"
[server]
listen = "{address}"
threads = 1
[admin]
listen = "{admin}"
[store.embedded]
path = "{data}"
[tokens]
active_max = 0
one_time_ttl = "10m"
[[rate_limit.rules]]
name = "client"
key = "client"
capacity = 1000000
fill_per_second = 1000000
"#
    )
}

/// A loopback address whose port was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Waits until `path` is answered with 200.
///
/// # Errors
/// When it takes longer than `limit`.
pub(crate) fn wait_for(address: SocketAddr, path: &str, limit: Duration) -> Result<()> {
    let begin = Instant::now();
    while !answers(address, path) {
        if begin.elapsed() > limit {
            bail!("{address}{path} does not answer with 200");
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn answers(address: SocketAddr, path: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(start.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}
