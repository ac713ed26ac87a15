//! QUIC endpoints: which thread has whom, who must prove an address, and what fails alone.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tollgate_web::metrics::Registry;
use tollgate_web::{
    ClientCertificateDemand, ClientCertificates, HttpMetrics, Server, ServerConfig,
};

use super::client::{Connected, Endpoint, Http3Server, converse};
use crate::certificates::{authority, vouched_for};
use crate::support::{STUCK, TestServer, config};
use crate::tls::{certificate, get, install, over_tls};

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
fn answers_over_tcp_tell_of_it() {
    let server = Http3Server::start(config());
    let offer = format!("h3=\":{}\"; ma=3600", server.server.address.port());
    let trusted = server.certificate.cert.der();
    let mut stream = over_tls(&server.server, trusted, b"http/1.1");
    for path in ["/hello", "/none", "/panic"] {
        let answer = get(&mut stream, path);
        assert_eq!(answer.header("alt-svc"), Some(&*offer), "{path}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let told = runtime.block_on(http2_header(&server, "alt-svc"));
    assert_eq!(told, Some(offer));
}

/// A header of the answer to `/hello` over HTTP/2.
async fn http2_header(server: &Http3Server, name: &str) -> Option<String> {
    let stream = tokio::net::TcpStream::connect(server.server.address);
    let mut tls = super::client::tls_config(server.certificate.cert.der());
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
    let name_asked = ServerName::try_from("localhost").unwrap();
    let stream = connector.connect(name_asked, stream.await.unwrap()).await;
    let (requests, connection) = h2::client::handshake(stream.unwrap()).await.unwrap();
    tokio::spawn(connection);
    let (answer, _) = requests
        .ready()
        .await
        .unwrap()
        .send_request(super::client::get("/hello"), true)
        .unwrap();
    let answer = answer.await.unwrap();
    let value = answer.headers().get(name)?;
    Some(value.to_str().unwrap().to_owned())
}

#[test]
fn nothing_is_told_where_it_is_off() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = certificate();
    let tls = install(directory.path(), &certificate);
    let server = TestServer::start(ServerConfig {
        tls: Some(tls),
        ..config()
    });
    let mut stream = over_tls(&server, certificate.cert.der(), b"http/1.1");
    assert_eq!(get(&mut stream, "/hello").header("alt-svc"), None);
}

#[test]
fn new_certificates_are_taken() {
    let server = Http3Server::start(config());
    let renewed = certificate();
    install(server.directory(), &renewed);
    server.server.tls.as_ref().unwrap().reload().unwrap();
    converse(async {
        let new = Endpoint::new(server.server.address, renewed.cert.der());
        assert_eq!(new.connect().await.get("/hello").await.text(), "hello");
        assert!(server.client().try_connect().await.is_err());
    });
}

#[test]
fn clients_show_certificates() {
    let mine = certificate();
    let directory = tempfile::tempdir().unwrap();
    let authorities_path = directory.path().join("authorities.pem");
    let authority = authority();
    std::fs::write(&authorities_path, authority.pem()).unwrap();
    let mut tls = install(directory.path(), &mine);
    tls.client_certificates = Some(ClientCertificates {
        authorities_path,
        demand: ClientCertificateDemand::Required,
    });
    let server = TestServer::start(ServerConfig {
        http3: true,
        tls: Some(tls),
        ..config()
    });
    let said = |identity: Option<rcgen::CertifiedKey<rcgen::KeyPair>>| {
        let mut tls = super::client::tls_config(mine.cert.der());
        if let Some(identity) = identity {
            let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).unwrap();
            let chain = vec![identity.cert.der().clone()];
            let key = CertifiedKey::from_der(chain, key, tls.crypto_provider()).unwrap();
            tls.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(key));
        }
        let endpoint = Endpoint::with_tls(server.address, tls);
        converse(async move {
            let (socket, connecting) = endpoint.connecting();
            let quic = connecting.await.ok()?;
            let mut client = Connected::try_over(socket, quic).await.ok()?;
            let exchange = client
                .requests
                .send_request(super::client::get("/certificate"));
            let mut exchange = exchange.await.ok()?;
            exchange.finish().await.ok()?;
            exchange.recv_response().await.ok()?;
            let data = exchange.recv_data().await.ok()??;
            Some(bytes::Buf::chunk(&data).to_vec())
        })
    };
    let known = vouched_for("known", &authority);
    let expected = format!("{} bytes, 1 in the chain", known.cert.der().len());
    assert_eq!(said(Some(known)), Some(expected.into_bytes()));
    assert_eq!(said(Some(certificate())), None);
    assert_eq!(said(None), None);
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
