//! Certificates: which one a name gets, who vouches for clients, what a reload takes and keeps.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CertifiedKey, IsCa, KeyPair,
    date_time_ymd, generate_simple_self_signed,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};
use tollgate_web::{
    CertificateFiles, ClientCertificateDemand, ClientCertificates, ServerConfig, TlsConfig,
};

use crate::support::{SHORT, STUCK, TestServer, config, read_answer};

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

fn for_name(name: &str) -> CertifiedKey<KeyPair> {
    generate_simple_self_signed([name.to_owned()]).unwrap()
}

fn install(directory: &Path, name: &str, certificate: &CertifiedKey<KeyPair>) -> CertificateFiles {
    let files = CertificateFiles {
        certificate_path: directory.join(format!("{name}.pem")),
        key_path: directory.join(format!("{name}.key")),
    };
    fs::write(&files.key_path, certificate.signing_key.serialize_pem()).unwrap();
    fs::write(&files.certificate_path, certificate.cert.pem()).unwrap();
    files
}

fn start(tls: TlsConfig) -> TestServer {
    TestServer::start(ServerConfig {
        tls: Some(tls),
        ..config()
    })
}

fn client(
    trusted: &[&CertificateDer<'static>],
    identity: Option<&CertifiedKey<KeyPair>>,
) -> Arc<ClientConfig> {
    client_of(rustls::DEFAULT_VERSIONS, trusted, identity)
}

fn client_of(
    versions: &[&'static SupportedProtocolVersion],
    trusted: &[&CertificateDer<'static>],
    identity: Option<&CertifiedKey<KeyPair>>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for &root in trusted {
        roots.add(root.clone()).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).unwrap();
            let chain = vec![identity.cert.der().clone()];
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    })
}

/// What `/certificate` says, unless there is no connection.
fn ask(
    server: &TestServer,
    name: &str,
    config: Arc<ClientConfig>,
) -> std::io::Result<(CertificateDer<'static>, String)> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(config, name).unwrap();
    let mut stream = StreamOwned::new(connection, server.connect().stream);
    stream.conn.complete_io(&mut stream.sock)?;
    let shown = stream.conn.peer_certificates();
    let leaf = shown.and_then(<[_]>::first).unwrap();
    let leaf = leaf.clone().into_owned();
    stream.write_all(b"GET /certificate HTTP/1.1\r\nHost: t\r\n\r\n")?;
    // With TLS 1.3 a client hears only now that it was refused.
    let mut first = [0];
    std::io::Read::read_exact(&mut stream, &mut first)?;
    let answer = read_answer(&mut std::io::Read::chain(&first[..], stream));
    Ok((leaf, answer.text().to_owned()))
}

#[test]
fn each_name_gets_its_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let certificates = ["first.example", "second.example", "*.third.example"].map(for_name);
    let [first, second, third] = &certificates;
    let files = install(directory.path(), "first", first);
    let mut tls = TlsConfig::new(files.certificate_path, files.key_path);
    tls.more = vec![
        install(directory.path(), "second", second),
        install(directory.path(), "third", third),
    ];
    let server = start(tls);
    let trusted = certificates
        .each_ref()
        .map(|certificate| certificate.cert.der());
    let check = |name: &str, expected: Option<&CertifiedKey<KeyPair>>| {
        let shown = ask(&server, name, client(&trusted, None))
            .ok()
            .map(|(leaf, _)| leaf);
        assert_eq!(
            shown.as_ref(),
            expected.map(|certificate| certificate.cert.der()),
            "{name}"
        );
    };
    check("first.example", Some(first));
    check("second.example", Some(second));
    check("a.third.example", Some(third));
    // These are shown the first, which is not theirs.
    check("third.example", None);
    check("a.b.third.example", None);
    check("fourth.example", None);
}

pub(crate) fn authority() -> Authority {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

pub(crate) fn vouched_for(name: &str, authority: &Authority) -> CertifiedKey<KeyPair> {
    let signing_key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new([name.to_owned()]).unwrap();
    let cert = parameters.signed_by(&signing_key, authority).unwrap();
    CertifiedKey { cert, signing_key }
}

/// A server that asks clients for certificates of an authority.
fn demanding(
    directory: &Path,
    authority: &Authority,
    demand: ClientCertificateDemand,
) -> (TestServer, CertifiedKey<KeyPair>, PathBuf) {
    let shown = for_name("localhost");
    let files = install(directory, "server", &shown);
    let authorities_path = directory.join("authorities.pem");
    fs::write(&authorities_path, authority.pem()).unwrap();
    let mut tls = TlsConfig::new(files.certificate_path, files.key_path);
    tls.client_certificates = Some(ClientCertificates {
        authorities_path: authorities_path.clone(),
        demand,
    });
    (start(tls), shown, authorities_path)
}

#[test]
fn clients_may_or_must_show_certificates() {
    let (ours, theirs) = (authority(), authority());
    let known = vouched_for("known", &ours);
    let stranger = vouched_for("stranger", &theirs);
    let expected = format!("{} bytes, 1 in the chain", known.cert.der().len());
    for (demand, without) in [
        (ClientCertificateDemand::Optional, Some("none")),
        (ClientCertificateDemand::Required, None),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (server, shown, _) = demanding(directory.path(), &ours, demand);
        let said = |identity: Option<&CertifiedKey<KeyPair>>| {
            let config = client(&[shown.cert.der()], identity);
            let asked = ask(&server, "localhost", config);
            asked.ok().map(|(_, said)| said)
        };
        assert_eq!(said(Some(&known)).as_ref(), Some(&expected), "{demand:?}");
        assert_eq!(said(Some(&stranger)), None, "{demand:?}");
        assert_eq!(said(None).as_deref(), without, "{demand:?}");
    }
}

#[test]
fn new_authorities_are_taken_and_old_ones_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (before, after) = (authority(), authority());
    let (old, new) = (vouched_for("old", &before), vouched_for("new", &after));
    let demand = ClientCertificateDemand::Required;
    let (server, shown, authorities_path) = demanding(directory.path(), &before, demand);
    // These keep their sessions, and would resume them.
    let clients = [&old, &new].map(|identity| client(&[shown.cert.der()], Some(identity)));
    let served = || {
        clients
            .each_ref()
            .map(|config| ask(&server, "localhost", Arc::clone(config)).is_ok())
    };
    assert_eq!(served(), [true, false]);
    fs::write(&authorities_path, after.pem()).unwrap();
    let reloader = server.tls.as_ref().unwrap();
    reloader.reload().unwrap();
    assert_eq!(served(), [false, true]);
    fs::write(&authorities_path, "no authority").unwrap();
    reloader.reload().unwrap_err();
    assert_eq!(served(), [false, true]);
}

