//! A server that is run by hand: whom it serves, and until when.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use http::{Request, Response};
use tokio::sync::oneshot;
use tollgate_web::metrics::Registry;
use tollgate_web::{Handler, HttpMetrics, RequestBody, RequestContext, ResponseBody, Server};

use crate::support::{STUCK, config, read_answer};

/// Makes its future only after it has panicked.
struct PanicsEarly;

impl Handler for PanicsEarly {
    fn handle(
        &self,
        request: Request<RequestBody>,
        _: &mut RequestContext,
    ) -> impl Future<Output = Response<ResponseBody>> + Send {
        assert_ne!(request.uri().path(), "/panic", "on purpose");
        async { Response::new("served".into()) }
    }
}

fn served() -> (Server, Registry, SocketAddr) {
    let registry = Registry::new();
    let metrics = HttpMetrics::register(&registry, &[]).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(config(), &[any], metrics).unwrap();
    let address = server.local_addr().unwrap();
    (server, registry, address)
}

/// Serves on a thread of its own until the sender is dropped.
fn run(server: Server) -> oneshot::Sender<()> {
    let (run, dropped) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::select! {
                _ = server.run(PanicsEarly, std::future::pending()) => {}
                _ = dropped => {}
            }
        });
    });
    run
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(STUCK)).unwrap();
    stream
}

fn get(stream: &mut TcpStream, path: &str) -> u16 {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    read_answer(stream).status
}

#[test]
fn handlers_that_panic_before_their_future_is_made_are_answered_500() {
    let (server, registry, address) = served();
    let _running = run(server);
    let mut client = connect(address);
    assert_eq!(get(&mut client, "/panic"), 500);
    assert_eq!(get(&mut client, "/"), 200);
    assert!(registry.render().contains("http_handler_panics_total 1\n"));
}

#[test]
fn a_server_that_is_dropped_serves_nobody() {
    let (server, _, address) = served();
    let running = run(server);
    let mut client = connect(address);
    assert_eq!(get(&mut client, "/"), 200);
    drop(running);
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0, "cut off");
    // The port is free again: the listener has gone as well.
    let started = std::time::Instant::now();
    while TcpListener::bind(address).is_err() {
        assert!(started.elapsed() < STUCK, "it listens still");
        std::thread::yield_now();
    }
}
