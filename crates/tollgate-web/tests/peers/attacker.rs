//! A script that attacks on order: one line of JSON in for each attack, one line out that counts
//! what the server did.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::json;

use crate::peer;
use crate::server::Server;

/// How often, and how widely, an attack is repeated.
#[derive(Clone, Copy)]
pub(crate) struct Force {
    /// 0: once.
    pub(crate) seconds: u32,
    /// At once.
    pub(crate) lanes: u32,
}

impl Force {
    pub(crate) const ONCE: Self = Self {
        seconds: 0,
        lanes: 1,
    };
}

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

/// What the server did, and how often.
pub(crate) type Outcomes = BTreeMap<String, u64>;

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

    pub(crate) fn attack(&mut self, name: &str, force: Force) -> Outcomes {
        let order = json!({
            "attack": name,
            "seconds": force.seconds,
            "lanes": force.lanes,
        });
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
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
