//! The binary against a server that answers as each test wants.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod server;

use serde_json::Value;
use server::Server;
use std::process::{Command, Output};
use std::time::Duration;

fn load(url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tollgate-load"))
        .args(arguments)
        .args([
            "--url",
            url,
            "--connections",
            "2",
            "--warm-up",
            "0",
            "--seconds",
            "0.2",
        ])
        .env("TOLLGATE_LOAD_SECRET", "secret")
        .output()
        .expect("the binary starts")
}

fn check(arguments: &[&str], answer: server::Answer, code: i32, said: &str) {
    let server = Server::start(answer);
    let output = load(&server.url, arguments);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(text.contains(said), "{arguments:?}: {text}");
}

fn token(number: usize) -> String {
    format!("tgat_{number:048}")
}

#[test]
fn only_right_answers_count() {
    let healthy = |_: &str, _| (200, "{\"status\":\"ok\"}".to_owned());
    check(&["health"], healthy, 0, "requests/s");
    check(
        &["health"],
        |_, _| (503, "{\"status\":\"ok\"}".to_owned()),
        1,
        "status 503",
    );
    check(
        &["health"],
        |_, _| (200, "{\"status\":\"down\"}".to_owned()),
        1,
        "down",
    );
    check(
        &["get", "--path", "/x"],
        |_, _| (200, "hello".to_owned()),
        0,
        "requests/s",
    );
    check(&["get"], |_, _| (404, "hello".to_owned()), 1, "status 404");
    check(
        &["hello"],
        |_, _| (200, "hello".to_owned()),
        0,
        "requests/s",
    );
    check(&["hello"], |_, _| (200, "bye".to_owned()), 1, "bye");
}

#[test]
fn a_stall_at_the_end_is_seen_on_a_schedule() {
    let server = Server::start(|_, number| {
        if number == 5 {
            std::thread::sleep(Duration::from_millis(600));
        }
        (200, "hello".to_owned())
    });
    let output = load(&server.url, &["hello", "--rate", "200", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    // All that was due in 200 ms, those too that were answered later.
    assert_eq!(report["right"], 40, "{report}");
    let slowest = report["latency_us"]["max"].as_f64();
    assert!(slowest.is_some_and(|max| max >= 300_000.0), "{report}");
}

#[test]
fn issued_tokens_are_asked_about() {
    let issue = |path: &str, number| match path {
        "/oauth/token" => (200, format!("{{\"access_token\":\"{}\"}}", token(number))),
        _ => (200, "{\"active\":true}".to_owned()),
    };
    check(&["token-opaque"], issue, 0, "0 answered wrongly");
    let lying = |path: &str, number| match path {
        "/oauth/token" => (200, format!("{{\"access_token\":\"{}\"}}", token(number))),
        _ => (200, "{\"active\":false}".to_owned()),
    };
    check(&["token-opaque"], lying, 1, "probes");
    check(&["token-jwt"], issue, 1, "status 200");
}

#[test]
fn spent_tokens_must_be_spent() {
    let revoke: server::Answer = |path, number| match path {
        "/oauth/token" => (200, format!("{{\"access_token\":\"{}\"}}", token(number))),
        "/oauth/revoke" => (200, String::new()),
        _ => (200, "{\"active\":false}".to_owned()),
    };
    check(
        &["revoke", "--tokens", "20"],
        revoke,
        0,
        "asked about 20 tokens",
    );
    let unchanged: server::Answer = |path, number| match path {
        "/oauth/token" => (200, format!("{{\"access_token\":\"{}\"}}", token(number))),
        "/oauth/revoke" => (200, String::new()),
        _ => (200, "{\"active\":true}".to_owned()),
    };
    check(
        &["revoke", "--tokens", "20"],
        unchanged,
        1,
        "20 of 20 probes",
    );
    let same: server::Answer = |_, _| (200, format!("{{\"access_token\":\"{}\"}}", token(1)));
    check(
        &["revoke", "--tokens", "20"],
        same,
        2,
        "a token was refused",
    );
}

#[test]
fn a_slower_run_than_the_baseline_fails() {
    let healthy: server::Answer = |_, _| (200, "{\"status\":\"ok\"}".to_owned());
    let server = Server::start(healthy);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("baseline.json");
    let report = load(&server.url, &["health", "--json"]);
    let text = String::from_utf8(report.stdout).expect("text");
    let against = |baseline: String| {
        std::fs::write(&file, baseline).expect("a file");
        let words = ["health", "--tolerance", "0.99", "--baseline"];
        let file = file.to_str().expect("a path");
        load(&server.url, &[&words[..], &[file]].concat())
            .status
            .code()
    };
    assert_eq!(against(text.clone()), Some(0));
    // Found out before anything is asked.
    assert_eq!(
        against(text.replace("\"rate\":null", "\"rate\":100.0")),
        Some(2)
    );
    let field = "\"per_second\":";
    assert_eq!(
        against(text.replace(field, "\"per_second\":1e12,\"was\":")),
        Some(1)
    );
}

#[test]
fn a_rate_is_kept() {
    let server = Server::start(|_, _| (200, "{\"status\":\"ok\"}".to_owned()));
    let words = ["health", "--json", "--rate", "100"];
    let output = load(&server.url, &words);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
    let right = report["right"].as_u64().expect("a number");
    // 0.2 s at 100 a second, whatever the server could do; a slow machine answers fewer.
    assert!((1..=21).contains(&right), "{report}");
}

#[test]
fn nobody_there_is_its_own_exit_code() {
    let url = Server::start(|_, _| (200, String::new())).url.clone();
    assert_eq!(
        load("http://127.0.0.1:1", &["health"]).status.code(),
        Some(3)
    );
    assert_eq!(
        load(&url.replace("http", "ftp"), &["health"]).status.code(),
        Some(2)
    );
}
