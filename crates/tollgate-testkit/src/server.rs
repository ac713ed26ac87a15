//! One private instance of the real server.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Http, Output, TestClient, command, run, send_signal};

/// Longer than any start or stop takes; only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Builder {
    binary: PathBuf,
    dev: bool,
    config: String,
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
    data_dir: Option<PathBuf>,
    places_by_flags: bool,
}

/// A running server, killed when dropped.
pub struct TestServer {
    process: Child,
    builder: Builder,
    directory: Option<TempDir>,
    data_dir: PathBuf,
    log: Arc<Mutex<String>>,
    printed: String,
    public: String,
    admin: String,
    issuer: String,
}

impl Builder {
    /// A server of the program at `binary`, `env!("CARGO_BIN_EXE_tollgate")`, with `--dev`.
    #[must_use]
    pub fn new(binary: impl AsRef<Path>) -> Self {
        Self {
            binary: binary.as_ref().to_owned(),
            dev: true,
            config: String::new(),
            variables: Vec::new(),
            arguments: Vec::new(),
            data_dir: None,
            places_by_flags: true,
        }
    }

    /// The text of its configuration file. Listeners need not be in it: both take free ports.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.config);
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another argument of `serve`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Without `--dev`; the configuration must name an issuer then.
    #[must_use]
    pub fn production(mut self) -> Self {
        self.dev = false;
        self
    }

    /// On this directory, which stays, instead of a temporary one.
    #[must_use]
    pub fn data_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.data_dir = Some(path.as_ref().to_owned());
        self
    }

    /// Without the flags that say where it listens and keeps its data: configuration or variables
    /// say so, and [`Builder::data_dir`] must name the same directory.
    #[must_use]
    pub fn places_from_config(mut self) -> Self {
        self.places_by_flags = false;
        self
    }

    /// Starts the server and waits until it serves.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start(self) -> TestServer {
        TestServer::from_builder(self)
    }
}

