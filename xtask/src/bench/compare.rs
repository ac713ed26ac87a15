//! `cargo xtask bench verify`: token validation beside the libraries of others, on the same tokens
//! in one run; Rust, JavaScript and Python take turns on one core.

use super::machine::Machine;
use super::section;
use super::spread::Spread;
use crate::peers;
use crate::run::{self, cargo, find_program, root, target};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const REPETITIONS: usize = 5;
const ALGORITHMS: [&str; 4] = ["RS256", "ES256", "EdDSA", "HS256"];
const RAW: &str = "aws-lc-rs, signature alone";
const OURS: &str = "tollgate-verify";
/// The rows of the table, in order.
const LIBRARIES: [&str; 9] = [
    RAW,
    OURS,
    "jsonwebtoken",
    "jwt-simple",
    "fast-jwt",
    "jose",
    "PyJWT",
    "joserfc",
    "py-identity-model",
];
/// At most so many times the signature alone.
const WANTED_RATIOS: [(&str, f64); 3] = [("RS256", 1.08), ("ES256", 1.03), ("EdDSA", 1.04)];
/// Nanoseconds at most.
const HS256_MAX: f64 = 1000.0;
const MALFORMED_MAX: f64 = 1000.0;
/// Of two cores, over one.
const BATCH_MIN: f64 = 1.9;
/// Of as many cores as there are.
const TASKS_SHARE_MIN: f64 = 0.95;

/// Everything measured, one value a repetition.
#[derive(Default)]
struct Results {
    /// Nanoseconds by algorithm and library.
    times: BTreeMap<(String, String), Vec<f64>>,
    malformed: BTreeMap<String, Vec<f64>>,
    batch: Vec<f64>,
    tasks: Vec<f64>,
    cores: f64,
}

/// The programs that measure.
struct Programs {
    rust: PathBuf,
    node: PathBuf,
    script: PathBuf,
    python: PathBuf,
}

/// Measures and writes the table into `docs/performance.md`; `--quick` measures once and prints it.
///
/// # Errors
/// When something cannot be built or installed, or a token was refused.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (repetitions, write) = match arguments {
        [] => (REPETITIONS, true),
        ["--quick"] => (1, false),
        _ => bail!("usage: cargo xtask bench verify [--quick]"),
    };
    let programs = Programs::prepare()?;
    let machine = Machine::look(&target().join("bench"))?;
    machine.complain();
    let mut results = Results::default();
    for repetition in 0..repetitions {
        println!("repetition {} of {repetitions}", repetition + 1);
        results.measure(&programs)?;
    }
    let text = results.render(&machine, repetitions)?;
    println!("\n{text}");
    if write {
        section::write("cargo xtask bench verify", &text)
    } else {
        Ok(())
    }
}

fn sources() -> PathBuf {
    root().join("bench/verify")
}

impl Programs {
    fn prepare() -> Result<Self> {
        for (program, package) in [("taskset", "util-linux"), ("cmake", "cmake libclang-dev")] {
            find_program(&[program])
                .with_context(|| format!("needs {program} (Debian: apt-get install {package})"))?;
        }
        let directory = target().join("compare");
        run::run(
            cargo()
                .args(["build", "--release", "--target-dir"])
                .arg(&directory)
                .current_dir(sources()),
        )?;
        let packages = peers::install_npm(&directory.join("node"), &sources())?;
        let script = packages.join("measure.mjs");
        // Node looks for packages beside the script.
        fs::copy(sources().join("measure.mjs"), &script)?;
        Ok(Self {
            rust: directory.join("release/tollgate-compare-verify"),
            node: find_program(&["node"]).context("needs Node.js (Debian package nodejs)")?,
            script,
            python: peers::install_python(&directory.join("python"), &sources())?,
        })
    }

    /// New keys and tokens, as JSON.
    fn material(&self) -> Result<String> {
        run::output(Command::new(&self.rust).arg("material"))
    }
}

impl Results {
    fn measure(&mut self, programs: &Programs) -> Result<()> {
        let material = programs.material()?;
        let one_core = |program: &Path, argument: &Path| {
            let mut command = Command::new("taskset");
            ask(
                command.args(["-c", "1"]).arg(program).arg(argument),
                &material,
            )
        };
        let rust = one_core(&programs.rust, Path::new("one-core"))?;
        self.add(object(&rust, "algorithms")?);
        for (kind, time) in object(&rust, "malformed")? {
            let times = self.malformed.entry(kind.clone()).or_default();
            times.extend(time.as_f64());
        }
        let node = one_core(&programs.node, &programs.script)?;
        self.add(node.as_object().context("measure.mjs prints no object")?);
        let python = one_core(&programs.python, &sources().join("measure.py"))?;
        self.add(python.as_object().context("measure.py prints no object")?);
        let all = ask(Command::new(&programs.rust).arg("all-cores"), &material)?;
        let number = |name: &str| all.get(name).and_then(Value::as_f64).context("no number");
        self.batch.push(number("batch")?);
        self.tasks.push(number("tasks")?);
        self.cores = number("cores")?;
        Ok(())
    }

    fn add(&mut self, algorithms: &Map<String, Value>) {
        for (alg, libraries) in algorithms {
            for (library, time) in libraries.as_object().into_iter().flatten() {
                let times = self.times.entry((alg.clone(), library.clone()));
                times.or_default().extend(time.as_f64());
            }
        }
    }

