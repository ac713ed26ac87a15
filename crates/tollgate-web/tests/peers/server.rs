//! A server of its own for each test: in a process of its own, on free ports, ended with its value.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{PublicKeyData as _, generate_simple_self_signed};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::DIRECTORY;

/// How long anything may take before it is called stuck; no test waits this long and passes.
pub(crate) const STUCK: Duration = Duration::from_secs(60);
/// Between two looks at something awaited.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// A running server.
pub(crate) struct Server {
    child: Child,
    directory: TempDir,
    /// The hash of its public key, as browsers write it that are to believe in it.
    pub(crate) key_digest: String,
    pub(crate) plain: SocketAddr,
    pub(crate) secure: SocketAddr,
}

impl Server {
    /// Starts with a configuration of these lines of TOML.
    pub(crate) fn start(config: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name);
        let certificate = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(path("config.toml"), config).unwrap();
        fs::write(path("chain.pem"), certificate.cert.pem()).unwrap();
        fs::write(path("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
        let public_key = certificate.signing_key.subject_public_key_info();
        let log = File::create(path("log")).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["process::process", "--exact", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let started = Instant::now();
        let addresses = loop {
            if let Ok(text) = fs::read_to_string(path("addresses.json")) {
                break text;
            }
            let ended = child.try_wait().unwrap();
            if ended.is_some() || started.elapsed() > STUCK {
                let log = fs::read_to_string(path("log")).unwrap();
                panic!("the server did not start ({ended:?}):\n{log}");
            }
            thread::sleep(LOOK);
        };
        let addresses: Value = serde_json::from_str(&addresses).unwrap();
        let address = |name: &str| addresses[name].as_str().unwrap().parse().unwrap();
        Self {
            plain: address("plain"),
            secure: address("secure"),
            key_digest: STANDARD.encode(digest(&SHA256, &public_key)),
            child,
            directory,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A file of this server's directory: `chain.pem`, say.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Asks over HTTP/1.1 on a new connection; the answer's status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.plain).unwrap();
        stream.set_read_timeout(Some(STUCK)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(found, _)| *found == name);
        found
            .unwrap_or_else(|| panic!("no {name}"))
            .1
            .parse()
            .unwrap()
    }

    /// Waits until `holds`.
    pub(crate) fn wait_until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(started.elapsed() < STUCK, "never {what}:\n{}", log());
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
