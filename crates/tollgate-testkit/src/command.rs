//! Running the binary as people do, and seeing all that came out of it.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// What a command said and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Output {
    /// Panics unless the command succeeded.
    #[must_use]
    pub fn expect_success(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Panics unless the exit code is `code`.
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// The JSON objects on stdout, one a line.
    #[must_use]
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line: &str| match serde_json::from_str(line) {
            Ok(value) => value,
            Err(error) => panic!("{line:?} is not JSON: {error}"),
        };
        self.stdout.lines().map(parse).collect()
    }

    /// All of stdout as one JSON document.
    #[must_use]
    pub fn json_document(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("not JSON: {error}: {self:?}"),
        }
    }

    /// The only JSON object on stdout.
    #[must_use]
    pub fn json(&self) -> Value {
        match self.json_lines().as_slice() {
            [object] => object.clone(),
            lines => panic!("{} lines: {self:?}", lines.len()),
        }
    }
}

/// Runs `binary` with `arguments` and `stdin`, without any `TOLLGATE_` variable but `variables`.
///
/// # Panics
///
/// When it cannot be run.
#[must_use]
pub fn run(
    binary: impl AsRef<Path>,
    arguments: &[&str],
    variables: &[(&str, &str)],
    stdin: &str,
) -> Output {
    let mut command = bare(binary.as_ref());
    command.args(arguments).envs(variables.iter().copied());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!("failed to run {}: {error}", binary.as_ref().display()),
    };
    let input = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // A command that does not read all of it closes the pipe; that is its right.
        scope.spawn(move || input.map(|mut input| input.write_all(stdin.as_bytes())));
        child.wait_with_output()
    });
    let output = match output {
        Ok(output) => output,
        Err(error) => panic!("failed to wait for {arguments:?}: {error}"),
    };
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `binary` without the variables that would configure it.
pub(crate) fn bare(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TOLLGATE_") {
            command.env_remove(name);
        }
    }
    command
}
