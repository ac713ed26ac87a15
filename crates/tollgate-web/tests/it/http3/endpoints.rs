//! QUIC endpoints: which thread has whom, who must prove an address, and what fails alone.

use std::net::{SocketAddr, UdpSocket};

use tollgate_web::metrics::Registry;
use tollgate_web::{HttpMetrics, Server, ServerConfig};

use super::client::{Endpoint, Http3Server, converse};
use crate::support::{STUCK, config};
use crate::tls::{certificate, install};

#[test]
fn every_thread_serves() {
    let server = Http3Server::start(ServerConfig {
        threads: 4,
        ..config()
    });
    converse(async {
        let mut clients = Vec::new();
        for _ in 0..16 {
            clients.push(server.client().connect().await);
        }
        for client in &mut clients {
            assert_eq!(client.get("/hello").await.text(), "hello");
        }
    });
}

/// The first packet of a client that goes no further.
async fn first_packet(server: &Http3Server) -> Vec<u8> {
    let catch = UdpSocket::bind("127.0.0.1:0").unwrap();
    catch.set_nonblocking(true).unwrap();
    let catch = tokio::net::UdpSocket::from_std(catch).unwrap();
    let trusted = server.certificate.cert.der();
    let (_endpoint, _connecting) = Endpoint::new(catch.local_addr().unwrap(), trusted).connecting();
    let mut packet = vec![0; 2048];
    let length = catch.recv(&mut packet).await.unwrap();
    packet.truncate(length);
    packet
}

/// What kind of packet a stranger's first one is answered with (RFC 9000 §17.2).
fn answer_kind(server: &Http3Server, packet: &[u8]) -> u8 {
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_read_timeout(Some(STUCK)).unwrap();
    stranger.send_to(packet, server.server.address).unwrap();
    let mut answer = [0; 2048];
    assert!(stranger.recv(&mut answer).unwrap() > 0);
    (answer[0] & 0x30) >> 4
}

#[test]
fn addresses_are_proven_under_load() {
    const INITIAL: u8 = 0;
    const RETRY: u8 = 3;
    // An eighth of the connections may be handshakes with nobody knows whom.
    let server = Http3Server::start(ServerConfig {
        connections_max: 16,
        ..config()
    });
    let kinds: Vec<u8> = (0..4)
        .map(|_| answer_kind(&server, &converse(first_packet(&server))))
        .collect();
    assert_eq!(kinds, [INITIAL, INITIAL, RETRY, RETRY]);
    converse(async {
        let mut client = server.client().connect().await;
        assert_eq!(client.get("/hello").await.text(), "hello");
    });
}

#[test]
fn a_taken_port_leaves_tcp_alone() {
    let directory = tempfile::tempdir().unwrap();
    let tls = install(directory.path(), &certificate());
    let config = ServerConfig {
        http3: true,
        tls: Some(tls),
        ..config()
    };
    let bind = |address: SocketAddr| {
        let metrics = HttpMetrics::register(&Registry::new(), &[]).unwrap();
        Server::bind(config.clone(), &[address], metrics)
    };
    // A UDP port whose number is free on TCP.
    let server = loop {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(server) = bind(taken.local_addr().unwrap()) {
            break server;
        }
    };
    assert_eq!(server.http3_addrs(), []);
    assert!(server.local_addr().is_some());
}

#[test]
fn quic_needs_tls() {
    let metrics = HttpMetrics::register(&Registry::new(), &[]).unwrap();
    let config = ServerConfig {
        http3: true,
        ..config()
    };
    let bound = Server::bind(config, &["127.0.0.1:0".parse().unwrap()], metrics);
    let Err(error) = bound else {
        panic!("bound without TLS");
    };
    assert!(error.to_string().contains("http3"), "{error}");
}
