//! A token service of its own for each test: on new data, on free ports, ended with its value.

use crate::peer::unique;
use serde_json::Value;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(60);

/// The audience of every client that tests create.
pub(crate) const AUDIENCE: &str = "https://api.example.com";

/// A running `tollgate serve`.
pub(crate) struct Server {
    child: Child,
    directory: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) issuer: String,
    pub(crate) admin_url: String,
}

impl Server {
    /// Starts with `tables` as further TOML after the addresses.
    pub(crate) fn start(tables: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique("server"));
        fs::create_dir_all(&directory).unwrap();
        let (address, admin) = (free_address(), free_address());
        let config = directory.join("tollgate.toml");
        let issuer = format!("http://{address}");
        let data = directory.join("data");
        let text = format!(
            "issuer = \"{issuer}\"\n\
             [server]\nlisten = \"{address}\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n\
             [admin]\nlisten = \"{admin}\"\n\
             [store.embedded]\npath = \"{}\"\n{tables}",
            data.display()
        );
        fs::write(&config, text).unwrap();
        let log = File::create(directory.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(["serve", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let admin_url = format!("http://{admin}");
        let mut server = Self {
            child,
            directory,
            address,
            issuer,
            admin_url,
        };
        server.wait();
        server
    }

    /// What the command line prints as JSON.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(arguments)
            .arg("--data-dir")
            .arg(self.directory.join("data"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// A new client with the scope `read` and [`AUDIENCE`], and its secret.
    pub(crate) fn create_client(&self, id: &str, options: &[&str]) -> Client {
        let common = [
            "client",
            "create",
            "--json",
            "--id",
            id,
            "--audience",
            AUDIENCE,
        ];
        let scope: &[&str] = if options.contains(&"--scope") {
            &[]
        } else {
            &["--scope", "read"]
        };
        let created = self.cli(&[&common[..], scope, options].concat());
        let secret = created["client_secret"].as_str().unwrap_or_default();
        Client {
            id: id.to_owned(),
            secret: secret.to_owned(),
        }
    }

    /// Posts a form as `client` and returns the status and the JSON answer.
    pub(crate) fn post(&self, client: &Client, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let credentials = [
            ("client_id", client.id.as_str()),
            ("client_secret", client.secret.as_str()),
        ];
        let fields = credentials.iter().chain(form).copied();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut response = agent
            .post(format!("{}{path}", self.issuer))
            .send_form(fields)
            .unwrap();
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// An access token of `client`.
    pub(crate) fn token(&self, client: &Client, scope: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        let (status, answer) = self.post(client, "/oauth/token", &form);
        assert_eq!(status, 200, "{answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// A new file of this server's directory.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn wait(&mut self) {
        let begin = Instant::now();
        // The management listener comes with the admin token that the command line needs.
        while !self.directory.join("data/admin.json").exists()
            || TcpStream::connect(self.address).is_err()
        {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || begin.elapsed() > START {
                let log = fs::read_to_string(self.directory.join("log")).unwrap();
                panic!("the server did not start ({ended:?}):\n{log}");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// A client of the server under test.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// A loopback address whose port was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
