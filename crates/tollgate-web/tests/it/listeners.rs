//! Listeners of other kinds, side by side: Unix sockets, sockets handed over, plain HTTP that sends
//! its clients to HTTPS, and caps on who connects.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use tollgate_web::metrics::Registry;
use tollgate_web::{HttpMetrics, HttpsRedirect, Server, ServerConfig, ServerError};

use crate::support::{Answer, STUCK, TestServer, config, loopback_trusted, read_answer};

const MODE: u32 = 0o620;

fn bind(config: ServerConfig) -> Server {
    let metrics = HttpMetrics::register(&Registry::new(), &[]).unwrap();
    Server::bind(config, &["127.0.0.1:0".parse().unwrap()], metrics).unwrap()
}

fn on_unix(config: ServerConfig, path: &Path) -> TestServer {
    TestServer::prepared(config, |server| server.listen_unix(path, MODE).unwrap())
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(STUCK)).unwrap();
    stream
}

fn get(stream: &mut UnixStream, path: &str) -> Answer {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    read_answer(stream)
}

#[test]
fn unix_sockets_are_served_beside_tcp() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    for threads in [1, 2] {
        let config = ServerConfig {
            threads,
            ..config()
        };
        let server = on_unix(config, &path);
        let file = fs::metadata(&path).unwrap();
        assert!(file.file_type().is_socket());
        assert_eq!(file.permissions().mode() & 0o777, MODE);
        let mut streams = [connect(&path), connect(&path), connect(&path)];
        for stream in &mut streams {
            let answer = get(stream, "/who");
            assert!(answer.text().starts_with("127.0.0.1 http - "), "{answer:?}");
        }
        assert_eq!(server.connect().get("/hello").text(), "hello");
        drop(streams);
        assert_eq!(server.join().connections_aborted, 0);
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            0,
            "all is removed"
        );
    }
}

#[test]
fn http2_is_spoken_on_unix_sockets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let _server = on_unix(config(), &path);
    let mut stream = connect(&path);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).unwrap();
    let mut settings = [0; 4];
    std::io::Read::read_exact(&mut stream, &mut settings).unwrap();
    assert_eq!(settings[3], 4, "the first frame is SETTINGS");
}

#[test]
fn a_proxy_on_a_unix_socket_is_believed_if_this_machine_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    for (trusted_proxies, expected) in [
        (loopback_trusted(), "192.0.2.7 http"),
        (tollgate_web::TrustedProxies::default(), "127.0.0.1 http"),
    ] {
        let config = ServerConfig {
            trusted_proxies,
            ..config()
        };
        let server = on_unix(config, &path);
        let mut stream = connect(&path);
        let request = "GET /who HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let answer = read_answer(&mut stream);
        assert!(answer.text().starts_with(expected), "{answer:?}");
        drop(stream);
        server.join();
    }
}

#[test]
fn a_request_in_flight_on_a_unix_socket_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut server = on_unix(config(), &path);
    let mut stream = connect(&path);
    stream
        .write_all(b"GET /gate HTTP/1.1\r\nHost: t\r\n\r\n")
        .unwrap();
    server.wait_for_metric("http_requests_in_flight 1");
    server.begin_stop();
    while path.exists() {
        std::thread::yield_now();
    }
    server.handler.gate.notify_one();
    assert_eq!(read_answer(&mut stream).text(), "passed");
    assert_eq!(server.join().connections_aborted, 0);
}

#[test]
fn only_a_socket_that_nobody_serves_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let refused = |kind: std::io::ErrorKind| {
        let mut server = bind(config());
        let Err(ServerError::Unix { cause, .. }) = server.listen_unix(&path, MODE) else {
            panic!("listens at a path that is taken");
        };
        assert_eq!(cause.kind(), kind);
        assert!(path.exists());
    };
    let served = UnixListener::bind(&path).unwrap();
    refused(std::io::ErrorKind::AddrInUse);
    drop(served);
    // Stale: its file is left.
    let server = on_unix(config(), &path);
    assert_eq!(get(&mut connect(&path), "/hello").text(), "hello");
    server.join();
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    refused(std::io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_socket_that_took_the_place_of_ours_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let server = on_unix(config(), &path);
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    server.join();
    assert!(path.exists());
}

#[test]
fn a_listener_that_fails_leaves_the_others() {
    let server = TestServer::prepared(config(), |server| {
        let failed = server.listen_unix("/nonexistent/socket", MODE);
        assert!(matches!(failed, Err(ServerError::Unix { .. })));
    });
    assert_eq!(server.connect().get("/hello").text(), "hello");
}

