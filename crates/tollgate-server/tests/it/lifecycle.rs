//! Start, signals, end: what was acknowledged survives, and what is in flight is finished.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use tollgate_testkit::{Builder, TestServer, send_signal};

use crate::BINARY;

#[test]
fn clients_keys_and_tokens_survive_the_end_and_the_kill() {
    let server = TestServer::start(BINARY);
    let shop = server.create_client(&["--id", "shop", "--token-format", "opaque"]);
    let (opaque, dead) = (server.token(&shop, ""), server.token(&shop, ""));
    let once = server.one_time_token(&server.demo());
    let _ = server
        .http()
        .form("/oauth/revoke", shop.basic(), &[("token", &dead)])
        .expect_status(200);
    let jwks = server.http().get("/.well-known/jwks.json", &[]).body;
    let admin_token = server.admin_token();
    let check = |server: &TestServer| {
        assert_eq!(server.introspect(&shop, &opaque)["active"], true);
        assert_eq!(server.introspect(&shop, &dead)["active"], false);
        assert_eq!(server.http().get("/.well-known/jwks.json", &[]).body, jwks);
        assert_eq!(server.admin_token(), admin_token);
    };
    let mut server = server;
    assert_eq!(server.terminate().code(), Some(0));
    assert!(server.log().contains("stopped"), "{}", server.log());
    let mut server = server.restart();
    check(&server);
    server.kill();
    let server = server.restart();
    check(&server);
    let redeem = || {
        server.http().form(
            "/oauth/ott/redeem",
            server.demo().basic(),
            &[("token", &once)],
        )
    };
    assert_eq!(redeem().status, 200);
    assert_eq!(redeem().status, 400);
}

#[test]
fn nothing_survives_in_memory() {
    let server = Builder::new(BINARY)
        .config("[store.embedded]\ndurability = \"memory\"")
        .start();
    let _ = server.create_client(&["--id", "shop"]);
    let mut server = server;
    assert!(server.terminate().success());
    let _ = server
        .restart()
        .tollgate(&["client", "show", "shop"])
        .expect_code(1);
}

/// A request for a token that is being worked on, and the body that it lacks.
fn begun(server: &TestServer) -> (TcpStream, String) {
    let address = server.url().strip_prefix("http://").unwrap().to_owned();
    let mut connection = TcpStream::connect(&address).unwrap();
    let body = format!(
        "grant_type=client_credentials&client_id=demo&client_secret={}",
        server.demo().secret
    );
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).unwrap();
    // The answer to the expectation tells that the request is being worked on.
    let mut interim = [0; 25];
    connection.read_exact(&mut interim).unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100 Continue"));
    (connection, body)
}

#[test]
fn a_request_in_flight_is_finished_before_the_end() {
    let mut server = TestServer::start(BINARY);
    let (mut connection, body) = begun(&server);
    server.signal("TERM");
    server.await_log("draining");
    connection.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("access_token"), "{answer}");
    assert_eq!(server.wait_for_end().code(), Some(0));
}

#[test]
fn ctrl_c_ends_it_too() {
    let mut server = TestServer::start(BINARY);
    server.signal("INT");
    assert_eq!(server.wait_for_end().code(), Some(0));
}

/// Whoever started it may have left before it says where it listens.
#[test]
fn it_serves_whether_what_it_prints_is_read_or_not() {
    let directory = tempfile::TempDir::new().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut process = Command::new(BINARY)
        .args(["serve", "--dev", "--data-dir"])
        .arg(directory.path())
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let health = ["health", "--data-dir", directory.path().to_str().unwrap()];
    while crate::tollgate(&health).code != Some(0) {
        assert_eq!(process.try_wait().unwrap(), None, "it ended");
    }
    process.kill().unwrap();
    let _ = process.wait();
}

/// Whoever asks twice does not want to wait for those who do not finish.
#[test]
fn the_second_ctrl_c_waits_for_nobody() {
    let mut server = Builder::new(BINARY)
        .config("[server]\ndrain_timeout = \"1d\"\nread_timeout = \"1d\"\nrequest_timeout = \"1d\"")
        .start();
    let _open = begun(&server);
    server.signal("INT");
    server.await_log("draining");
    server.signal("INT");
    assert_eq!(server.wait_for_end().code(), Some(0));
    assert!(server.log().contains("stopped"), "{}", server.log());
}

