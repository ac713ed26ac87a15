//! A real server that can be killed and started again on the same data.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::http::Connection;

const BINARY: &str = env!("CARGO_BIN_EXE_tollgate");
pub(crate) const ISSUER: &str = "https://auth.example.com";

pub(crate) struct Server {
    directory: tempfile::TempDir,
    tables: String,
    child: Option<Child>,
    pub(crate) address: SocketAddr,
}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Server {
    /// A server with `tables` as further TOML, started.
    pub(crate) fn start(tables: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = free_address();
        let mut server = Self {
            directory,
            tables: tables.to_owned(),
            child: None,
            address,
        };
        server.restart();
        server
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// What the server wrote to its standard streams, in all of its lives.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Starts it on the data that are there.
    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let config = self.directory.path().join("tollgate.toml");
        let text = format!(
            "issuer = \"{ISSUER}\"\n[server]\nlisten = \"{}\"\n[admin]\n\
             listen = \"127.0.0.1:0\"\n[store.embedded]\npath = \"{}\"\n{}",
            self.address,
            self.data().display(),
            self.tables
        );
        fs::write(&config, text).unwrap();
        let _ = fs::remove_file(self.data().join("admin.json"));
        let log = self.directory.path().join("log");
        let log = File::options().append(true).create(true).open(log).unwrap();
        let child = Command::new(BINARY)
            .args(["serve", "--config"])
            .arg(config)
            .arg("--data-dir")
            .arg(self.data())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        self.wait();
    }

    fn wait(&mut self) {
        let begun = Instant::now();
        let admin = self.data().join("admin.json");
        while !(admin.exists()
            && Connection::open(self.address).is_ok_and(|mut it| it.get("/health").status == 200))
        {
            let exited = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                exited.is_none(),
                "it exited with {exited:?}: {}",
                self.log()
            );
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "not ready: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; the exit code once it is gone.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let status = Command::new("kill")
            .arg(child.id().to_string())
            .status()
            .unwrap();
        assert!(status.success());
        child.wait().unwrap().code()
    }

    /// What the command line prints as JSON.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Value {
        let output = Command::new(BINARY)
            .args(arguments)
            .args(["--json", "--data-dir"])
            .arg(self.data())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    pub(crate) fn create_client(&self, id: &str, options: &[&str]) -> Client {
        let created = self.cli(&[&["client", "create", "--id", id], options].concat());
        Client {
            id: id.to_owned(),
            secret: created["client_secret"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address).unwrap()
    }
}

/// An address that nobody listens on.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}
