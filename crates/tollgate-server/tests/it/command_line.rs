//! The command line as such: help with examples, usage errors, exit codes, completions.

use std::process::Command;

use tollgate_testkit::{TestServer, run};

use crate::{BINARY, tollgate};

#[test]
fn every_command_explains_itself_with_an_example() {
    let check = |command: &[&str], example: &str| {
        let output = tollgate(&[command, &["--help"]].concat()).expect_success();
        assert!(
            output.stdout.contains(example),
            "{command:?}: {}",
            output.stdout
        );
    };
    check(&[], "tollgate serve --dev");
    check(&["serve"], "tollgate serve --config");
    check(&["client", "create"], "tollgate client create --id shop");
    check(&["client", "rotate-secret"], "--keep-old 24h");
    check(&["keys", "rotate"], "tollgate keys rotate --alg EdDSA");
    check(&["token", "issue"], "tollgate token issue --client shop");
    check(&["token", "introspect"], "tollgate token introspect -");
    check(&["token", "redeem"], "tollgate token redeem -");
    check(&["token", "revoke"], "tollgate token revoke --client shop");
    check(&["token", "verify"], "tollgate token verify --issuer");
    check(&["config", "check"], "tollgate config check");
    check(&["config", "defaults"], "tollgate config defaults >");
    check(&["backup"], "tollgate backup");
    check(&["restore"], "tollgate restore");
    check(&["audit", "verify"], "tollgate audit verify");
    check(&["health"], "tollgate health --url");
    check(&["completions"], "tollgate completions bash");
    check(&["--version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn what_is_not_a_command_is_a_usage_error() {
    for arguments in [
        &[] as &[&str],
        &["srve"],
        &["serve", "--lisen", "x"],
        &["client", "create"],
        &["client", "create", "--id", "a", "--access-ttl", "5"],
        &["client", "create", "--id", "a", "--token-format", "xml"],
        &["client", "show"],
        &["keys", "revoke"],
        &["token", "introspect"],
        &["token", "revoke"],
        &["token", "revoke", "t", "--client", "c"],
        &["token", "issue", "--client", "c", "--subject", "s"],
        &[
            "token",
            "issue",
            "--client",
            "c",
            "--one-time",
            "--expires-in",
            "1500ms",
        ],
        &["token", "verify", "--issuer", "i", "--audience", "a", "t"],
        &["config", "check", "a", "--config", "b"],
        &["completions", "powershell"],
    ] {
        let output = tollgate(arguments).expect_code(2);
        assert_eq!(output.stdout, "", "{arguments:?}");
        assert!(
            output.stderr.contains("--help") || output.stderr.contains("Usage"),
            "{arguments:?}: {}",
            output.stderr
        );
    }
}

#[test]
fn a_server_that_is_not_there_is_exit_code_3() {
    let nobody = tempfile::TempDir::new().unwrap();
    let token = nobody.path().join("token");
    std::fs::write(&token, "a-token-that-is-long-enough-for-a-token").unwrap();
    let token = token.to_str().unwrap();
    // Port 1 is reserved and nothing listens on it.
    let at_port_1 = [
        "--admin-url",
        "http://127.0.0.1:1",
        "--admin-token-file",
        token,
    ];
    for command in [
        &["client", "list"] as &[&str],
        &["client", "create", "--id", "a"],
        &["client", "show", "a"],
        &["client", "disable", "a"],
        &["keys", "list"],
        &["token", "count"],
        &["token", "introspect", "t"],
    ] {
        let output = tollgate(&[command, &at_port_1].concat()).expect_code(3);
        assert!(
            output.stderr.contains("does not answer"),
            "{}",
            output.stderr
        );
        let directory = nobody.path().to_str().unwrap();
        let output = tollgate(&[command, &["--data-dir", directory]].concat()).expect_code(3);
        assert!(
            output.stderr.contains("admin.json is missing"),
            "{}",
            output.stderr
        );
    }
    let output = tollgate(&[
        "client",
        "list",
        "--admin-url",
        "nonsense",
        "--admin-token-file",
        token,
    ]);
    assert_eq!(output.code, Some(2), "{output:?}");
}

#[test]
fn health_is_0_or_1_and_nothing_else() {
    let nobody = tempfile::TempDir::new().unwrap();
    let directory = nobody.path().to_str().unwrap();
    let _ = tollgate(&["health", "--url", "http://127.0.0.1:1"]).expect_code(1);
    let _ = tollgate(&["health", "--data-dir", directory]).expect_code(1);
    let server = TestServer::start(BINARY);
    let output = server.tollgate(&["health"]).expect_success();
    assert_eq!(output.json()["status"], "ok");
    let _ = server
        .tollgate(&["health", "--url", server.url()])
        .expect_success();
    let ready = format!("{}/ready", server.url());
    let output = server
        .tollgate(&["health", "--url", &ready])
        .expect_success();
    assert_eq!(output.json()["checks"]["store"]["status"], "ok");
    let wrong = format!("{}/nothing", server.url());
    let _ = server.tollgate(&["health", "--url", &wrong]).expect_code(1);
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = tollgate(&["completions", shell]).expect_success().stdout;
        for command in ["serve", "client", "rotate-secret", "completions"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    // The shell itself reads the script, and completes with it.
    let script = tollgate(&["completions", "bash"]).stdout;
    let ask = "COMP_WORDS=(tollgate cli); COMP_CWORD=1; _tollgate tollgate cli tollgate; \
               printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = run("/bin/bash", &["-c", &format!("{script}\n{ask}")], &[], "").expect_success();
    assert_eq!(output.stdout.trim(), "client", "{output:?}");
}

/// What `arguments` come to when nobody reads what they print.
fn unread(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(BINARY)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdout(writer)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let server = TestServer::start(BINARY);
    let directory = [("TOLLGATE_DATA_DIR", server.data_dir().to_str().unwrap())];
    for arguments in [
        &["config", "defaults"] as &[&str],
        &["config", "schema"],
        &["completions", "bash"],
        &["client", "list"],
        &["client", "list", "--json"],
        &["client", "show", "demo"],
        &["keys", "list"],
        &["token", "list"],
        &["token", "introspect", "t"],
    ] {
        let (code, said) = unread(arguments, &directory);
        assert_eq!((code, &*said), (Some(0), ""), "{arguments:?}");
    }
}

/// A secret or a token that nobody has seen is lost.
#[test]
fn what_is_shown_once_and_not_read_is_an_error() {
    let server = TestServer::start(BINARY);
    let directory = [("TOLLGATE_DATA_DIR", server.data_dir().to_str().unwrap())];
    for arguments in [
        &["client", "create", "--id", "a"] as &[&str],
        &["client", "create", "--id", "b", "--json"],
        &["client", "rotate-secret", "a"],
        &["token", "issue", "--client", "demo"],
    ] {
        let (code, said) = unread(arguments, &directory);
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(said.contains("stdout is closed"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_verdict_stands_whether_it_is_read_or_not() {
    let server = TestServer::start(BINARY);
    let page = |page: &str| format!("{}{page}", server.url());
    let log = server.data_dir().join("audit.jsonl");
    let log = log.to_str().unwrap();
    std::fs::write(log, "no chain\n").unwrap();
    let jwks = server.data_dir().join("jwks.json");
    let keys = server.http().get("/.well-known/jwks.json", &[]).body;
    std::fs::write(&jwks, keys).unwrap();
    let token = server.token(&server.demo(), "");
    let verify = |token: &str| {
        let (issuer, jwks) = (server.issuer(), jwks.to_str().unwrap());
        let arguments = ["--issuer", issuer, "--audience", issuer, "--jwks", jwks];
        unread(
            &[&["token", "verify"], &arguments[..], &[token]].concat(),
            &[],
        )
        .0
    };
    assert_eq!(
        unread(&["health", "--url", &page("/health")], &[]).0,
        Some(0)
    );
    assert_eq!(
        unread(&["health", "--url", &page("/nothing")], &[]).0,
        Some(1)
    );
    assert_eq!(unread(&["audit", "verify", log], &[]).0, Some(1));
    assert_eq!(verify(&token), Some(0));
    assert_eq!(verify("no-token"), Some(1));
}
