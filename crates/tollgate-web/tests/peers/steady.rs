//! A client that keeps every rule: it asks at a fixed rate on connections of its own, whatever
//! happens beside it, and notes how long it waits.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, mem};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::server::{LOOK, STUCK, Server};

/// Between two requests of a connection.
const PERIOD: Duration = Duration::from_millis(10);
/// Connections to each listener.
const CONNECTIONS: u64 = 2;
const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nHost: t\r\n\r\n";

/// What goes on beside the client: the kind of attack, and the attack.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Beside {
    pub(crate) kind: &'static str,
    pub(crate) attack: String,
}

/// Where it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Listener {
    Plain,
    Secure,
}

/// How long it waited for each answer.
pub(crate) type Waits = BTreeMap<(Beside, Listener), Vec<Duration>>;

#[derive(Default)]
struct Shared {
    beside: Mutex<Beside>,
    waits: Mutex<Waits>,
    wrong: Mutex<Vec<String>>,
    paused: AtomicBool,
    stopped: AtomicBool,
}

/// A client that asks until it is dropped.
pub(crate) struct Steady {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Steady {
    /// The connections that it keeps.
    pub(crate) const CONNECTIONS: u64 = 2 * CONNECTIONS;

    pub(crate) fn start(server: &Server) -> Self {
        let shared = Arc::new(Shared::default());
        let mut threads = Vec::new();
        for _ in 0..CONNECTIONS {
            let plain: Box<dyn Stream> = Box::new(connect(server.plain));
            let secure: Box<dyn Stream> = Box::new(connect_tls(server));
            for (listener, stream) in [(Listener::Plain, plain), (Listener::Secure, secure)] {
                let shared = Arc::clone(&shared);
                threads.push(thread::spawn(move || shared.ask(listener, stream)));
            }
        }
        Self { shared, threads }
    }

    /// Tells what goes on from now.
    pub(crate) fn beside(&self, kind: &'static str, attack: &str) {
        let attack = attack.to_owned();
        *self.shared.beside.lock().unwrap() = Beside { kind, attack };
    }

    /// Asks nothing while `quiet` runs.
    pub(crate) fn pause(&self, quiet: impl FnOnce()) {
        self.shared.paused.store(true, Ordering::Relaxed);
        quiet();
        self.shared.paused.store(false, Ordering::Relaxed);
    }

    /// Panics unless every answer so far was right.
    pub(crate) fn check(&self) {
        let wrong = self.shared.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    /// Stops asking.
    pub(crate) fn finish(mut self) -> Waits {
        self.stop();
        self.check();
        mem::take(&mut *self.shared.waits.lock().unwrap())
    }

    fn stop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn ask(&self, listener: Listener, mut stream: Box<dyn Stream>) {
        let mut due = Instant::now();
        while !self.stopped.load(Ordering::Relaxed) {
            if self.paused.load(Ordering::Relaxed) {
                thread::sleep(LOOK);
                due = Instant::now();
                continue;
            }
            due += PERIOD;
            // Who comes late because the last answer did has waited since the request was due.
            if let Some(early) = due.checked_duration_since(Instant::now()) {
                thread::sleep(early);
                due = due.max(Instant::now());
            }
            let beside = self.beside.lock().unwrap().clone();
            if let Err(wrong) = answered(&mut *stream) {
                let wrong = format!("{listener:?}, beside {beside:?}: {wrong}");
                return self.wrong.lock().unwrap().push(wrong);
            }
            let mut waits = self.waits.lock().unwrap();
            waits
                .entry((beside, listener))
                .or_default()
                .push(due.elapsed());
        }
    }
}

/// Asks once; what is wrong with the answer.
fn answered(stream: &mut dyn Stream) -> Result<(), String> {
    stream
        .write_all(REQUEST)
        .map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    let mut space = [0; 1024];
    while !answer.ends_with(b"\r\n\r\nhello") {
        match stream.read(&mut space) {
            Ok(0) => {
                return Err(format!(
                    "closed after {:?}",
                    answer.escape_ascii().to_string()
                ));
            }
            Ok(length) => answer.extend_from_slice(&space[..length]),
            Err(error) => return Err(error.to_string()),
        }
        if answer.len() > space.len() {
            break;
        }
    }
    match answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.len() <= space.len() {
        true => Ok(()),
        false => Err(answer.escape_ascii().to_string()),
    }
}

trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

fn connect(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(STUCK)).unwrap();
    stream
}

pub(crate) fn connect_tls(server: &Server) -> StreamOwned<ClientConnection, TcpStream> {
    let chain = fs::read(server.path("chain.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&chain).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(client, connect(server.secure));
    stream.conn.complete_io(&mut stream.sock).unwrap();
    stream
}