#[test]
fn connections_of_one_address_are_bounded() {
    let server = TestServer::start(ServerConfig {
        connections_per_ip_max: 2,
        ..config()
    });
    let mut open = [server.connect(), server.connect()];
    for client in &mut open {
        assert_eq!(client.get("/hello").status, 200);
    }
    let mut one_more = server.connect();
    assert_eq!(one_more.answer().status, 503);
    assert_eq!(one_more.rest(), b"");
    drop(open);
    server.wait_for_metric("http_connections_open 0");
    assert_eq!(server.connect().get("/hello").status, 200);
}

#[test]
fn trusted_proxies_are_not_bounded_by_their_address() {
    let server = TestServer::start(ServerConfig {
        connections_per_ip_max: 1,
        trusted_proxies: loopback_trusted(),
        ..config()
    });
    let mut open = [server.connect(), server.connect()];
    for client in &mut open {
        assert_eq!(client.get("/hello").status, 200);
    }
}

#[test]
fn plain_http_is_sent_to_https() {
    let redirect = HttpsRedirect::new(["example.com"], 443).unwrap();
    let server = bind(config());
    let address = server.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(server.run(redirect, async { drop(stopped.await) }))
    });
    let ask = |host: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(STUCK)).unwrap();
        let head = format!("POST /token?a=b HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let answer = read_answer(&mut stream);
        let location = answer.header("location").map(str::to_owned);
        (answer.status, location)
    };
    let expected = "https://example.com/token?a=b".to_owned();
    assert_eq!(ask("example.com"), (308, Some(expected)));
    assert_eq!(ask("evil.example"), (421, None));
    drop(stop);
    serving.join().unwrap().unwrap();
}

/// Sockets that are handed over at the start of a process.
#[cfg(feature = "systemd")]
mod inherited {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::process::{Child, Command, Stdio};

    use super::*;

    const CHILD: &str = "TOLLGATE_WEB_TEST_INHERITS";

    /// Not a test of its own: what the process does that is handed a socket. It serves until
    /// somebody asks for `/gate`, and answers that last.
    #[test]
    fn child() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let mut server = TestServer::prepared(config(), |server| {
            assert_eq!(server.listen_inherited().unwrap(), 1);
            assert_eq!(server.listen_inherited().unwrap(), 0, "taken already");
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(server.handler.arrived.notified());
        server.begin_stop();
        server.handler.gate.notify_one();
        assert_eq!(server.join().connections_aborted, 0);
    }

    /// This test program again, with a socket where systemd puts the first.
    fn start(socket: OwnedFd) -> Child {
        let handing_over = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" --exact \"$1\" 3<&0 </dev/null";
        Command::new("sh")
            .args(["-c", handing_over])
            .arg(std::env::current_exe().unwrap())
            .arg("listeners::inherited::child")
            .env(CHILD, "1")
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn ask(stream: &mut (impl Read + Write), path: &str) -> Answer {
        write!(stream, "GET {path} HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
        read_answer(stream)
    }

    #[test]
    fn tcp_sockets_are_taken_over_and_left_for_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(STUCK)).unwrap();
            stream
        };
        for _ in 0..2 {
            // Waits in the backlog until somebody serves.
            let mut early = connect();
            let mut child = start(listener.try_clone().unwrap().into());
            assert_eq!(ask(&mut early, "/hello").text(), "hello");
            assert_eq!(ask(&mut connect(), "/gate").text(), "passed");
            assert!(child.wait().unwrap().success());
        }
    }

    #[test]
    fn unix_sockets_are_taken_over_and_left_for_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        for _ in 0..2 {
            let mut early = connect(&path);
            let mut child = start(listener.try_clone().unwrap().into());
            assert_eq!(ask(&mut early, "/hello").text(), "hello");
            assert_eq!(ask(&mut connect(&path), "/gate").text(), "passed");
            assert!(child.wait().unwrap().success());
            assert!(path.exists(), "whoever made it removes it");
        }
    }

    #[test]
    fn sockets_of_other_kinds_are_refused() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut child = start(socket.into());
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn without_sockets_handed_over_nothing_is_taken() {
        if std::env::var_os(CHILD).is_none() {
            assert_eq!(bind(config()).listen_inherited().unwrap(), 0);
        }
    }
}
