//! A Redis of the test's own, behind a socket in a temporary directory.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tollgate_testkit::{find_peer, send_signal};
use tollgate_web::cache::redis::{RedisConfig, RedisLevel};
use tollgate_web::cache::{Cache, CacheConfig, SecondLevel};

use crate::support::STUCK;

pub(super) struct RedisServer {
    program: PathBuf,
    directory: TempDir,
    child: Child,
}

impl RedisServer {
    /// `None`, after a visible word, when there is no Redis here.
    pub(super) fn start() -> Option<Self> {
        let program = find_peer("TOLLGATE_TEST_REDIS", "redis-server")?;
        let directory = TempDir::new().unwrap();
        let child = spawn(&program, &directory);
        let server = Self {
            program,
            directory,
            child,
        };
        server.wait();
        Some(server)
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("redis")
    }

    fn wait(&self) {
        let started = Instant::now();
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(started.elapsed() < STUCK, "redis-server does not listen");
            std::thread::yield_now();
        }
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// An empty server in the place of the killed one.
    pub(super) fn restart(&mut self) {
        self.child = spawn(&self.program, &self.directory);
        self.wait();
    }

    /// Stops the process without closing anything, or lets it go on.
    pub(super) fn signal(&self, signal: &str) {
        send_signal(self.child.id(), signal);
    }

    /// How one instance of an application reaches it.
    pub(super) fn level(&self, namespace: &str) -> Arc<RedisLevel> {
        let url = format!("redis+unix://{}", self.socket().display());
        let config = RedisConfig {
            heartbeat: Duration::from_millis(50),
            retry_max: Duration::from_millis(50),
            ..RedisConfig::new(url, namespace)
        };
        RedisLevel::start(config).unwrap()
    }

    /// The cache of one instance, once it hears of invalidations.
    pub(super) async fn instance(&self) -> Cache<String> {
        let level = self.level("test");
        until("invalidations are heard", async || level.is_coherent()).await;
        Cache::shared(CacheConfig::default(), level)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &PathBuf, directory: &TempDir) -> Child {
    Command::new(program)
        .current_dir(directory.path())
        .args(["--port", "0", "--unixsocket", "redis"])
        .args(["--save", "", "--appendonly", "no"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until `holds`, which it must in the end.
pub(super) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < STUCK, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
