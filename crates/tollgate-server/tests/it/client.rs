//! `tollgate client`: the life of a client, seen from both sides.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::ffi::OsStrExt as _,
    process::{Command, Stdio},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};
use tollgate_testkit::{TestClient, TestServer};

use crate::BINARY;

#[test]
fn a_client_lives_and_dies_by_the_command_line() {
    let server = TestServer::start(BINARY);
    let arguments = [
        &[
            "client", "create", "--json", "--id", "shop", "--name", "Web shop",
        ] as &[&str],
        &[
            "--scope",
            "orders:read orders:write",
            "--audience",
            "https://orders.example.com",
        ],
        &[
            "--serves",
            "https://shop.example.com",
            "--token-format",
            "opaque",
        ],
        &["--access-ttl", "10m", "--signing-alg", "EdDSA"],
    ];
    let created = server.tollgate(&arguments.concat()).expect_success();
    assert!(
        created.stderr.contains("shown this once"),
        "{}",
        created.stderr
    );
    let created = created.json();
    for (name, expected) in [
        ("client_id", "\"shop\""),
        ("name", "\"Web shop\""),
        ("grants", "[\"client_credentials\"]"),
        ("scope", "\"orders:read orders:write\""),
        ("audiences", "[\"https://orders.example.com\"]"),
        ("serves", "[\"https://shop.example.com\"]"),
        ("token_format", "\"opaque\""),
        ("access_ttl", "\"10m\""),
        ("signing_alg", "\"EdDSA\""),
        ("enabled", "true"),
    ] {
        assert_eq!(created[name].to_string(), expected, "{name}");
    }
    let secret = created["client_secret"].as_str().unwrap().to_owned();
    let shop = TestClient {
        id: "shop".to_owned(),
        secret: secret.clone(),
    };
    let token = server.token(&shop, "orders:read");
    assert!(token.starts_with("tgat_"), "{token}");
    assert_eq!(server.introspect(&shop, &token)["active"], true);

    let listed = server
        .tollgate(&["client", "list", "--json"])
        .expect_success();
    let ids: Vec<_> = listed
        .json_lines()
        .iter()
        .map(|it| it["client_id"].clone())
        .collect();
    assert_eq!(ids, ["demo", "shop"]);
    let shown = server
        .tollgate(&["client", "show", "shop"])
        .expect_success();
    assert!(shown.stdout.contains("Web shop"), "{}", shown.stdout);
    assert!(
        !format!("{listed:?}{shown:?}").contains(&secret),
        "a secret is shown once"
    );

    let _ = server
        .tollgate(&["client", "disable", "shop"])
        .expect_success();
    let refused = server.http().form(
        "/oauth/token",
        shop.basic(),
        &[("grant_type", "client_credentials")],
    );
    assert_eq!(refused.json()["error"], "invalid_client");
    let _ = server
        .tollgate(&["client", "enable", "shop"])
        .expect_success();
    assert_eq!(
        server.introspect(&shop, &token)["active"],
        false,
        "its old tokens stay dead"
    );
    let token = server.token(&shop, "");

    let deleted = server
        .tollgate(&["client", "delete", "shop", "--json"])
        .expect_success();
    assert_eq!(deleted.json()["deleted"], true);
    let introspected = server.tollgate_with(&["token", "introspect", "-", "--json"], &token);
    assert_eq!(introspected.expect_success().json()["active"], false);
    let _ = server.tollgate(&["client", "show", "shop"]).expect_code(1);
}

#[test]
fn an_old_secret_counts_as_long_as_it_is_kept() {
    let server = TestServer::start(BINARY);
    let old = server.create_client(&["--id", "shop"]);
    let rotate = |arguments: &[&str]| {
        let arguments = [&["client", "rotate-secret", "shop", "--json"], arguments].concat();
        let answer = server.tollgate(&arguments).expect_success().json();
        let secret = answer["client_secret"].as_str().unwrap().to_owned();
        (
            TestClient {
                id: "shop".to_owned(),
                secret,
            },
            answer["previous_expires_at"].clone(),
        )
    };
    let (new, expires) = rotate(&["--keep-old", "24h"]);
    assert!(expires.is_u64(), "{expires}");
    assert_ne!(server.token(&old, ""), server.token(&new, ""));
    let (newest, expires) = rotate(&[]);
    assert!(expires.is_null(), "{expires}");
    let _ = server.token(&newest, "");
    for dead in [&old, &new] {
        let form = [("grant_type", "client_credentials")];
        let answer = server.http().form("/oauth/token", dead.basic(), &form);
        assert_eq!(answer.json()["error"], "invalid_client");
    }
}

#[test]
fn a_secret_comes_from_stdin_and_never_from_an_argument() {
    let server = TestServer::start(BINARY);
    let secret = "an imported secret of more than 32 characters";
    let create = [
        "client",
        "create",
        "--id",
        "legacy",
        "--secret-stdin",
        "--json",
    ];
    let created = server
        .tollgate_with(&create, &format!("{secret}\n"))
        .expect_success()
        .json();
    assert_eq!(created["client_secret"], secret);
    // Spaces in a Basic header are form-encoded (RFC 6749 §2.3.1); in the body they need no care.
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "legacy"),
        ("client_secret", secret),
    ];
    let _ = server
        .http()
        .form("/oauth/token", None, &form)
        .expect_status(200);
    let _ = server.tollgate_with(&create, "").expect_code(1);
    let short = ["client", "create", "--id", "short", "--secret-stdin"];
    let _ = server.tollgate_with(&short, "short").expect_code(1);
    let argument = ["client", "create", "--id", "a", "--secret", "x"];
    let _ = server.tollgate(&argument).expect_code(2);
}

