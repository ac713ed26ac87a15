//! `[server]`, `[admin]`, `[store.embedded] path`: where everything is, and what is spoken there.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use tollgate_testkit::{Builder, TestServer};

use super::start;
use crate::BINARY;

#[test]
fn everything_is_where_the_configuration_says() {
    let directory = tempfile::TempDir::new().unwrap();
    let data = directory.path().join("elsewhere");
    let config = format!(
        "[server]\nlisten = \"127.0.0.2:0\"\n[admin]\nlisten = \"127.0.0.3:0\"\n\
         [store.embedded]\npath = \"{}\"\n",
        data.display()
    );
    let server = Builder::new(BINARY)
        .config(&config)
        .data_dir(&data)
        .places_from_config()
        .start();
    assert!(
        server.url().starts_with("http://127.0.0.2:"),
        "{}",
        server.url()
    );
    assert!(
        server.admin_url().starts_with("http://127.0.0.3:"),
        "{}",
        server.admin_url()
    );
    let _ = server.http().get("/health", &[]).expect_status(200);
    let _ = server.admin_http().get("/health", &[]).expect_status(200);
    assert!(data.join("admin.json").exists());
    let _ = server.tollgate(&["client", "list"]).expect_success();
}

#[test]
fn http2_is_spoken_unless_switched_off() {
    let settings = |config: &str| {
        let server = start(config);
        let address = server.url().strip_prefix("http://").unwrap();
        let mut connection = TcpStream::connect(address).unwrap();
        connection
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        // The client's preface and an empty SETTINGS frame (RFC 9113 §3.4).
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
        connection.write_all(preface).unwrap();
        let mut answer = [0; 9];
        connection.read_exact(&mut answer).is_ok() && answer[3] == 4
    };
    assert!(settings(""));
    assert!(!settings("[server]\nhttp2 = false"));
}

#[test]
fn there_are_as_many_threads_as_asked_for() {
    for threads in [1, 3] {
        await_threads(&start(&format!("[server]\nthreads = {threads}")), threads);
    }
}

/// Waits until so many threads serve, and sees that they are no more.
pub(super) fn await_threads(server: &TestServer, threads: usize) {
    let serving = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.process_id())).unwrap();
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
        let names = tasks.filter_map(|task| name(task.unwrap()));
        names.filter(|name| name.starts_with("web-")).count()
    };
    // One more serves the management listener. A thread has its name once it runs.
    let started = Instant::now();
    while serving() < threads + 1 {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{} of {threads}",
            serving()
        );
    }
    let _ = server.http().get("/health", &[]).expect_status(200);
    assert_eq!(serving(), threads + 1);
}

#[test]
fn forwarded_addresses_count_from_trusted_proxies() {
    let seen = |config: &str| {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("audit.jsonl");
        let mut server = Builder::new(BINARY)
            .config(config)
            .variable("TOLLGATE_AUDIT__PATH", path.to_str().unwrap())
            .start();
        let wrong = [
            ("x-forwarded-for", "203.0.113.7"),
            ("authorization", "Basic ZGVtbzp4"),
        ];
        let body = serde_json::json!({ "tokens": ["x"] });
        let answer = server.http().json("/oauth/introspect/batch", &wrong, &body);
        let _ = answer.expect_status(401);
        assert!(server.terminate().success());
        fs::read_to_string(&path).unwrap()
    };
    let trusted = seen("[server]\ntrusted_proxies = [\"127.0.0.1\"]");
    assert!(trusted.contains("\"ip\":\"203.0.113.7\""), "{trusted}");
    for config in ["", "[server]\ntrusted_proxies = [\"10.0.0.0/8\"]"] {
        let untrusted = seen(config);
        assert!(untrusted.contains("\"ip\":\"127.0.0.1\""), "{untrusted}");
        assert!(!untrusted.contains("203.0.113.7"), "{untrusted}");
    }
}
