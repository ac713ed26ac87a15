//! The audit log: what is in it, and that nothing in it can be changed unnoticed.

use std::{fs, path::Path};

use serde_json::Value;
use tollgate_testkit::{Builder, TestServer};

use crate::{BINARY, tollgate};

/// A server with an audit log at the path returned.
fn start() -> (TestServer, String) {
    let directory = tempfile::TempDir::new().unwrap().keep();
    let path = directory.join("audit.jsonl").to_str().unwrap().to_owned();
    let server = Builder::new(BINARY)
        .variable("TOLLGATE_AUDIT__PATH", &path)
        .start();
    (server, path)
}

fn lines(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What `tollgate audit verify` says of the file.
fn verify(path: &str, code: i32) -> Value {
    tollgate(&["audit", "verify", path, "--json"])
        .expect_code(code)
        .json()
}

#[test]
fn what_was_done_is_chained_and_goes_on_after_a_restart() {
    let (server, path) = start();
    let shop = server.create_client(&["--id", "shop"]);
    let token = server.token(&shop, "");
    let _ = server
        .http()
        .form("/oauth/revoke", shop.basic(), &[("token", &token)])
        .expect_status(200);
    let mut server = server;
    assert!(server.terminate().success());
    let first = verify(&path, 0);
    assert_eq!(first["lines"], lines(&path).len());
    assert!(first["lines"].as_u64().unwrap() >= 3, "{:?}", lines(&path));

    let server = server.restart();
    let _ = server
        .tollgate(&["client", "delete", "shop"])
        .expect_success();
    let mut server = server;
    assert!(server.terminate().success());
    let second = verify(&path, 0);
    assert!(second["lines"].as_u64() > first["lines"].as_u64());
    let events = lines(&path);
    let has = |event: &str, target: &str| {
        let mut found = events.iter().filter(|line| line["event"] == event);
        found.any(|line| line.to_string().contains(target))
    };
    assert!(has("client.created", "shop"), "{events:#?}");
    assert!(has("client.deleted", "shop"), "{events:#?}");
    for line in &events {
        let by_itself = line["event"] == "key.created";
        for member in ["time", "event", "outcome", "prev", "hash"] {
            assert!(!line[member].is_null(), "{member} in {line}");
        }
        for member in ["request_id", "ip"] {
            assert_eq!(line[member].is_null(), by_itself, "{member} in {line}");
        }
    }
    let text = fs::read_to_string(&path).unwrap();
    for secret in [
        &shop.secret,
        &token,
        &server.demo().secret,
        &server.admin_token(),
    ] {
        assert!(!text.contains(secret.as_str()), "a secret in the audit log");
    }
}

#[test]
fn every_kind_of_tampering_is_told_with_its_line() {
    let (server, path) = start();
    for id in ["a", "b", "c", "d"] {
        let _ = server.create_client(&["--id", id]);
    }
    let mut server = server;
    assert!(server.terminate().success());
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let check = |lines: &[&str], broken: u64, why: &str| {
        let tampered = Path::new(&path).with_extension("tampered");
        fs::write(&tampered, lines.join("\n") + "\n").unwrap();
        let verdict = verify(tampered.to_str().unwrap(), 1);
        assert_eq!(verdict["valid"], false);
        assert_eq!(verdict["line"], broken, "{verdict}");
        assert!(
            verdict["error"].as_str().unwrap().contains(why),
            "{verdict}"
        );
    };
    let changed = lines[1].replace("\"outcome\":\"ok\"", "\"outcome\":\"no\"");
    assert_ne!(changed, lines[1]);
    check(&[lines[0], &changed, lines[2]], 2, "changed after");
    check(&[lines[0], lines[2]], 2, "removed, put in or moved");
    check(&[lines[1], lines[2]], 1, "removed, put in or moved");
    check(
        &[lines[0], lines[2], lines[1]],
        2,
        "removed, put in or moved",
    );
    check(&[lines[0], lines[0]], 2, "removed, put in or moved");
    check(
        &[lines[0], "{\"event\":\"client.created\"}"],
        2,
        "not a line",
    );
    check(&[lines[0], "", lines[1]], 2, "not a line");
    let torn = Path::new(&path).with_extension("torn");
    fs::write(&torn, &whole[..whole.len() - 10]).unwrap();
    let verdict = verify(torn.to_str().unwrap(), 1);
    assert_eq!(verdict["line"], lines.len());
    assert!(
        verdict["error"].as_str().unwrap().contains("cut off"),
        "{verdict}"
    );
    let _ = tollgate(&["audit", "verify", "/nowhere"]).expect_code(1);
}

#[test]
fn a_server_goes_on_after_a_torn_line_and_refuses_a_broken_chain() {
    let (server, path) = start();
    let _ = server.create_client(&["--id", "a"]);
    let mut server = server;
    assert!(server.terminate().success());
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{whole}{{\"time\":1,\"ev")).unwrap();
    let mut server = server.restart();
    assert!(server.log().contains("torn last line"), "{}", server.log());
    let _ = server.create_client(&["--id", "b"]);
    assert!(server.terminate().success());
    assert_eq!(verify(&path, 0)["valid"], true);

    fs::write(
        &path,
        fs::read_to_string(&path)
            .unwrap()
            .replace("\"ok\"", "\"no\""),
    )
    .unwrap();
    let serve = [
        "serve",
        "--dev",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let data = ["--data-dir", server.data_dir().to_str().unwrap()];
    let variables = [("TOLLGATE_AUDIT__PATH", path.as_str())];
    let output =
        tollgate_testkit::run(BINARY, &[&serve as &[&str], &data].concat(), &variables, "");
    let output = output.expect_code(1);
    assert!(
        output.stderr.contains("the line at byte 0 is broken"),
        "{}",
        output.stderr
    );
}

#[test]
fn what_cannot_be_noted_is_refused() {
    // Every write to this device fails as on a full disk.
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("full");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let server = Builder::new(BINARY)
        .variable("TOLLGATE_AUDIT__PATH", path.to_str().unwrap())
        .start();
    // The first event is taken before the disk has said no.
    let _ = server.tollgate(&["client", "create", "--id", "a"]);
    server.await_log("the audit log cannot be written");
    let output = server
        .tollgate(&["client", "create", "--id", "b"])
        .expect_code(1);
    assert!(output.stderr.contains("503"), "{}", output.stderr);
    let demo = server.demo();
    for (path, form) in [
        ("/oauth/token", ("grant_type", "client_credentials")),
        ("/oauth/ott", ("expires_in", "10")),
        ("/oauth/ott/redeem", ("token", "x")),
        ("/oauth/revoke", ("token", "x")),
    ] {
        let answer = server.http().form(path, demo.basic(), &[form]);
        let answer = answer.expect_status(503);
        assert!(answer.header("retry-after").is_some(), "{path}");
    }
    let metric = server.admin_http().get("/metrics", &[]).expect_status(200);
    assert!(metric.body.contains("tokens_active 0"), "{}", metric.body);
    let ready = server.http().get("/ready", &[]).expect_status(503).json();
    assert_eq!(ready["checks"]["audit"]["status"], "failed");
}

#[test]
fn a_log_that_was_moved_away_goes_on_in_the_next_file() {
    let (mut server, path) = start();
    let _ = server.create_client(&["--id", "a"]);
    let old = format!("{path}.1");
    fs::rename(&path, &old).unwrap();
    // Nobody was told yet.
    let _ = server.create_client(&["--id", "b"]);
    assert!(!Path::new(&path).exists());
    server.signal("HUP");
    server.await_log("began a new audit log");
    let _ = server.create_client(&["--id", "c"]);
    // The file is where it was: there is nothing to begin.
    server.signal("HUP");
    let _ = server.create_client(&["--id", "d"]);
    assert!(server.terminate().success());
    assert_eq!(server.log().matches("began a new audit log").count(), 1);

    let (first, second) = (verify(&old, 0), verify(&path, 0));
    assert_eq!(first["follows"], Value::Null);
    assert_eq!(second["follows"], first["last_hash"]);
    let targets = |path: &str| -> Vec<String> {
        let created = |line: &Value| {
            (line["event"] == "client.created").then(|| line["target"].as_str().unwrap().to_owned())
        };
        lines(path).iter().filter_map(created).collect()
    };
    assert_eq!(targets(&old)[..], ["a", "b"]);
    assert_eq!(targets(&path)[..], ["c", "d"]);
    assert_eq!(lines(&path)[0]["event"], "audit_log.continued");

    let after = |hash: &str, code: i32| {
        tollgate(&["audit", "verify", "--after", hash, &path, "--json"])
            .expect_code(code)
            .json()
    };
    let last = first["last_hash"].as_str().unwrap();
    assert_eq!(after(last, 0)["valid"], true);
    assert_eq!(after(&"0".repeat(64), 1)["line"], 1);
    let _ = tollgate(&["audit", "verify", "--after", "x", &path]).expect_code(2);
    // Without its first line it would be a chain that begins nowhere.
    let text = fs::read_to_string(&path).unwrap();
    let headless = format!("{path}.headless");
    fs::write(&headless, text.split_once('\n').unwrap().1).unwrap();
    assert_eq!(verify(&headless, 1)["line"], 1);

    let mut server = server.restart();
    assert!(server.terminate().success());
    assert_eq!(verify(&path, 0)["follows"], first["last_hash"]);
}

#[test]
fn what_stands_in_the_place_of_a_log_is_left_alone() {
    let (mut server, path) = start();
    let old = format!("{path}.1");
    fs::rename(&path, &old).unwrap();
    fs::write(&path, "another's\n").unwrap();
    server.signal("HUP");
    server.await_log("kept the old audit log");
    let _ = server.create_client(&["--id", "a"]);
    assert!(server.terminate().success());
    assert_eq!(fs::read_to_string(&path).unwrap(), "another's\n");
    assert_eq!(verify(&old, 0)["valid"], true);
    let last = lines(&old).pop().unwrap();
    assert_eq!(last["target"], "a", "{last}");
}

#[test]
fn a_log_has_one_writer() {
    let (mut server, path) = start();
    let before = fs::read_to_string(&path).unwrap();
    let directory = tempfile::TempDir::new().unwrap();
    let data = directory.path().to_str().unwrap();
    let arguments = [
        "serve",
        "--dev",
        // Taken already: it ends even if it takes the log.
        "--listen",
        server.url().strip_prefix("http://").unwrap(),
        "--admin-listen",
        "127.0.0.1:0",
        "--data-dir",
        data,
    ];
    let variables = [("TOLLGATE_AUDIT__PATH", path.as_str())];
    let output = tollgate_testkit::run(BINARY, &arguments, &variables, "").expect_code(1);
    assert!(
        output.stderr.contains("another process writes"),
        "{}",
        output.stderr
    );
    assert!(fs::read_to_string(&path).unwrap().starts_with(&before));
    assert!(server.terminate().success());
    assert_eq!(verify(&path, 0)["valid"], true);
}

#[test]
fn it_may_lie_in_a_data_directory_that_is_not_there_yet() {
    let directory = tempfile::TempDir::new().unwrap();
    let data = directory.path().join("data");
    let path = data.join("audit.jsonl");
    let _server = Builder::new(BINARY)
        .data_dir(&data)
        .variable("TOLLGATE_AUDIT__PATH", path.to_str().unwrap())
        .start();
    assert!(path.exists());
}

#[test]
fn keys_that_are_made_by_themselves_are_noted() {
    let directory = tempfile::TempDir::new().unwrap().keep();
    let path = directory.join("audit.jsonl").to_str().unwrap().to_owned();
    let mut server = Builder::new(BINARY)
        .config("[keys]\nrotate_every = \"2s\"\npublish_ahead = \"1s\"\njwks_max_age = \"1s\"")
        .variable("TOLLGATE_AUDIT__PATH", &path)
        .start();
    let kids = || {
        let keys = server
            .tollgate(&["keys", "list", "--json"])
            .expect_success();
        let kid =
            |line: &str| -> Value { serde_json::from_str::<Value>(line).unwrap()["kid"].clone() };
        keys.stdout.lines().map(kid).collect::<Vec<_>>()
    };
    let begin = std::time::Instant::now();
    while kids().len() < 2 {
        assert!(begin.elapsed().as_secs() < 60, "no key is made");
    }
    let made = kids();
    assert!(server.terminate().success());
    let events = lines(&path);
    let created: Vec<&Value> = events
        .iter()
        .filter(|line| line["event"] == "key.created")
        .collect();
    for kid in &made {
        let noted = created.iter().filter(|line| line["target"] == *kid);
        assert_eq!(noted.count(), 1, "{kid} in {events:#?}");
    }
    // Nobody asked for them.
    assert!(created.iter().all(|line| line["request_id"].is_null()));
}
