//! What the tests need beyond cargo, a C compiler and make: found, or installed from the usual package
//! managers. Python and npm packages go to private directories under `target/`.

use crate::run::{find_program, root, run, succeeds, target};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program and the Debian packages that bring it.
struct Program {
    names: &'static [&'static str],
    packages: &'static [&'static str],
}

const PROGRAMS: &[Program] = &[
    Program {
        names: &["curl"],
        packages: &["curl"],
    },
    Program {
        names: &["h2load"],
        packages: &["nghttp2-client"],
    },
    Program {
        names: &["nginx"],
        packages: &["nginx-light"],
    },
    Program {
        names: &["node"],
        packages: &["nodejs"],
    },
    Program {
        names: &["npm"],
        packages: &["npm"],
    },
    Program {
        names: &["python3"],
        packages: &["python3", "python3-venv"],
    },
    Program {
        names: &["redis-server"],
        packages: &["redis-server"],
    },
    Program {
        names: &["systemd-analyze"],
        packages: &["systemd"],
    },
    Program {
        names: &["valgrind"],
        packages: &["valgrind"],
    },
];

/// What the battery of the serving layer needs besides, with the variable that tells it where.
const ATTACKERS: &[(&str, Program)] = &[
    (
        "TOLLGATE_TEST_SLOWHTTPTEST",
        Program {
            names: &["slowhttptest"],
            packages: &["slowhttptest"],
        },
    ),
    (
        "TOLLGATE_TEST_TESTSSL",
        Program {
            names: &["testssl", "testssl.sh"],
            packages: &["testssl.sh"],
        },
    ),
    (
        "TOLLGATE_TEST_CHROMIUM",
        Program {
            names: &["chromium"],
            packages: &["chromium"],
        },
    ),
];

/// Where the test peers were found; handed to the tests in the environment.
pub(crate) struct Peers {
    curl: PathBuf,
    h2load: PathBuf,
    nginx: PathBuf,
    node: PathBuf,
    node_directory: PathBuf,
    verify_node_directory: PathBuf,
    python: PathBuf,
    web_python: PathBuf,
    redis: PathBuf,
}

impl Peers {
    /// Finds the peers, installing those that are missing.
    ///
    /// # Errors
    /// Names everything that is missing and how to get it when this user may not install it.
    pub(crate) fn install() -> Result<Self> {
        install_programs(PROGRAMS)?;
        let directory = target().join("peers");
        Ok(Self {
            curl: find_program(&["curl"]).context("curl is not there")?,
            h2load: find_program(&["h2load"]).context("h2load is not there")?,
            nginx: find_program(&["nginx"]).context("nginx is not there")?,
            node: find_program(&["node"]).context("node is not there")?,
            node_directory: install_npm(&directory.join("node"), &sources())?,
            verify_node_directory: install_npm(
                &directory.join("verify-node"),
                &root().join("crates/tollgate-verify/tests/peers"),
            )?,
            python: install_python(&directory.join("python"), &sources())?,
            web_python: install_python(
                &directory.join("web-python"),
                &root().join("crates/tollgate-web/tests/peers"),
            )?,
            redis: find_program(&["redis-server"]).context("redis-server is not there")?,
        })
    }

    /// The variables that tell the tests where everything is.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 9] {
        [
            ("TOLLGATE_TEST_CURL", &self.curl),
            ("TOLLGATE_TEST_H2LOAD", &self.h2load),
            ("TOLLGATE_TEST_NGINX", &self.nginx),
            ("TOLLGATE_TEST_NODE", &self.node),
            ("TOLLGATE_TEST_NODE_DIR", &self.node_directory),
            ("TOLLGATE_TEST_VERIFY_NODE_DIR", &self.verify_node_directory),
            ("TOLLGATE_TEST_PYTHON", &self.python),
            ("TOLLGATE_TEST_WEB_PYTHON", &self.web_python),
            ("TOLLGATE_TEST_REDIS", &self.redis),
        ]
    }
}

fn sources() -> PathBuf {
    root().join("crates/tollgate-server/tests/peers")
}

/// Finds what attacks the serving layer, installing what is missing; the variables that tell the
/// battery where it is.
///
/// # Errors
/// Names what is missing and how to get it when this user may not install it.
pub(crate) fn install_attackers() -> Result<Vec<(&'static str, PathBuf)>> {
    install_programs(ATTACKERS.iter().map(|(_, program)| program))?;
    let found = ATTACKERS.iter().map(|(variable, program)| {
        let name = program.names.first().copied().unwrap_or_default();
        let path = find_program(program.names).with_context(|| format!("{name} is not there"))?;
        Ok((*variable, path))
    });
    found.collect()
}

