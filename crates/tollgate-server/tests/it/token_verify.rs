//! `tollgate token verify`: offline, against our own tokens and against made-up ones.

use std::fs;

use tempfile::TempDir;
use tollgate_testkit::{Output, TestServer, run};

use crate::{BINARY, tollgate};

/// A server's token, its keys in a file, and the arguments that accept it.
struct Issued {
    server: TestServer,
    token: String,
    jwks: String,
    _directory: TempDir,
}

impl Issued {
    fn new() -> Self {
        let server = TestServer::start(BINARY);
        let shop =
            server.create_client(&["--id", "shop", "--audience", "https://orders.example.com"]);
        let token = server.token(&shop, "");
        let directory = TempDir::new().unwrap();
        let jwks = directory.path().join("jwks.json");
        fs::write(&jwks, server.http().get("/.well-known/jwks.json", &[]).body).unwrap();
        let jwks = jwks.to_str().unwrap().to_owned();
        Self {
            server,
            token,
            jwks,
            _directory: directory,
        }
    }

    fn verify(&self, more: &[&str], stdin: &str) -> Output {
        let arguments = [
            &["token", "verify", "--json", "--jwks", &self.jwks] as &[&str],
            &[
                "--issuer",
                self.server.issuer(),
                "--audience",
                "https://orders.example.com",
            ],
            more,
        ];
        run(BINARY, &arguments.concat(), &[], stdin)
    }
}

#[test]
fn our_own_token_is_valid_and_its_claims_are_printed() {
    let issued = Issued::new();
    let verdict = issued.verify(&["-"], &issued.token).expect_success().json();
    assert_eq!(verdict["valid"], true);
    assert_eq!(verdict["claims"]["client_id"], "shop");
    let positional = issued.verify(&[&issued.token], "").expect_success().json();
    assert_eq!(positional, verdict);
    let _ = issued
        .verify(&["--alg", "ES256", "--typ", "at+jwt", "-"], &issued.token)
        .expect_success();
    let human = [
        "token",
        "verify",
        "--jwks",
        &issued.jwks,
        "--issuer",
        issued.server.issuer(),
    ];
    let human = [
        &human as &[&str],
        &["--audience", "https://orders.example.com", "-"],
    ]
    .concat();
    let human = run(BINARY, &human, &[], &issued.token).expect_success();
    assert!(
        human.stdout.starts_with("valid sub=\"shop\""),
        "{}",
        human.stdout
    );
}

#[test]
fn what_is_wrong_is_told_by_code() {
    let issued = Issued::new();
    let check = |more: &[&str], token: &str, code: &str| {
        let verdict = issued
            .verify(&[more, &["-"]].concat(), token)
            .expect_code(1)
            .json();
        assert_eq!(verdict["valid"], false);
        assert_eq!(verdict["error"], code, "{more:?}: {verdict}");
        assert!(verdict["detail"].is_string());
    };
    let token = issued.token.as_str();
    // Inside the signature, and always to another character than the one that stands there.
    let at = token.len() - 5;
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
    check(&[], &changed, "signature");
    check(&[], "nonsense", "malformed");
    check(&[], "eyJhbGciOiJub25lIn0.e30.", "unsupported_alg");
    check(&["--alg", "EdDSA"], token, "alg_not_allowed");
    check(&["--typ", "dpop+jwt"], token, "token_type");
    check(&["--now", "2099-01-01T00:00:00Z"], token, "expired");
    check(&["--now", "2020-01-01T00:00:00Z"], token, "not_yet_valid");
    let other = [
        "token",
        "verify",
        "--json",
        "--jwks",
        &issued.jwks,
        "--issuer",
    ];
    let at = |issuer: &str, audience: &str| {
        let more = [issuer, "--audience", audience, "-"];
        run(BINARY, &[&other as &[&str], &more].concat(), &[], token)
            .expect_code(1)
            .json()["error"]
            .clone()
    };
    assert_eq!(
        at("https://other.example", "https://orders.example.com"),
        "issuer"
    );
    assert_eq!(
        at(issued.server.issuer(), "https://other.example.com"),
        "audience"
    );
    let empty = issued.server.data_dir().join("empty.json");
    fs::write(&empty, "{\"keys\":[]}").unwrap();
    let jwks = [
        "token",
        "verify",
        "--json",
        "--jwks",
        empty.to_str().unwrap(),
    ];
    let rest = [
        "--issuer",
        issued.server.issuer(),
        "--audience",
        "https://orders.example.com",
        "-",
    ];
    let output = run(BINARY, &[&jwks as &[&str], &rest].concat(), &[], token);
    assert_eq!(output.expect_code(1).json()["error"], "key_not_found");
}

