//! A script that attacks on order: the name of an attack in, a line of JSON out that says what the
//! server did.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::json;

use crate::peer;
use crate::server::Server;

/// A script of this directory that is told where the server is.
pub(crate) fn script(python: &Path, name: &str, server: &Server) -> Command {
    let pair = |address: SocketAddr| (address.ip().to_string(), address.port());
    let told = json!({
        "plain": pair(server.plain),
        "secure": pair(server.secure),
        "certificate": server.path("chain.pem"),
        "patience_seconds": 30,
    });
    let mut command = Command::new(python);
    command
        .arg(peer::script(name))
        .env("PEER", told.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A running script.
pub(crate) struct Attacker {
    child: Child,
    orders: Option<ChildStdin>,
    outcomes: BufReader<ChildStdout>,
}

impl Attacker {
    pub(crate) fn start(python: &Path, name: &str, server: &Server) -> Self {
        let mut child = script(python, name, server)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            orders: child.stdin.take(),
            outcomes: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// What the server did about it.
    pub(crate) fn attack(&mut self, name: &str) -> String {
        writeln!(self.orders.as_mut().unwrap(), "{name}").unwrap();
        let mut line = String::new();
        self.outcomes.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{name}: {error}: {line:?}"))
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        // Ends with its orders, unless it hangs.
        drop(self.orders.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