#[test]
fn a_secret_that_is_typed_is_asked_for_and_not_shown() {
    let server = TestServer::start(BINARY);
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let mut terminal = File::options();
    let terminal = terminal.read(true).write(true);
    let terminal = terminal.open(OsStr::from_bytes(name.as_bytes())).unwrap();
    let echoes = || {
        let modes = tcgetattr(&terminal).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    };
    assert!(echoes());
    let mut process = Command::new(BINARY)
        .args(["client", "create", "--id", "typed", "--secret-stdin"])
        .env("TOLLGATE_DATA_DIR", server.data_dir())
        .stdin(terminal.try_clone().unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut asked = String::new();
    let mut said = BufReader::new(process.stderr.take().unwrap());
    let _ = said.read_line(&mut asked).unwrap();
    assert!(asked.contains("secret"), "{asked}");
    assert!(!echoes(), "it is shown");
    let secret = "a-typed-secret-of-more-than-32-characters".to_owned();
    let typed = format!("{secret}\n");
    // Dropped, it would hang up.
    let mut keyboard = File::from(master);
    keyboard.write_all(typed.as_bytes()).unwrap();
    assert!(process.wait().unwrap().success());
    assert!(echoes(), "what is typed later is shown again");
    let id = "typed".to_owned();
    let _ = server.token(&TestClient { id, secret }, "");
}

#[test]
fn a_client_with_keys_has_no_secret() {
    let server = TestServer::start(BINARY);
    let path = server.data_dir().join("jwks.json");
    let keys = server
        .http()
        .get("/.well-known/jwks.json", &[])
        .expect_status(200)
        .body;
    std::fs::write(&path, keys).unwrap();
    let path = path.to_str().unwrap();
    let create = [
        "client", "create", "--id", "signer", "--jwks", path, "--json",
    ];
    let created = server.tollgate(&create).expect_success().json();
    assert!(created["client_secret"].is_null(), "{created}");
    assert!(created["jwks"]["keys"].is_array(), "{created}");
    let _ = server
        .tollgate(&["client", "create", "--id", "b", "--jwks", "/nowhere"])
        .expect_code(1);
}

#[test]
fn what_the_server_refuses_is_exit_code_1() {
    let server = TestServer::start(BINARY);
    let refused = |arguments: &[&str], why: &str| {
        let output = server.tollgate(arguments).expect_code(1);
        assert!(
            output.stderr.contains(why),
            "{arguments:?}: {}",
            output.stderr
        );
        assert_eq!(output.stdout, "");
    };
    refused(&["client", "create", "--id", "demo"], "conflict");
    refused(&["client", "create", "--id", "a b"], "invalid_request");
    refused(
        &["client", "create", "--id", "a", "--grant", "password"],
        "invalid_request",
    );
    refused(
        &["client", "create", "--id", "a", "--audience", "not a uri"],
        "invalid_request",
    );
    refused(&["client", "show", "nobody"], "not_found");
    refused(&["client", "delete", "nobody/../demo"], "not_found");
    refused(&["client", "disable", "nobody"], "not_found");
    refused(&["keys", "revoke", "nothing"], "not_found");
    refused(&["keys", "rotate", "--alg", "HS256"], "invalid_request");
    refused(&["token", "issue", "--client", "nobody"], "");
    refused(
        &["token", "issue", "--client", "demo", "--scope", "admin"],
        "invalid_scope",
    );
}

#[test]
fn a_wrong_admin_token_is_refused() {
    let server = TestServer::start(BINARY);
    let path = server.data_dir().join("wrong");
    std::fs::write(&path, "0123456789012345678901234567890123456789").unwrap();
    let path = path.to_str().unwrap();
    let list = [
        "client",
        "list",
        "--admin-url",
        server.admin_url(),
        "--admin-token-file",
        path,
    ];
    let output = server.tollgate(&list).expect_code(1);
    assert!(output.stderr.contains("invalid_token"), "{}", output.stderr);
    std::fs::write(path, "two words").unwrap();
    let output = server.tollgate(&list).expect_code(1);
    let what = format!("{path} holds no admin token");
    assert!(output.stderr.contains(&what), "{}", output.stderr);
    let right = server.data_dir().join("right");
    std::fs::write(&right, server.admin_token()).unwrap();
    let right = right.to_str().unwrap();
    let list = [
        "client",
        "list",
        "--admin-url",
        server.admin_url(),
        "--admin-token-file",
        right,
    ];
    let _ = server.tollgate(&list).expect_success();
}

#[test]
fn lists_longer_than_a_page_are_whole() {
    let server = TestServer::start(BINARY);
    let token = format!("Bearer {}", server.admin_token());
    let http = server.admin_http();
    for index in 0..1005 {
        let body = serde_json::json!({ "client_id": format!("c{index:04}") });
        let answer = http.json("/admin/clients", &[("authorization", &token)], &body);
        let _ = answer.expect_status(201);
    }
    let listed = server
        .tollgate(&["client", "list", "--json"])
        .expect_success();
    assert_eq!(listed.json_lines().len(), 1006);
}
