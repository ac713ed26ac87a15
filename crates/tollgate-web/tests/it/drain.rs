//! Shutting down: nothing that was accepted is lost, and nothing holds it up for ever.

use std::io::Read;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tollgate_web::ServerConfig;

use crate::support::{SHORT, STUCK, TestServer, config};

#[test]
fn requests_in_flight_are_finished() {
    let mut server = TestServer::start(config());
    let mut client = server.connect();
    client.send("GET /gate HTTP/1.1\r\nHost: t\r\n\r\n");
    wait(server.handler.arrived.notified());
    server.begin_stop();
    // The listener is closed, so the drain has begun.
    while TcpStream::connect_timeout(&server.address, SHORT).is_ok() {}
    server.handler.gate.notify_one();
    let answer = client.answer();
    assert_eq!(answer.text(), "passed");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(client.rest(), b"");
    assert_eq!(server.join().connections_aborted, 0);
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    let server = TestServer::start(config());
    let (mut fresh, mut used) = (server.connect(), server.connect());
    assert_eq!(used.get("/hello").status, 200);
    server.wait_for_metric("http_connections_open 2");
    assert_eq!(server.join().connections_aborted, 0);
    assert_eq!((fresh.rest(), used.rest()), (vec![], vec![]));
}

#[test]
fn what_hangs_is_cut_off_in_the_end() {
    let server = TestServer::start(ServerConfig {
        drain_timeout: SHORT,
        ..config()
    });
    let mut clients = [server.connect(), server.connect()];
    clients[0].send("GET /hang HTTP/1.1\r\nHost: t\r\n\r\n");
    clients[1].send("GET /hel");
    server.wait_for_metric("http_requests_in_flight 1");
    server.wait_for_metric("http_connections_open 2");
    assert_eq!(server.join().connections_aborted, 2);
    assert!(clients.iter_mut().all(crate::support::Client::is_cut_off));
}

#[test]
fn nobody_under_load_is_reset() {
    for threads in [1, 2] {
        let mut server = TestServer::start(ServerConfig {
            threads,
            ..config()
        });
        let (stop, answers) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for keep_alive in [true, false, true, false, true, false] {
                let (stop, answers, address) = (&stop, &answers, server.address);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        // Refused or timed out: closed for new connections, which is in order.
                        let Ok(stream) = TcpStream::connect_timeout(&address, SHORT) else {
                            return;
                        };
                        converse(stream, keep_alive, answers);
                    }
                });
            }
            while answers.load(Ordering::Relaxed) < 500 {
                std::thread::yield_now();
            }
            server.begin_stop();
            assert_eq!(server.join().connections_aborted, 0);
            stop.store(true, Ordering::Relaxed);
        });
    }
}

/// Asks until the server says that it closes, as every request on a connection must be answered
/// until one is answered so.
fn converse(mut stream: TcpStream, keep_alive: bool, answers: &AtomicU32) {
    stream.set_read_timeout(Some(STUCK)).unwrap();
    let connection = if keep_alive { "keep-alive" } else { "close" };
    let request = format!("GET /hello HTTP/1.1\r\nHost: t\r\nConnection: {connection}\r\n\r\n");
    loop {
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let answer = crate::support::read_answer(&mut stream);
        assert_eq!(answer.text(), "hello");
        answers.fetch_add(1, Ordering::Relaxed);
        if answer.header("connection") == Some("close") {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"");
            return;
        }
    }
}

fn wait(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let waited = runtime.block_on(async { tokio::time::timeout(STUCK, future).await });
    waited.unwrap();
}
