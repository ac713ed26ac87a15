//! `tollgate backup` and `restore`: nothing that was dead comes back to life.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Command,
};

use tollgate_testkit::{TestServer, send_signal};

use crate::BINARY;

#[test]
fn a_restore_brings_clients_back_and_kills_every_token() {
    let server = TestServer::start(BINARY);
    let shop = server.create_client(&["--id", "shop", "--token-format", "opaque"]);
    let (jwt, opaque) = (server.token(&server.demo(), ""), server.token(&shop, ""));
    let once = server.one_time_token(&server.demo());
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("a.backup");
    let file = file.to_str().unwrap();
    let saved = server
        .tollgate(&["backup", file, "--json"])
        .expect_success()
        .json();
    assert_eq!(saved["bytes"], fs::metadata(file).unwrap().len());
    let _ = server.tollgate(&["backup", file]).expect_code(1);

    let _ = server
        .http()
        .form(
            "/oauth/ott/redeem",
            server.demo().basic(),
            &[("token", &once)],
        )
        .expect_status(200);
    let _ = server
        .tollgate(&["client", "delete", "shop"])
        .expect_success();
    let _ = server.create_client(&["--id", "later"]);
    let restored = server
        .tollgate(&["restore", file, "--json"])
        .expect_success()
        .json();
    assert_eq!(restored["restored"]["clients"], 2);
    assert!(restored["tokens_refused_before"].is_u64());

    let _ = server.tollgate(&["client", "show", "later"]).expect_code(1);
    for dead in [&jwt, &opaque] {
        assert_eq!(server.introspect(&shop, dead)["active"], false);
        assert_eq!(server.introspect(&server.demo(), dead)["active"], false);
    }
    let again = server.http().form(
        "/oauth/ott/redeem",
        server.demo().basic(),
        &[("token", &once)],
    );
    assert_eq!(again.status, 400, "what was consumed stays so");
    let token = server.token(&shop, "");
    assert_eq!(
        server.introspect(&shop, &token)["active"],
        true,
        "the old secret counts again"
    );
}

#[test]
fn a_damaged_backup_is_refused_and_changes_nothing() {
    let server = TestServer::start(BINARY);
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("a.backup");
    let path = file.to_str().unwrap();
    let _ = server.tollgate(&["backup", path]).expect_success();
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [
        &flipped[..],
        &whole[..whole.len() - 1],
        b"",
        b"not a backup",
    ] {
        fs::write(&file, damaged).unwrap();
        let _ = server.tollgate(&["restore", path]).expect_code(1);
        let _ = server.token(&server.demo(), "");
    }
    let other = TestServer::start(BINARY);
    fs::write(&file, &whole).unwrap();
    let output = other.tollgate(&["restore", path]).expect_code(1);
    assert!(output.stderr.contains("master key"), "{}", output.stderr);
    let _ = server.tollgate(&["restore", "/nowhere"]).expect_code(1);
    // It opens, but cannot be read: not the fault of the server.
    let output = server.tollgate(&["restore", "/"]).expect_code(1);
    assert!(
        output.stderr.contains("failed to read what"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_backup_that_is_broken_off_leaves_nothing_behind() {
    let directory = tempfile::TempDir::new().unwrap();
    let (token, kept) = (
        directory.path().join("token"),
        directory.path().join("kept"),
    );
    fs::write(&token, "a-token-that-is-long-enough-for-a-token").unwrap();
    fs::create_dir(&kept).unwrap();
    // A server that sends a part of a backup, and then nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut process = Command::new(BINARY)
        .arg("backup")
        .arg(kept.join("a.backup"))
        .args(["--admin-url", &url, "--admin-token-file"])
        .arg(&token)
        .spawn()
        .unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    assert!(connection.read(&mut [0; 4096]).unwrap() > 0);
    connection
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na part")
        .unwrap();
    let open = format!("/proc/{}/fd", process.id());
    let is_writing = || {
        let files = fs::read_dir(&open).unwrap().flatten();
        let mut names = files.filter_map(|file| fs::read_link(file.path()).ok());
        names.any(|name| name.starts_with(&kept))
    };
    while !is_writing() {
        assert_eq!(process.try_wait().unwrap(), None, "it ended");
        std::thread::yield_now();
    }
    // Not Ctrl-C, which what runs in the background inherits as ignored.
    send_signal(process.id(), "TERM");
    assert!(!process.wait().unwrap().success());
    assert_eq!(fs::read_dir(&kept).unwrap().count(), 0);
}
