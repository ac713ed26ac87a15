//! `server.http3`: the service over QUIC, beside TLS and told of there.

use std::{
    fs,
    future::poll_fn,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use bytes::Buf as _;
use quinn::crypto::rustls::QuicClientConfig;
use rcgen::generate_simple_self_signed;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use tollgate_testkit::{Builder, TestServer};

use crate::BINARY;

const STUCK: Duration = Duration::from_secs(30);

/// A server with TLS, and the certificate that it shows.
fn start(directory: &tempfile::TempDir, http3: bool) -> (TestServer, CertificateDer<'static>) {
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = |name: &str| directory.path().join(name);
    fs::write(file("cert.pem"), made.cert.pem()).unwrap();
    fs::write(file("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let config = format!(
        "[server]\ntls_cert = \"{0}/cert.pem\"\ntls_key = \"{0}/key.pem\"\nhttp3 = {http3}\n",
        directory.path().display()
    );
    let server = Builder::new(BINARY).config(&config).start();
    (server, made.cert.der().clone())
}

fn address(server: &TestServer) -> SocketAddr {
    let url = server.url().strip_prefix("https://").unwrap();
    url.parse().unwrap()
}

fn client(
    trusted: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    alpn: &[u8],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

/// What an answer over TCP says of HTTP/3.
fn told(server: &TestServer, trusted: &CertificateDer<'static>) -> Option<String> {
    let config = client(trusted, &TLS12, b"http/1.1");
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(address(server)).unwrap();
    socket.set_read_timeout(Some(STUCK)).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    let request = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let told = |line: &str| Some(line.strip_prefix("alt-svc: ")?.to_owned());
    answer.lines().find_map(told)
}

/// The health of the service, asked for over HTTP/3.
async fn health(server: SocketAddr, trusted: &CertificateDer<'static>) -> Option<String> {
    let tls = client(trusted, &TLS13, b"h3");
    let crypto = QuicClientConfig::try_from(tls).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let connecting = endpoint.connect_with(config, server, "localhost").unwrap();
    let connection = h3_quinn::Connection::new(connecting.await.ok()?);
    let (mut driver, mut requests) = h3::client::new(connection).await.ok()?;
    let driving = tokio::spawn(async move { poll_fn(|cx| driver.poll_close(cx)).await });
    let request = http::Request::get("https://localhost/health").body(());
    let mut exchange = requests.send_request(request.unwrap()).await.ok()?;
    exchange.finish().await.ok()?;
    assert_eq!(exchange.recv_response().await.ok()?.status(), 200);
    let mut data = exchange.recv_data().await.ok()??;
    driving.abort();
    String::from_utf8(data.copy_to_bytes(data.remaining()).to_vec()).ok()
}

/// UDP sockets that the process has open.
fn udp_sockets(server: &TestServer) -> usize {
    let process = format!("/proc/{}", server.process_id());
    let files = fs::read_dir(format!("{process}/fd")).unwrap();
    let open: Vec<String> = files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .map(|file| file.display().to_string())
        .collect();
    let udp = fs::read_to_string(format!("{process}/net/udp")).unwrap();
    let inodes = udp
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(9));
    inodes
        .filter(|inode| open.contains(&format!("socket:[{inode}]")))
        .count()
}

#[test]
fn http3_is_spoken_beside_tls_when_switched_on() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let directory = tempfile::TempDir::new().unwrap();
    // The port that TCP was given may be taken on UDP, in which case TCP is served alone.
    let (server, certificate, offer) = loop {
        let (server, certificate) = start(&directory, true);
        if let Some(offer) = told(&server, &certificate) {
            break (server, certificate, offer);
        }
        server.await_log("HTTP/3 is off there");
    };
    let port = address(&server).port();
    assert_eq!(offer, format!("h3=\":{port}\"; ma=3600"));
    let asked = runtime.block_on(async {
        let asking = health(address(&server), &certificate);
        tokio::time::timeout(STUCK, asking).await
    });
    assert_eq!(asked.unwrap().unwrap(), "{\"status\":\"ok\"}");
    assert!(udp_sockets(&server) > 0);

    let (server, certificate) = start(&directory, false);
    assert_eq!(told(&server, &certificate), None);
    assert_eq!(udp_sockets(&server), 0);
}
