//! The example `resource_server`, running on a free port of loopback.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use tokio::net::TcpListener;

#[allow(
    dead_code,
    reason = "`main` reads the environment; the tests bring their own"
)]
#[path = "../../examples/resource_server.rs"]
mod example;

/// The server; it serves until the test process ends.
pub(crate) struct Running {
    address: SocketAddr,
}

/// An answer: its status, its head in lower case but for values, and its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Running {
    /// A server with these variables.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Result<Self, String> {
        let settings = example::Settings::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })?;
        let (said, address) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                said.send(listener.local_addr().unwrap()).unwrap();
                example::serve(&settings, listener).await.unwrap();
            });
        });
        let address = address.recv().unwrap();
        Ok(Self { address })
    }

    /// The answer to a GET with these header lines.
    pub(crate) fn get(&self, path: &str, headers: &[&str]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: rs.example\r\nConnection: close\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// The answer to a GET with this token.
    pub(crate) fn get_with(&self, path: &str, token: &str) -> Answer {
        self.get(path, &[&format!("Authorization: Bearer {token}")])
    }
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The values of this header.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }
}
