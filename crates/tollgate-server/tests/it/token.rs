//! `tollgate token`: issue, introspect, redeem, revoke, list and count through a server.

use serde_json::Value;
use tollgate_testkit::TestServer;

use crate::BINARY;

fn count(server: &TestServer, arguments: &[&str]) -> u64 {
    let output = server.tollgate(&[&["token", "count", "--json"], arguments].concat());
    output.expect_success().json()["count"].as_u64().unwrap()
}

#[test]
fn a_token_is_issued_introspected_and_revoked() {
    let server = TestServer::start(BINARY);
    let _ = server.create_client(&["--id", "shop", "--scope", "a b", "--token-format", "opaque"]);
    let issued = server.tollgate(&["token", "issue", "--client", "shop", "--scope", "a"]);
    let token = issued.expect_success().stdout;
    let introspect = |input: &str| {
        let output = server.tollgate_with(&["token", "introspect", "-", "--json"], input);
        output.expect_success().json_lines()
    };
    let answers = introspect(&format!("{token}\nnonsense\n"));
    assert_eq!(answers[0]["active"], true);
    assert_eq!(answers[0]["scope"], "a");
    assert_eq!(answers[1]["active"], false, "one answer a line, in order");
    assert_eq!(count(&server, &["--client", "shop"]), 1);
    let revoke = || {
        server
            .tollgate_with(&["token", "revoke", "-", "--json"], &token)
            .json()
    };
    assert_eq!(revoke()["revoked"], true);
    assert_eq!(introspect(&token)[0]["active"], false);
    assert_eq!(count(&server, &["--client", "shop"]), 0);
}

#[test]
fn a_one_time_token_is_redeemed_once() {
    let server = TestServer::start(BINARY);
    let issue = [
        &["token", "issue", "--client", "demo", "--one-time", "--json"] as &[&str],
        &[
            "--subject",
            "alice",
            "--data",
            "{\"order\":7}",
            "--expires-in",
            "60s",
        ],
    ];
    let issued = server.tollgate(&issue.concat()).expect_success().json();
    assert_eq!(issued["expires_in"], 60);
    let token = issued["token"].as_str().unwrap();
    let path = server.data_dir().join("token");
    std::fs::write(&path, format!("{token}\n")).unwrap();
    let redeem = [
        "token",
        "redeem",
        "--json",
        "--token-file",
        path.to_str().unwrap(),
    ];
    let redeemed = server.tollgate(&redeem).expect_success().json();
    assert_eq!(
        (&redeemed["sub"], &redeemed["data"]["order"]),
        (&"alice".into(), &7.into())
    );
    let again = server.tollgate(&redeem).expect_code(1);
    assert!(again.stderr.contains("invalid_grant"), "{}", again.stderr);
    let _ = server
        .tollgate(&[
            "token",
            "issue",
            "--client",
            "demo",
            "--one-time",
            "--data",
            "{",
        ])
        .expect_code(2);
}

#[test]
fn each_refusal_says_which_token_it_is_of() {
    let server = TestServer::start(BINARY);
    let issue = ["token", "issue", "--client", "demo", "--one-time"];
    let token = server.tollgate(&issue).expect_success().stdout;
    let token = token.trim();
    let input = format!("nonsense\n{token}\n\n{token}\n");
    let output = server.tollgate_with(&["token", "redeem", "-", "--json"], &input);
    let output = output.expect_code(1);
    assert_eq!(output.json_lines().len(), 1, "the second alone is good");
    let refusals: Vec<&str> = output.stderr.lines().collect();
    let [first, second] = refusals[..] else {
        panic!("{refusals:?}");
    };
    assert!(first.starts_with("error: line 1: invalid_grant"), "{first}");
    assert!(
        second.starts_with("error: line 4: invalid_grant"),
        "{second}"
    );
}

/// Whoever asks for a token chooses what it says.
#[test]
fn nothing_that_a_token_says_talks_to_the_terminal() {
    let server = TestServer::start(BINARY);
    let data = r#""\u001b]0;owned\u0007 \u009b31m""#;
    let issue = [
        "token",
        "issue",
        "--client",
        "demo",
        "--one-time",
        "--data",
        data,
    ];
    let token = server.tollgate(&issue).expect_success().stdout;
    let redeemed = server.tollgate_with(&["token", "redeem", "-"], &token);
    let redeemed = redeemed.expect_success().stdout;
    let is_plain = |character: char| character == '\n' || !character.is_control();
    assert!(redeemed.chars().all(is_plain), "{redeemed:?}");
    assert!(
        redeemed.contains(r"\u{1b}]0;owned\u{7} \u{9b}31m"),
        "{redeemed}"
    );
}

#[test]
fn tokens_are_listed_and_revoked_by_client_subject_and_id() {
    let server = TestServer::start(BINARY);
    let issue = |subject: &str| {
        let issue = [
            "token",
            "issue",
            "--client",
            "demo",
            "--one-time",
            "--subject",
            subject,
        ];
        server
            .tollgate(&issue)
            .expect_success()
            .stdout
            .trim()
            .to_owned()
    };
    let (_, bob) = (issue("alice"), issue("bob"));
    let list = |arguments: &[&str]| {
        let arguments = [&["token", "list", "--json"], arguments].concat();
        server.tollgate(&arguments).expect_success().json_lines()
    };
    let of_bob = list(&["--subject", "bob"]);
    assert_eq!(of_bob.len(), 1);
    assert_eq!(of_bob[0]["client_id"], "demo");
    assert!(
        !of_bob[0].to_string().contains(&bob),
        "a list has no tokens"
    );
    assert_eq!(list(&["--client", "demo"]).len(), 2);

    let _ = server
        .tollgate(&["token", "revoke", "--subject", "alice"])
        .expect_success();
    assert_eq!(list(&[]).len(), 1);
    let id = of_bob[0]["id"].as_str().unwrap();
    let _ = server
        .tollgate(&["token", "revoke", "--id", id])
        .expect_success();
    assert_eq!(list(&[]), Vec::<Value>::new());
    let _ = server
        .tollgate(&["token", "revoke", "--id", &"0".repeat(32)])
        .expect_code(1);

    let _ = issue("carol");
    let jwt = server.token(&server.demo(), "");
    let _ = server
        .tollgate(&["token", "revoke", "--client", "demo"])
        .expect_success();
    assert_eq!(list(&[]), Vec::<Value>::new());
    assert_eq!(
        server.introspect(&server.demo(), &jwt)["active"],
        false,
        "signed ones die too"
    );
}
