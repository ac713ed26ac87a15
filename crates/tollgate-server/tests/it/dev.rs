//! `serve --dev`: what it prints works, on the first start and on the next.

use std::process::Command;

use tollgate_testkit::{Builder, TestServer, run, skip};

use crate::BINARY;

/// The lines that are meant to be copied into a shell.
fn lines(server: &TestServer) -> String {
    let is_command = |line: &&str| line.starts_with("curl ") || line.contains("=$(curl ");
    let lines: Vec<&str> = server.printed().lines().filter(is_command).collect();
    assert_eq!(lines.len(), 9, "{}", server.printed());
    // An answer has no line end; each gets one.
    lines.join("\necho\n")
}

fn check_lines(server: &TestServer) {
    let output = run("/bin/bash", &["-c", &lines(server)], &[], "").expect_success();
    let answers: Vec<serde_json::Value> = output
        .stdout
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    let [
        token,
        valid,
        introspected,
        revoked,
        redeemed,
        jwks,
        metadata,
    ] = answers.as_slice()
    else {
        panic!("{answers:#?}");
    };
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(valid["valid"], true);
    assert_eq!(introspected["active"], true);
    assert_eq!(revoked, &serde_json::json!({}));
    assert_eq!(redeemed["scope"], "demo:read");
    assert_eq!(jwks["keys"].as_array().map(Vec::len), Some(1));
    assert_eq!(metadata["issuer"], server.issuer());
}

#[test]
fn the_printed_lines_work_and_go_on_working() {
    if Command::new("curl").arg("--version").output().is_err() {
        skip("curl");
        return;
    }
    let server = TestServer::start(BINARY);
    check_lines(&server);
    let first = server.demo();
    let mut server = server;
    assert!(server.terminate().success());
    let mut server = server.restart();
    check_lines(&server);
    assert_eq!(
        server.demo().secret,
        first.secret,
        "the secret outlives a restart"
    );
    // Whatever was done to the demo client, the lines of the next start work.
    let _ = server
        .tollgate(&["client", "rotate-secret", "demo"])
        .expect_success();
    assert!(server.terminate().success());
    let mut server = server.restart();
    check_lines(&server);
    let _ = server
        .tollgate(&["client", "delete", "demo"])
        .expect_success();
    assert!(server.terminate().success());
    check_lines(&server.restart());
}

#[test]
fn the_issuer_is_the_listener() {
    let server = TestServer::start(BINARY);
    assert_eq!(server.issuer(), server.url());
    assert!(server.url().starts_with("http://127.0.0.1:"));
    let other = Builder::new(BINARY)
        .config("issuer = \"https://auth.example.com\"")
        .start();
    assert_eq!(other.issuer(), "https://auth.example.com");
}

#[test]
fn development_stays_on_loopback() {
    for flag in ["--listen", "--admin-listen"] {
        let output = crate::tollgate(&["serve", "--dev", flag, "0.0.0.0:0"]).expect_code(1);
        assert!(
            output.stderr.contains(&format!("flag {flag}: ")),
            "{}",
            output.stderr
        );
        assert!(
            output.stderr.contains("a loopback address"),
            "{}",
            output.stderr
        );
    }
}