    fn times(&self, alg: &str, library: &str) -> Result<&[f64]> {
        let times = self.times.get(&(alg.to_owned(), library.to_owned()));
        let times = times.with_context(|| format!("{library} was not measured with {alg}"))?;
        Ok(times)
    }

    /// Times over those of the signature alone, repetition by repetition.
    fn ratio(&self, alg: &str, library: &str) -> Result<Spread> {
        let raw = self.times(alg, RAW)?;
        let times = self.times(alg, library)?;
        Ok(Spread::of(
            times
                .iter()
                .zip(raw)
                .map(|(time, raw)| time / raw)
                .collect(),
        ))
    }

    fn render(&self, machine: &Machine, repetitions: usize) -> Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "Measured at commit {}: {} cores ({}), {}, {repetitions} interleaved repetitions on one \
             core; microseconds a token, in brackets over the signature alone.\n",
            machine.commit, machine.cores, machine.processor, machine.kernel,
        )?;
        writeln!(text, "| | {} |", ALGORITHMS.join(" | "))?;
        writeln!(text, "|---|---|---|---|---|")?;
        for library in LIBRARIES {
            let mut cells = Vec::new();
            for alg in ALGORITHMS {
                cells.push(self.cell(alg, library)?);
            }
            writeln!(text, "| {library} | {} |", cells.join(" | "))?;
        }
        self.render_wanted(&mut text)?;
        Ok(text)
    }

    fn cell(&self, alg: &str, library: &str) -> Result<String> {
        let microseconds = Spread::of(self.times(alg, library)?.to_vec()).median / 1000.0;
        if library == RAW {
            return Ok(format!("{microseconds:.2}"));
        }
        let ratio = self.ratio(alg, library)?.median;
        Ok(format!("{microseconds:.2} (× {ratio:.2})"))
    }

    fn render_wanted(&self, text: &mut String) -> Result<()> {
        writeln!(
            text,
            "\n| {OURS} | measured | wanted | met |\n|---|---|---|---|"
        )?;
        let mut row = |name: &str, measured: String, wanted: String, met: bool| {
            let met = if met { "yes" } else { "**no**" };
            writeln!(text, "| {name} | {measured} | {wanted} | {met} |")
        };
        for (alg, wanted) in WANTED_RATIOS {
            let ratio = self.ratio(alg, OURS)?;
            let name = format!("{alg} over the signature alone");
            let is_met = ratio.median <= wanted;
            row(&name, format!("{ratio:.3}"), format!("≤ {wanted}"), is_met)?;
        }
        let hs256 = Spread::of(self.times("HS256", OURS)?.to_vec());
        let is_met = hs256.median <= HS256_MAX;
        row(
            "HS256",
            format!("{hs256} ns"),
            format!("≤ {HS256_MAX} ns"),
            is_met,
        )?;
        for (kind, times) in &self.malformed {
            let time = Spread::of(times.clone());
            let is_met = time.median < MALFORMED_MAX;
            let name = format!("refuse: {kind}");
            row(
                &name,
                format!("{time} ns"),
                format!("< {MALFORMED_MAX} ns"),
                is_met,
            )?;
        }
        let (cores, batch) = (self.cores, Spread::of(self.batch.clone()));
        row(
            &format!("`verify_many` of 1000 on {cores} cores, × one by one"),
            format!("{batch:.2}"),
            format!("≥ {BATCH_MIN}"),
            batch.median >= BATCH_MIN,
        )?;
        let (tasks, least) = (Spread::of(self.tasks.clone()), TASKS_SHARE_MIN * cores);
        row(
            &format!("64 tasks with warm keys on {cores} cores, × one task on one"),
            format!("{tasks:.2}"),
            format!("≥ {least:.2}"),
            tasks.median >= least,
        )?;
        Ok(())
    }
}

fn object<'v>(value: &'v Value, name: &str) -> Result<&'v Map<String, Value>> {
    let object = value.get(name).and_then(Value::as_object);
    object.with_context(|| format!("no {name}"))
}

/// Runs `command` with `material` on its stdin; what it prints is JSON.
fn ask(command: &mut Command, material: &str) -> Result<Value> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(material.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{command:?}: {}", output.status);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("{command:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_are_shown() {
        let mut results = Results::default();
        for alg in ALGORITHMS {
            for library in LIBRARIES {
                let key = (alg.to_owned(), library.to_owned());
                let time = if library == OURS && alg == "ES256" {
                    1040.0
                } else {
                    1000.0
                };
                results.times.insert(key, vec![time]);
            }
        }
        results.malformed.insert("dots".to_owned(), vec![1001.0]);
        (results.batch, results.tasks, results.cores) = (vec![1.95], vec![1.5], 2.0);
        let mut text = String::new();
        results.render_wanted(&mut text).unwrap_or_default();
        let check = |name: &str, met: &str| {
            let line = text.lines().find(|line| line.contains(name));
            assert!(
                line.is_some_and(|line| line.ends_with(met)),
                "{name}: {text}"
            );
        };
        check("RS256 over", "| yes |");
        check("ES256 over", "| **no** |");
        check("HS256", "| yes |");
        check("refuse: dots", "| **no** |");
        check("verify_many", "| yes |");
        check("64 tasks", "| **no** |");
    }
}
