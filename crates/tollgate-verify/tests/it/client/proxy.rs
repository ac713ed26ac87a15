//! Trust roots and a proxy of one's own: a provider behind TLS, reached through a tunnel.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use tollgate_verify::Verifier;
use tollgate_verify::client::{
    AddressPolicy, DefaultHttpClient, FetchError, FetchRequest, HttpClient, HttpSettings, KeySource,
};

use crate::provider::{AUDIENCE, KEY, NOW, good, jwk_set, token};

/// What the certificate is made out to; nobody resolves it.
const HOST: &str = "as.example";
const ISSUER: &str = "https://as.example";

/// A provider behind TLS, a proxy in front of it, and the root that vouches for its certificate.
struct Scene {
    root: Vec<u8>,
    proxy: String,
    /// Where the proxy was asked to connect to.
    tunnels: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    fn start() -> Self {
        let (root, config) = certificates();
        let provider = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = provider.local_addr().unwrap();
        thread::spawn(move || {
            for stream in provider.incoming().flatten() {
                let config = Arc::clone(&config);
                // The client may hang up at any moment.
                thread::spawn(move || serve(stream, &config).is_ok());
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let tunnels = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&tunnels);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || tunnel(stream, address, &seen));
            }
        });
        Self {
            root,
            proxy,
            tunnels,
        }
    }

    fn settings(&self) -> HttpSettings {
        let mut settings = HttpSettings::default();
        settings.roots = Some(vec![self.root.clone()]);
        settings.proxy = Some(self.proxy.clone());
        settings
    }

    fn tunnels(&self) -> Vec<String> {
        self.tunnels.lock().unwrap().clone()
    }
}

fn certificates() -> (Vec<u8>, Arc<ServerConfig>) {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new([HOST.to_owned()]).unwrap();
    let own = own.signed_by(&key, &authority).unwrap();
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], secret)
        .unwrap();
    (authority.der().to_vec(), Arc::new(config))
}

fn head_of(stream: &mut impl std::io::Read) -> std::io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Metadata and keys, one answer a connection.
fn serve(stream: TcpStream, config: &Arc<ServerConfig>) -> Result<(), Box<dyn std::error::Error>> {
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(config))?, stream);
    let head = head_of(&mut stream)?;
    let body = if head.contains("/jwks ") {
        serde_json::to_value(jwk_set(&[&KEY]))?
    } else {
        json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}/jwks")})
    };
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    stream.conn.send_close_notify();
    Ok(stream.flush()?)
}

/// Answers CONNECT, and leads to the provider wherever the client wants to go.
fn tunnel(
    mut client: TcpStream,
    provider: std::net::SocketAddr,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let head = head_of(&mut client)?;
    let target = head
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.split(' ').next());
    seen.lock()
        .unwrap()
        .push(target.unwrap_or("no tunnel").to_owned());
    let mut server = TcpStream::connect(provider)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut up, mut down) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || std::io::copy(&mut up, &mut down));
    let mut buffer = [0; 4096];
    loop {
        let count = server.read(&mut buffer)?;
        if count == 0 {
            return client.shutdown(std::net::Shutdown::Write);
        }
        client.write_all(&buffer[..count])?;
    }
}

fn fetch(settings: HttpSettings, url: &str) -> Result<u16, FetchError> {
    let request = FetchRequest::new(url, 10_000, Duration::from_secs(5));
    let answer = DefaultHttpClient::new(settings)?.fetch(&request)?;
    Ok(answer.status)
}

#[test]
fn keys_come_through_the_proxy_from_whom_the_root_vouches_for() {
    let scene = Scene::start();
    let http = DefaultHttpClient::new(scene.settings()).unwrap();
    let source = KeySource::discovery(ISSUER).http(Arc::new(http)).build();
    let verifier = Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .key_source(&source)
        .build()
        .unwrap();
    verifier.blocking().warm_up().unwrap();
    let token = token(&good());
    assert!(verifier.verify_at(&token, NOW).is_ok());
    // The name goes to the proxy as it is: nobody here knows it.
    assert_eq!(scene.tunnels(), ["as.example:443", "as.example:443"]);
}

#[test]
fn a_certificate_counts_for_its_name_by_its_root_alone() {
    let scene = Scene::start();
    let jwks = "https://as.example/jwks";
    assert_eq!(fetch(scene.settings(), jwks), Ok(200));
    let elsewhere = fetch(scene.settings(), "https://other.example/jwks");
    assert!(
        matches!(elsewhere, Err(FetchError::Failed(_))),
        "{elsewhere:?}"
    );
    let mut public_roots = scene.settings();
    public_roots.roots = None;
    let unknown = fetch(public_roots, jwks);
    assert!(matches!(unknown, Err(FetchError::Failed(_))), "{unknown:?}");
    let mut no_roots = scene.settings();
    no_roots.roots = Some(vec![Scene::start().root]);
    let another = fetch(no_roots, jwks);
    assert!(matches!(another, Err(FetchError::Failed(_))), "{another:?}");
    assert_eq!(scene.tunnels().len(), 4);
}

#[test]
fn the_proxy_and_what_it_is_told_are_held_to_the_address_policy() {
    let with_proxy = |proxy: &str, addresses| {
        let mut settings = HttpSettings::default();
        (settings.proxy, settings.addresses) = (Some(proxy.to_owned()), addresses);
        settings
    };
    for inside in ["http://10.255.255.1:3128", "http://169.254.169.254:80"] {
        let settings = with_proxy(inside, AddressPolicy::Public);
        let refused = fetch(settings, "https://as.example/jwks");
        assert_eq!(refused, Err(FetchError::AddressRefused), "{inside}");
    }
    let settings = with_proxy("http://169.254.169.254:80", AddressPolicy::PublicAndPrivate);
    let refused = fetch(settings, "https://as.example/jwks");
    assert_eq!(refused, Err(FetchError::AddressRefused));
    // What the proxy is not told it does not connect to.
    let scene = Scene::start();
    for inside in [
        "https://10.0.0.1/",
        "https://169.254.169.254/",
        "https://[fd00::1]/",
        "https://0xa.1/",
    ] {
        let refused = fetch(scene.settings(), inside);
        assert_eq!(refused, Err(FetchError::AddressRefused), "{inside}");
    }
    assert!(scene.tunnels().is_empty());
    let unusable = DefaultHttpClient::new(with_proxy("no proxy", AddressPolicy::Public));
    assert_eq!(unusable.err(), Some(FetchError::Invalid("proxy URL")));
}
