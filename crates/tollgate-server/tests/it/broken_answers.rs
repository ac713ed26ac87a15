//! What commands make of a server, or of something between, that does not answer as it should.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use serde_json::json;
use tempfile::TempDir;
use tollgate_testkit::{Output, TestServer, run};

use crate::BINARY;

/// What `arguments` come to when the server sends `answer` and closes.
fn ask(arguments: &[&str], answer: &[u8]) -> Output {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let directory = TempDir::new().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "a-token-that-is-long-enough-for-a-token").unwrap();
    let server = [
        "--admin-url",
        &url,
        "--admin-token-file",
        token.to_str().unwrap(),
    ];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut connection, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            connection.write_all(answer).unwrap();
            // Closing before all that was sent is read would be a reset.
            connection.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = connection.read_to_end(&mut head);
        });
        run(BINARY, &[arguments, &server].concat(), &[], "")
    })
}

/// An answer 200 with this body.
fn with_body(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn half_an_answer_is_no_success() {
    let broken_off = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"clients\":[";
    let no_text = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xff";
    for arguments in [
        &["client", "list", "--json"] as &[&str],
        &["client", "list"],
        &["client", "create", "--id", "lost", "--json"],
        &["client", "delete", "lost"],
        &["keys", "list"],
        &["token", "count"],
        &["token", "issue", "--client", "shop"],
    ] {
        for answer in [&broken_off[..], no_text] {
            let output = ask(arguments, answer).expect_code(3);
            assert_eq!(output.stdout, "", "{arguments:?}");
            assert!(output.stderr.contains("in full"), "{}", output.stderr);
        }
        let output = ask(arguments, &with_body("")).expect_code(1);
        assert_eq!(output.stdout, "", "{arguments:?}");
    }
}

/// Something else may listen there and say 200 to everything.
#[test]
fn an_answer_to_another_question_is_no_success() {
    for (arguments, member) in [
        (&["client", "list", "--json"] as &[&str], "clients"),
        (&["keys", "list"], "keys"),
        (&["token", "list"], "tokens"),
        (&["token", "count"], "count"),
        (&["token", "issue", "--client", "shop"], "token"),
    ] {
        let output = ask(arguments, &with_body("{}")).expect_code(1);
        assert_eq!(output.stdout, "", "{arguments:?}");
        assert!(output.stderr.contains(member), "{}", output.stderr);
    }
}

/// Clients choose what is in their tokens, and a terminal obeys what it is told.
#[test]
fn nothing_that_is_printed_talks_to_a_terminal() {
    let said = "\u{1b}[31m \u{9b}31m \u{7f}";
    let refusal = json!({"error": "invalid_request", "error_description": said}).to_string();
    let length = refusal.len();
    let refused = format!("HTTP/1.1 400 No\r\nContent-Length: {length}\r\n\r\n{refusal}");
    let client = json!({"client_id": said});
    let listed = json!({"clients": [client]}).to_string();
    for (arguments, answer) in [
        (&["client", "show", "a"] as &[&str], refused.as_bytes()),
        (&["client", "list"], &with_body(&listed)),
        (&["client", "list", "--json"], &with_body(&listed)),
        (&["health"], &with_body(said)),
    ] {
        let output = ask(arguments, answer);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains("31m"), "{arguments:?}: {said:?}");
        let talks = |c: char| c.is_control() && c != '\n';
        assert!(!said.contains(talks), "{arguments:?}: {said:?}");
    }
    let output = ask(&["client", "list", "--json"], &with_body(&listed));
    assert_eq!(output.json(), client, "it says the same");
}

/// The administrator's token is for the server alone, and a proxy on the way would read it.
#[test]
fn no_proxy_is_asked() {
    let server = TestServer::start(BINARY);
    let directory = server.data_dir().to_str().unwrap();
    // Port 1 is reserved and nothing listens on it.
    let proxy = "http://127.0.0.1:1";
    let variables = [
        ("TOLLGATE_DATA_DIR", directory),
        ("no_proxy", ""),
        ("NO_PROXY", ""),
        ("http_proxy", proxy),
        ("https_proxy", proxy),
        ("all_proxy", proxy),
        ("HTTP_PROXY", proxy),
        ("HTTPS_PROXY", proxy),
        ("ALL_PROXY", proxy),
    ];
    let backup = server.data_dir().join("a.backup");
    for arguments in [
        &["client", "list"] as &[&str],
        &["health"],
        &["backup", backup.to_str().unwrap()],
        &["restore", backup.to_str().unwrap()],
    ] {
        let _ = run(BINARY, arguments, &variables, "").expect_success();
    }
}