#[test]
fn what_has_expired_stays_so_when_the_clock_is_set_back_over_a_restart() {
    let mut server = TestServer::start(BINARY);
    let brief = ["--id", "brief", "--access-ttl", "60s"];
    let clients = [
        server.create_client(&[&brief[..], &["--token-format", "opaque"]].concat()),
        server.demo(),
    ];
    let token = server.token(&clients[0], "");
    let noted = server.data_dir().join("clock");
    let seen = seen(&noted);
    assert_eq!(server.terminate().code(), Some(0));
    // As if the last process had seen the token expire, and the clock were set back since.
    std::fs::write(&noted, format!("{}\n", seen + 120_000)).unwrap();
    let mut server = server.restart();
    assert_eq!(server.introspect(&clients[0], &token)["active"], false);
    let fresh = server.token(&clients[0], "");
    assert_eq!(server.introspect(&clients[0], &fresh)["active"], true);
    assert_eq!(server.terminate().code(), Some(0));

    // What passes while nothing runs counts, also behind a clock that had been ahead.
    let text = std::fs::read_to_string(&noted).unwrap();
    let (steady, wall) = text.trim().split_once(' ').unwrap();
    let earlier = wall.parse::<u64>().unwrap() - 120_000;
    std::fs::write(&noted, format!("{steady} {earlier}\n")).unwrap();
    let server = server.restart();
    assert_eq!(server.introspect(&clients[0], &fresh)["active"], false);
}

/// Service managers reload a service that has just been started; the signal would end it, and
/// nobody would start it again.
#[test]
fn a_hangup_while_it_starts_does_not_end_it() {
    let directory = tempfile::TempDir::new().unwrap();
    let master = directory.path().join("master");
    let made = Command::new("mkfifo").arg(&master).status().unwrap();
    assert!(made.success());
    let mut process = Command::new(BINARY)
        .args(["serve", "--dev", "--data-dir"])
        .arg(directory.path().join("data"))
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .env("TOLLGATE_KEYS__MASTER_KEY_FILE", &master)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It waits for the key now, half started: nobody can write before it reads.
    let mut key = loop {
        let opened = std::fs::File::options()
            .write(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(&master);
        match opened {
            Ok(file) => break file,
            Err(error) => assert_eq!(
                error.raw_os_error(),
                Some(rustix::io::Errno::NXIO.raw_os_error())
            ),
        }
        assert_eq!(process.try_wait().unwrap(), None, "it ended");
        std::thread::yield_now();
    };
    send_signal(process.id(), "HUP");
    // Not an error of the test if it is gone: what it prints tells.
    let text: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
    let _ = key.write_all(text.as_bytes());
    drop(key);
    let mut printed = String::new();
    let _ = BufReader::new(process.stdout.take().unwrap()).read_line(&mut printed);
    let _ = process.kill();
    let _ = process.wait();
    assert!(printed.starts_with("issuer"), "{printed:?}");
}

/// The latest time that is noted, in milliseconds.
fn seen(noted: &Path) -> u64 {
    let text = std::fs::read_to_string(noted).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// The clock stood ahead for a while, was set right, and the operator has the service begin anew.
#[test]
fn without_the_noted_time_every_token_ends() {
    // Ports change over a restart, and the tokens must be those of the same issuer.
    let builder = Builder::new(BINARY).config("issuer = \"https://auth.example.com\"");
    let mut server = builder.start();
    let shop = server.create_client(&["--id", "shop", "--token-format", "opaque"]);
    let clients = [shop, server.demo()];
    let noted = server.data_dir().join("clock");
    let seen = seen(&noted);
    assert_eq!(server.terminate().code(), Some(0));
    std::fs::write(&noted, format!("{}\n", seen + 86_400_000)).unwrap();

    let mut server = server.restart();
    let issue = |server: &TestServer| {
        let tokens = clients.each_ref().map(|client| server.token(client, ""));
        for (client, token) in clients.iter().zip(&tokens) {
            assert_eq!(server.introspect(client, token)["active"], true);
        }
        tokens
    };
    let tokens = issue(&server);
    let revoked = issue(&server);
    for (client, token) in clients.iter().zip(&revoked) {
        let form = [("token", token.as_str())];
        let answer = server.http().form("/oauth/revoke", client.basic(), &form);
        let _ = answer.expect_status(200);
    }
    assert_eq!(server.terminate().code(), Some(0));
    std::fs::remove_file(&noted).unwrap();

    let mut server = server.restart();
    server.await_log("every token issued so far ends");
    for tokens in [&tokens, &revoked] {
        for (client, token) in clients.iter().zip(tokens) {
            assert_eq!(server.introspect(client, token)["active"], false);
        }
    }
    let tokens = issue(&server);
    // The time is noted from the start: this restart ends nothing.
    server.kill();
    let server = server.restart();
    for (client, token) in clients.iter().zip(&tokens) {
        assert_eq!(server.introspect(client, token)["active"], true);
    }
}
