//! The data directory: everything in it is its owner's alone, and it belongs to one server.

use std::{fs, os::unix::fs::PermissionsExt as _};

use tollgate_testkit::{Builder, TestServer};

use crate::BINARY;

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn secrets_are_readable_by_their_owner_alone() {
    let server = TestServer::start(BINARY);
    let backup = server.data_dir().join("a.backup");
    let _ = server
        .tollgate(&["backup", backup.to_str().unwrap()])
        .expect_success();
    for name in ["admin.json", "master.key", "demo.json", "a.backup"] {
        assert_eq!(mode(&server.data_dir().join(name)), 0o600, "{name}");
    }
    for entry in fs::read_dir(server.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        // Written by the test itself, before the server came.
        if !path.ends_with("tollgate.toml") {
            assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
        }
    }
}

#[test]
fn a_directory_belongs_to_one_server() {
    let server = TestServer::start(BINARY);
    let directory = server.data_dir().to_str().unwrap();
    let before = fs::read(server.data_dir().join("admin.json")).unwrap();
    let serve = [
        "serve",
        "--dev",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let output = crate::tollgate(&[&serve as &[&str], &["--data-dir", directory]].concat());
    let output = output.expect_code(1);
    assert!(
        output.stderr.contains("in use by another process"),
        "{}",
        output.stderr
    );
    let after = fs::read(server.data_dir().join("admin.json")).unwrap();
    assert_eq!(
        before, after,
        "the second one must not take the first one's commands"
    );
}

#[test]
fn a_lost_master_key_is_not_replaced() {
    let mut server = TestServer::start(BINARY);
    assert!(server.terminate().success());
    let directory = server.data_dir().to_str().unwrap().to_owned();
    let key = server.data_dir().join("master.key");
    let serve = |expected: &str| {
        let serve = [
            "serve",
            "--dev",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ];
        let output = crate::tollgate(&[&serve as &[&str], &["--data-dir", &directory]].concat());
        let output = output.expect_code(1);
        assert!(output.stderr.contains(expected), "{}", output.stderr);
    };
    let content = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    serve("put it back");
    assert!(!key.exists());
    fs::write(
        &key,
        "6b1e0f5d3c2a49788796a5b4c3d2e1f00112233445566778899aabbccddeeff0",
    )
    .unwrap();
    serve("another master key");
    fs::write(&key, "too short").unwrap();
    serve("32 bytes");
    fs::remove_file(&key).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &key).unwrap();
    serve("longer than");
    fs::remove_file(&key).unwrap();
    fs::write(&key, content).unwrap();
    let _ = server.restart();
}

#[test]
fn the_master_key_may_come_from_elsewhere() {
    let key = "6b1e0f5d3c2a49788796a5b4c3d2e1f00112233445566778899aabbccddeeff0";
    let server = Builder::new(BINARY)
        .variable("TOLLGATE_KEYS__MASTER_KEY", key)
        .start();
    assert!(!server.data_dir().join("master.key").exists());
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("key");
    fs::write(&path, key).unwrap();
    let path = path.to_str().unwrap();
    let server = Builder::new(BINARY)
        .variable("TOLLGATE_KEYS__MASTER_KEY_FILE", path)
        .start();
    assert!(!server.data_dir().join("master.key").exists());
    assert!(
        server.log().contains("others than its owner may read"),
        "{}",
        server.log()
    );
}
