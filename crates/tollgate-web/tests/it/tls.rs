//! TLS: versions, protocols by ALPN, certificates that change, handshakes that do not end.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use tollgate_web::{HttpMetrics, Server, ServerConfig, ServerError, TlsConfig, metrics::Registry};

use crate::support::{Answer, SHORT, TestServer, config, read_answer};

pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

pub(crate) fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

pub(crate) fn install(directory: &Path, certificate: &CertifiedKey<KeyPair>) -> TlsConfig {
    let paths = TlsConfig::new(directory.join("chain.pem"), directory.join("key.pem"));
    fs::write(&paths.key_path, certificate.signing_key.serialize_pem()).unwrap();
    fs::write(&paths.certificate_path, certificate.cert.pem()).unwrap();
    paths
}

fn start(
    directory: &Path,
    certificate: &CertifiedKey<KeyPair>,
    config: ServerConfig,
) -> TestServer {
    TestServer::start(ServerConfig {
        tls: Some(install(directory, certificate)),
        ..config
    })
}

pub(crate) fn client_config(
    trusted: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&[u8]],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

pub(crate) fn handshake(
    server: &TestServer,
    config: Arc<ClientConfig>,
) -> std::io::Result<TlsStream> {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(config, name).unwrap();
    let mut stream = StreamOwned::new(connection, server.connect().stream);
    stream.conn.complete_io(&mut stream.sock)?;
    Ok(stream)
}

/// A connection on which this protocol is spoken.
#[cfg(feature = "http3")]
pub(crate) fn over_tls(
    server: &TestServer,
    trusted: &CertificateDer<'static>,
    alpn: &[u8],
) -> TlsStream {
    handshake(
        server,
        client_config(trusted, rustls::DEFAULT_VERSIONS, &[alpn]),
    )
    .unwrap()
}

pub(crate) fn get(stream: &mut TlsStream, path: &str) -> Answer {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    read_answer(stream)
}

/// The leaf that a new connection is shown.
fn shown(
    server: &TestServer,
    trusted: &CertificateDer<'static>,
) -> Option<CertificateDer<'static>> {
    let config = client_config(trusted, rustls::DEFAULT_VERSIONS, &[]);
    let stream = handshake(server, config).ok()?;
    stream
        .conn
        .peer_certificates()?
        .first()
        .cloned()
        .map(CertificateDer::into_owned)
}

#[test]
fn both_versions_and_both_protocols_are_spoken() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = certificate();
    let server = start(directory.path(), &certificate, config());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for alpn in [&[][..], &[&b"http/1.1"[..]][..]] {
            let config = client_config(certificate.cert.der(), &[version], alpn);
            let mut stream = handshake(&server, config).unwrap();
            let answer = get(&mut stream, "/who");
            assert!(
                answer.text().starts_with("127.0.0.1 https - "),
                "{answer:?}"
            );
        }
        let config = client_config(certificate.cert.der(), &[version], &[b"h2", b"http/1.1"]);
        let mut stream = handshake(&server, config).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .unwrap();
        let mut settings = [0; 4];
        stream.read_exact(&mut settings).unwrap();
        assert_eq!(settings[3], 4, "the first frame is SETTINGS");
    }
}

#[test]
fn http2_is_not_offered_when_off() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = certificate();
    let server = start(
        directory.path(),
        &certificate,
        ServerConfig {
            http2: false,
            ..config()
        },
    );
    let alpn: [&[u8]; 2] = [b"h2", b"http/1.1"];
    let config = client_config(certificate.cert.der(), rustls::DEFAULT_VERSIONS, &alpn);
    assert_eq!(
        handshake(&server, config).unwrap().conn.alpn_protocol(),
        Some(&b"http/1.1"[..])
    );
    let only_h2 = client_config(certificate.cert.der(), rustls::DEFAULT_VERSIONS, &[b"h2"]);
    assert!(handshake(&server, only_h2).is_err());
}

#[test]
fn handshakes_that_do_not_end_are_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let limits = ServerConfig {
        header_timeout: SHORT,
        ..config()
    };
    let server = start(directory.path(), &certificate(), limits);
    for (count, start) in [(1, &b""[..]), (2, b"\x16\x03\x01\x02\x00\x01")] {
        let mut client = server.connect();
        client.send(start);
        assert!(client.is_cut_off());
        server.wait_for_metric(&format!(
            "http_connections_closed_total{{reason=\"header_timeout\"}} {count}"
        ));
    }
}

#[test]
fn plain_text_on_a_tls_port_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &certificate(), config());
    let mut client = server.connect();
    client.send("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n");
    assert!(client.is_cut_off());
    server.wait_for_metric("http_connections_closed_total{reason=\"tls\"} 1");
}

#[test]
fn a_new_certificate_is_taken_and_a_bad_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (certificate(), certificate());
    let server = start(directory.path(), &old, config());
    let reloader = server.tls.clone().unwrap();
    assert_eq!(
        shown(&server, old.cert.der()).as_ref(),
        Some(old.cert.der())
    );

    let paths = install(directory.path(), &new);
    reloader.reload().unwrap();
    assert_eq!(
        shown(&server, new.cert.der()).as_ref(),
        Some(new.cert.der())
    );
    assert_eq!(shown(&server, old.cert.der()), None);

    let old_key = old.signing_key.serialize_pem();
    let (new_key, new_chain) = (new.signing_key.serialize_pem(), new.cert.pem());
    for (path, content) in [
        (&paths.key_path, old_key.as_str()),
        (&paths.key_path, "no key"),
        (&paths.certificate_path, "no certificate"),
        (
            &paths.certificate_path,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ),
        (&paths.key_path, ""),
        (&paths.certificate_path, ""),
        // What a copy shows that is still being written.
        (&paths.key_path, &new_key[..new_key.len() / 2]),
        (&paths.certificate_path, &new_chain[..new_chain.len() / 2]),
    ] {
        install(directory.path(), &new);
        fs::write(path, content).unwrap();
        assert!(reloader.reload().is_err(), "{content}");
        assert_eq!(
            shown(&server, new.cert.der()).as_ref(),
            Some(new.cert.der()),
            "{content}"
        );
    }
}

#[test]
fn changed_files_are_noticed_without_being_told() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (certificate(), certificate());
    let server = start(directory.path(), &old, config());
    assert_eq!(
        shown(&server, old.cert.der()).as_ref(),
        Some(old.cert.der())
    );
    install(directory.path(), &new);
    let started = std::time::Instant::now();
    while shown(&server, new.cert.der()).is_none() {
        assert!(started.elapsed() < crate::support::STUCK);
        std::thread::yield_now();
    }
}

#[test]
fn a_server_does_not_start_on_a_bad_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let tls = install(directory.path(), &certificate());
    fs::write(&tls.key_path, certificate().signing_key.serialize_pem()).unwrap();
    let metrics = HttpMetrics::register(&Registry::new(), &[]).unwrap();
    let config = ServerConfig {
        tls: Some(tls),
        ..config()
    };
    let bound = Server::bind(config, &["127.0.0.1:0".parse().unwrap()], metrics);
    assert!(matches!(bound, Err(ServerError::Tls(_))));
}