#[test]
fn leeway_and_optional_claims_are_as_asked_for() {
    let issued = Issued::new();
    let introspected = issued
        .server
        .tollgate_with(&["token", "introspect", "-", "--json"], &issued.token);
    let exp = introspected.json()["exp"].as_u64().unwrap();
    let at = |seconds: u64| {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        humantime::format_rfc3339_seconds(time).to_string()
    };
    let verify = |now: u64, more: &[&str]| {
        let now = at(now);
        issued.verify(&[&["--now", &now], more, &["-"]].concat(), &issued.token)
    };
    let _ = verify(exp - 1, &[]).expect_success();
    let _ = verify(exp, &[]).expect_code(1);
    let _ = verify(exp + 59, &["--leeway", "60s"]).expect_success();
    let _ = verify(exp + 60, &["--leeway", "60s"]).expect_code(1);
    let _ = verify(exp, &["--leeway", "1h"]).expect_code(2);
    let _ = verify(exp, &["--optional", "exp"]).expect_code(1);
}

#[test]
fn a_stream_gets_one_answer_a_line() {
    let issued = Issued::new();
    let long = "A".repeat(200_000);
    let input = format!("{0}\n\nnonsense\r\n{long}\n{0}", issued.token);
    let nothing = issued.verify(&["-"], "").expect_code(1);
    assert!(nothing.stderr.contains("no token"), "{}", nothing.stderr);
    let output = issued.verify(&["-"], &input).expect_code(1);
    let verdicts: Vec<String> = output
        .json_lines()
        .iter()
        .map(|verdict| match verdict["error"].as_str() {
            Some(code) => code.to_owned(),
            None => verdict["valid"].to_string(),
        })
        .collect();
    assert_eq!(
        verdicts,
        ["true", "malformed", "malformed", "too_large", "true"]
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let verify = [
        "token",
        "verify",
        "--issuer",
        "https://a.example",
        "--audience",
        "b",
        "-",
    ];
    let output = tollgate(&[&verify as &[&str], &["--jwks", "/nowhere"]].concat()).expect_code(1);
    assert!(output.stderr.contains("/nowhere"), "{}", output.stderr);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "not json").unwrap();
    let jwks = file.path().to_str().unwrap();
    let output = tollgate(&[&verify as &[&str], &["--jwks", jwks]].concat()).expect_code(1);
    assert!(output.stderr.contains("no JWK Set"), "{}", output.stderr);
}

#[test]
fn the_issuer_is_asked_for_its_keys() {
    let issued = Issued::new();
    let verify = |issuer: &str| {
        let audience = ["--audience", "https://orders.example.com"];
        let verify = [
            "token",
            "verify",
            "--json",
            "--discover",
            "--issuer",
            issuer,
            "-",
        ];
        run(
            BINARY,
            &[&verify as &[&str], &audience].concat(),
            &[],
            &issued.token,
        )
    };
    let verdict = verify(issued.server.issuer()).expect_success().json();
    assert_eq!(verdict["claims"]["sub"], "shop");
    // Port 1 is reserved and nothing listens on it.
    let verdict = verify("http://127.0.0.1:1").expect_code(3).json();
    assert_eq!(verdict["error"], "keys_unavailable");
    let detail = verdict["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("verify token: keys unavailable: fetch: "),
        "{detail}"
    );
    let both = [
        "token",
        "verify",
        "--discover",
        "--jwks",
        &issued.jwks,
        "--issuer",
        "a",
    ];
    let _ = tollgate(&[&both as &[&str], &["--audience", "b", "-"]].concat()).expect_code(2);
}