fn install_programs<'a>(programs: impl IntoIterator<Item = &'a Program>) -> Result<()> {
    let packages: Vec<&str> = programs
        .into_iter()
        .filter(|program| find_program(program.names).is_none())
        .flat_map(|program| program.packages.iter().copied())
        .collect();
    if packages.is_empty() {
        Ok(())
    } else {
        install_packages(&packages)
    }
}

/// Installs Debian packages without starting the services that they bring.
fn install_packages(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    let Some(mut shell) = administrator() else {
        bail!("the tests need {list}; as root: apt-get install --no-install-recommends {list}");
    };
    if find_program(&["apt-get"]).is_none() {
        bail!("the tests need {list}, and this machine has no apt-get; install them by hand");
    }
    // A package's service would take a port of this machine; `policy-rc.d` keeps it from starting.
    let script = format!(
        "set -e; export DEBIAN_FRONTEND=noninteractive; policy=/usr/sbin/policy-rc.d; \
         if [ ! -e $policy ]; then printf '#!/bin/sh\\nexit 101\\n' >$policy; chmod +x $policy; \
         trap \"rm -f $policy\" EXIT; fi; \
         apt-get update -q; apt-get install -q -y --no-install-recommends {list}"
    );
    run(shell.args(["sh", "-c", &script]))
}

/// `env` as the administrator: directly, or through a `sudo` that asks for no password.
fn administrator() -> Option<Command> {
    if succeeds(Command::new("sh").args(["-c", "test \"$(id -u)\" = 0"])) {
        return Some(Command::new("env"));
    }
    succeeds(Command::new("sudo").args(["-n", "true"])).then(|| {
        let mut command = Command::new("sudo");
        command.args(["-n", "env"]);
        command
    })
}

/// Installs what `package.json` and its lock in `from` name into `directory`.
///
/// # Errors
/// When npm is missing or fails.
pub(crate) fn install_npm(directory: &Path, from: &Path) -> Result<PathBuf> {
    let files = ["package.json", "package-lock.json"].map(|file| from.join(file));
    if up_to_date(directory, &files)? {
        return Ok(directory.to_owned());
    }
    fs::create_dir_all(directory)?;
    for file in &files {
        let name = file.file_name().context("a file without a name")?;
        fs::copy(file, directory.join(name))?;
    }
    let npm = find_program(&["npm"]).context("npm is not there")?;
    let options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    run(Command::new(npm).args(options).current_dir(directory))?;
    mark(directory, &files)?;
    Ok(directory.to_owned())
}

/// Installs what `requirements.txt` in `from` names into `directory`; returns the interpreter.
///
/// # Errors
/// When Python is missing or the installation fails.
pub(crate) fn install_python(directory: &Path, from: &Path) -> Result<PathBuf> {
    let python = directory.join("bin/python");
    let files = [from.join("requirements.txt")];
    if up_to_date(directory, &files)? {
        return Ok(python);
    }
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    let system = find_program(&["python3"]).context("python3 is not there")?;
    if run(Command::new(&system).args(["-m", "venv"]).arg(directory)).is_err() {
        // Debian splits this module from the interpreter.
        install_packages(&["python3", "python3-venv"])?;
        run(Command::new("/usr/bin/python3")
            .args(["-m", "venv", "--clear"])
            .arg(directory))?;
    }
    run(Command::new(&python)
        .args(["-m", "pip", "install", "-q", "-r"])
        .args(&files))?;
    mark(directory, &files)?;
    Ok(python)
}

/// Whether `directory` was filled from `files` as they are now.
fn up_to_date(directory: &Path, files: &[PathBuf]) -> Result<bool> {
    let mark = fs::read_to_string(directory.join(MARK)).unwrap_or_default();
    Ok(mark == wanted(files)?)
}

fn mark(directory: &Path, files: &[PathBuf]) -> Result<()> {
    fs::write(directory.join(MARK), wanted(files)?)?;
    Ok(())
}

fn wanted(files: &[PathBuf]) -> Result<String> {
    let mut text = String::new();
    for path in files {
        text +=
            &fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(text)
}

const MARK: &str = ".installed-from";