/// Resumed, a session would let a certificate outlive its time.
#[test]
fn clients_who_may_show_certificates_show_them_each_time() {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority();
    let known = vouched_for("known", &authority);
    let plain = for_name("localhost");
    let files = install(directory.path(), "plain", &plain);
    let plain_server = start(TlsConfig::new(files.certificate_path, files.key_path));
    let demand = ClientCertificateDemand::Optional;
    let (demanding, shown, _) = demanding(directory.path(), &authority, demand);
    let check = |server: &TestServer, config: &Arc<ClientConfig>, expected: HandshakeKind| {
        ask(server, "localhost", Arc::clone(config)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        let mut stream = StreamOwned::new(connection, server.connect().stream);
        stream.conn.complete_io(&mut stream.sock).unwrap();
        assert_eq!(stream.conn.handshake_kind(), Some(expected));
    };
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let trusted = [plain.cert.der(), shown.cert.der()];
        for identity in [None, Some(&known)] {
            let config = client_of(&[version], &trusted, identity);
            check(&plain_server, &config, HandshakeKind::Resumed);
            let config = client_of(&[version], &trusted, identity);
            check(&demanding, &config, HandshakeKind::Full);
        }
    }
}

#[test]
fn a_certificate_whose_time_comes_is_taken_then() {
    let directory = tempfile::tempdir().unwrap();
    let current = for_name("localhost");
    let files = install(directory.path(), "server", &current);
    let server = start(TlsConfig::new(&files.certificate_path, &files.key_path));
    let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    // Later than the server's next look at the files.
    let from = Duration::from_secs(UnixTime::now().as_secs() + 4);
    parameters.not_before = date_time_ymd(1970, 1, 1) + from;
    let signing_key = KeyPair::generate().unwrap();
    let cert = parameters.self_signed(&signing_key).unwrap();
    let next = CertifiedKey { cert, signing_key };
    install(directory.path(), "server", &next);
    let trusted = [current.cert.der(), next.cert.der()];
    let begun = Instant::now();
    loop {
        // Refused, as the client sees it, until it is valid.
        let shown = ask(&server, "localhost", client(&trusted, None));
        if shown.is_ok_and(|(leaf, _)| &leaf == next.cert.der()) {
            break;
        }
        assert!(begun.elapsed() < STUCK, "never taken");
        std::thread::sleep(SHORT);
    }
}

#[test]
fn a_certificate_out_of_its_time_is_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let current = for_name("localhost");
    let files = install(directory.path(), "server", &current);
    let server = start(TlsConfig::new(&files.certificate_path, &files.key_path));
    let reloader = server.tls.as_ref().unwrap();
    let check = |from: i32, until: i32, taken: bool| {
        let replaced = valid(from, until);
        install(directory.path(), "server", &replaced);
        assert_eq!(reloader.reload().is_ok(), taken, "{from} to {until}");
        let shown = if taken { &replaced } else { &current };
        let config = client(&[shown.cert.der()], None);
        let (leaf, _) = ask(&server, "localhost", config).unwrap();
        assert_eq!(&leaf, shown.cert.der(), "{from} to {until}");
    };
    check(2000, 2020, false);
    check(3000, 3001, false);
    check(2020, 3000, true);
}

#[test]
fn a_server_starts_on_a_certificate_out_of_its_time_until_it_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let (expired, current) = (valid(2000, 2020), for_name("localhost"));
    let files = install(directory.path(), "server", &expired);
    let server = start(TlsConfig::new(&files.certificate_path, &files.key_path));
    // It is the client that does not believe it.
    let refused = ask(&server, "localhost", client(&[expired.cert.der()], None)).unwrap_err();
    assert!(refused.to_string().contains("xpired"), "{refused}");
    install(directory.path(), "server", &current);
    server.tls.as_ref().unwrap().reload().unwrap();
    let (leaf, _) = ask(&server, "localhost", client(&[current.cert.der()], None)).unwrap();
    assert_eq!(&leaf, current.cert.der());
}

/// A certificate for `localhost` from the beginning of one year to that of another.
fn valid(from: i32, until: i32) -> CertifiedKey<KeyPair> {
    let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.not_before = date_time_ymd(from, 1, 1);
    parameters.not_after = date_time_ymd(until, 1, 1);
    let signing_key = KeyPair::generate().unwrap();
    let cert = parameters.self_signed(&signing_key).unwrap();
    CertifiedKey { cert, signing_key }
}
