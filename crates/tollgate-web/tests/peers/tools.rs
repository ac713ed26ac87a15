//! Programs that others wrote to try servers: slowhttptest and testssl.sh.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;
use tollgate_testkit::find_peer;

use crate::peer;
use crate::server::Server;

/// A name, and how slowhttptest is told of it.
pub(crate) type Slowness = (&'static str, &'static [&'static str]);

/// Each goes on for this long, with this many connections.
const SECONDS: &str = "20";
const CONNECTIONS: &str = "300";

pub(crate) const SLOW: &[Slowness] = &[
    ("slow_heads", &["-H", "-i", "1", "-x", "24", "-u", "/hello"]),
    (
        "slow_bodies",
        &["-B", "-i", "1", "-x", "10", "-s", "8192", "-u", "/echo"],
    ),
    (
        "slow_readers",
        &[
            "-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32", "-k", "3", "-u", "/endless",
        ],
    ),
];

/// Carries it out; what is wrong with how the server took it.
pub(crate) fn slow(server: &Server, (name, options): Slowness) -> Option<String> {
    let program = find_peer("TOLLGATE_TEST_SLOWHTTPTEST", "slowhttptest")?;
    let origin = format!("http://{}", server.plain);
    let options = options.iter().map(|option| match option.strip_prefix('/') {
        Some(path) => format!("{origin}/{path}"),
        None => (*option).to_owned(),
    });
    let mut command = Command::new(program);
    command
        .args(["-c", CONNECTIONS, "-r", "100", "-l", SECONDS, "-v", "1"])
        .args(options)
        .stdin(Stdio::null());
    let printed = peer::printed(&mut command);
    // It asks by itself whether others are still served.
    let told = printed
        .lines()
        .rev()
        .find(|line| line.contains("service available"));
    let served = told.is_some_and(|line| line.contains("YES"));
    (!served).then(|| format!("{name}: {}", told.unwrap_or(&printed)))
}

/// What is no fault of the server, by the beginning of its name: the certificate, which every test
/// makes for itself, and that the client chooses among ciphers that are all strong.
const NO_FAULT: &[&str] = &["cert_", "cipher_order", "overall_grade", "grade_cap"];
/// How bad a finding may be.
const HARMLESS: &[&str] = &["OK", "INFO", "LOW", "DEBUG", "WARN"];

/// What testssl.sh finds, each in a line; nothing is well.
pub(crate) fn scan(server: &Server) -> Vec<String> {
    let Some(program) = find_peer("TOLLGATE_TEST_TESTSSL", "testssl.sh") else {
        return Vec::new();
    };
    let file = server.path("testssl.json");
    let status = Command::new(program)
        .args([
            "--quiet",
            "--color",
            "0",
            "--warnings",
            "off",
            "--nodns",
            "none",
        ])
        .args(["--ip", "127.0.0.1", "--jsonfile"])
        .arg(&file)
        .arg(format!("localhost:{}", server.secure.port()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    // Its exit code counts findings; what it could not do at all is not in the file.
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{status}: {error}"));
    let findings: Vec<Value> = serde_json::from_str(&text).unwrap();
    let told = |id: &str| {
        let found = findings.iter().find(|finding| finding["id"] == id);
        found.map(|finding| finding["finding"].as_str().unwrap_or_default())
    };
    let versions = [
        ("SSLv2", "not offered"),
        ("SSLv3", "not offered"),
        ("TLS1", "not offered"),
        ("TLS1_1", "not offered"),
        ("TLS1_2", "offered"),
        ("TLS1_3", "offered"),
    ];
    let wrong_versions = versions
        .iter()
        .filter(|(id, expected)| !told(id).is_some_and(|told| told.starts_with(expected)))
        .map(|(id, expected)| format!("{id}: {:?}, not {expected:?}", told(id)));
    let harmful = findings.iter().filter(|finding| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default();
        let no_fault = NO_FAULT.iter().any(|start| text("id").starts_with(start));
        !no_fault && !HARMLESS.contains(&text("severity"))
    });
    wrong_versions
        .chain(harmful.map(Value::to_string))
        .collect()
}