impl TestServer {
    /// Starts `binary serve --dev` with the defaults and waits until it serves.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start(binary: impl AsRef<Path>) -> Self {
        Builder::new(binary).start()
    }

    fn from_builder(builder: Builder) -> Self {
        let directory = match &builder.data_dir {
            Some(_) => None,
            None => Some(made(TempDir::new())),
        };
        let data_dir = match (&builder.data_dir, &directory) {
            (Some(path), _) => path.clone(),
            (None, Some(directory)) => directory.path().join("data"),
            (None, None) => panic!("no data directory"),
        };
        made(fs::create_dir_all(&data_dir));
        let config = data_dir.join("tollgate.toml");
        made(fs::write(&config, &builder.config));
        let mut command = command::bare(&builder.binary);
        command.arg("serve").arg("--config").arg(&config);
        if builder.places_by_flags {
            command.arg("--data-dir").arg(&data_dir);
            command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        }
        if builder.dev {
            command.arg("--dev");
        }
        command.args(&builder.arguments);
        command.envs(builder.variables.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = made(command.spawn());
        let log = Arc::<Mutex<String>>::default();
        let last = if builder.dev { "# Ctrl-C" } else { "admin " };
        let printed = until_serving(&mut process, &log, last);
        Self {
            process,
            builder,
            directory,
            data_dir,
            log,
            public: field(&printed, "public"),
            admin: field(&printed, "admin"),
            issuer: field(&printed, "issuer"),
            printed,
        }
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The URL of the public listener.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.public
    }

    /// The URL of the management listener.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.admin
    }

    /// The administrator's token.
    ///
    /// # Panics
    ///
    /// When the server did not write it.
    #[must_use]
    pub fn admin_token(&self) -> String {
        let text = made(fs::read_to_string(self.data_dir.join("admin.json")));
        let file: serde_json::Value = made(serde_json::from_str(&text));
        file["token"].as_str().unwrap_or_default().to_owned()
    }

    /// The public listener.
    #[must_use]
    pub fn http(&self) -> Http {
        Http::new(&self.public)
    }

    /// The management listener; the headers of each call name the token.
    #[must_use]
    pub fn admin_http(&self) -> Http {
        Http::new(&self.admin)
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The process, for signals and `/proc`.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// What it printed on stdout when it came up.
    #[must_use]
    pub fn printed(&self) -> &str {
        &self.printed
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The demo client of a server with `--dev`.
    ///
    /// # Panics
    ///
    /// Without `--dev`.
    #[must_use]
    pub fn demo(&self) -> TestClient {
        let id = field(&self.printed, "client_id");
        TestClient {
            id,
            secret: field(&self.printed, "client_secret"),
        }
    }

    /// Runs the program against this server, as `tollgate ARGUMENTS` would be typed.
    ///
    /// # Panics
    ///
    /// When it cannot be run.
    #[must_use]
    pub fn tollgate(&self, arguments: &[&str]) -> Output {
        self.tollgate_with(arguments, "")
    }

    /// The same with something on stdin.
    ///
    /// # Panics
    ///
    /// When it cannot be run.
    #[must_use]
    pub fn tollgate_with(&self, arguments: &[&str], stdin: &str) -> Output {
        let directory = self.data_dir.to_string_lossy();
        run(
            &self.builder.binary,
            arguments,
            &[("TOLLGATE_DATA_DIR", &*directory)],
            stdin,
        )
    }

    /// Sends a signal, `TERM` or `HUP`.
    ///
    /// # Panics
    ///
    /// When there is no such process.
    pub fn signal(&self, name: &str) {
        send_signal(self.process.id(), name);
    }

    /// Ends it with SIGTERM; returns how it ended.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_for_end()
    }

    /// Kills it as a power cut would.
    ///
    /// # Panics
    ///
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        made(self.process.kill());
        made(self.process.wait());
    }

    /// Starts it again on the same directory, with the same arguments, after it has ended.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn restart(mut self) -> Self {
        let directory = self.directory.take();
        let mut again = Self::from_builder(self.builder.clone().data_dir(&self.data_dir));
        again.directory = directory;
        again
    }

    /// Waits until `what` stands in the log.
    ///
    /// # Panics
    ///
    /// When it is not there in time.
    pub fn await_log(&self, what: &str) {
        let started = Instant::now();
        while !self.log().contains(what) {
            assert!(
                started.elapsed() < PATIENCE,
                "{what:?} is not in the log:\n{}",
                self.log()
            );
            std::thread::yield_now();
        }
    }

    /// Waits until it has ended; returns how.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = made(self.process.try_wait()) {
                return status;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "it does not end:\n{}",
                self.log()
            );
            std::thread::yield_now();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads what the server says, on and on, and returns what it printed up to the line that begins
/// with `last`.
fn until_serving(process: &mut Child, log: &Arc<Mutex<String>>, last: &str) -> String {
    if let Some(stderr) = process.stderr.take() {
        let log = Arc::clone(log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
    }
    let Some(stdout) = process.stdout.take() else {
        panic!("no stdout")
    };
    // Far more lines than a server prints, so that it never waits for a reader.
    let (sender, lines) = mpsc::sync_channel(10_000);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        while lines.next().is_some_and(|line| sender.send(line).is_ok()) {}
    });
    let mut printed = String::new();
    loop {
        let Ok(line) = lines.recv_timeout(PATIENCE) else {
            let _ = process.kill();
            let _ = process.wait();
            let log = log.lock().unwrap_or_else(PoisonError::into_inner);
            panic!("the server does not come up:\n{printed}{log}");
        };
        printed.push_str(&line);
        printed.push('\n');
        if line.starts_with(last) {
            return printed;
        }
    }
}

/// What stands behind `name` on a line of its own.
fn field(printed: &str, name: &str) -> String {
    let value = |line: &str| {
        let (own, value) = line.split_once(' ')?;
        (own == name).then(|| value.trim().to_owned())
    };
    match printed.lines().find_map(value) {
        Some(value) => value,
        None => panic!("no {name} in:\n{printed}"),
    }
}

fn made<T, E: std::fmt::Display>(outcome: Result<T, E>) -> T {
    match outcome {
        Ok(made) => made,
        Err(error) => panic!("failed to set up a server: {error}"),
    }
}
