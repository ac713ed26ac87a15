//! An HTTP/3 client: quinn and h3, and where they are too well-behaved, streams of raw bytes.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use h3::client::{RequestStream, SendRequest};
use h3_quinn::OpenStreams;
use http::{HeaderMap, Request, StatusCode};
use quinn::crypto::rustls::QuicClientConfig;
use rcgen::{CertifiedKey, KeyPair};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use tokio::runtime::Runtime;
use tollgate_web::ServerConfig;

use crate::support::{STUCK, TestServer};
use crate::tls::{certificate, install};

pub(crate) type Exchange = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

/// A server with HTTP/3 and whoever it trusts.
pub(crate) struct Http3Server {
    pub(crate) server: TestServer,
    pub(crate) certificate: CertifiedKey<KeyPair>,
    directory: tempfile::TempDir,
}

impl Http3Server {
    pub(crate) fn start(config: ServerConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let certificate = certificate();
        let server = TestServer::start(ServerConfig {
            http3: true,
            tls: Some(install(directory.path(), &certificate)),
            ..config
        });
        Self {
            server,
            certificate,
            directory,
        }
    }

    /// Where certificate and key stand.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn client(&self) -> Endpoint {
        Endpoint::new(self.server.address, self.certificate.cert.der())
    }
}

/// Runs a conversation, which may take long but not for ever.
pub(crate) fn converse<T>(conversation: impl Future<Output = T>) -> T {
    let waited = runtime().block_on(async { tokio::time::timeout(STUCK, conversation).await });
    waited.expect("the conversation is stuck")
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// What a client connects with; remembers sessions.
pub(crate) struct Endpoint {
    server: SocketAddr,
    pub(crate) config: quinn::ClientConfig,
}

/// A client's connection.
pub(crate) struct Connected {
    pub(crate) endpoint: quinn::Endpoint,
    pub(crate) quic: quinn::Connection,
    pub(crate) requests: SendRequest<OpenStreams, Bytes>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) fn tls_config(trusted: &CertificateDer<'static>) -> rustls::ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    tls.enable_early_data = true;
    tls
}

impl Endpoint {
    pub(crate) fn new(server: SocketAddr, trusted: &CertificateDer<'static>) -> Self {
        Self::with_tls(server, tls_config(trusted))
    }

    pub(crate) fn with_tls(server: SocketAddr, tls: rustls::ClientConfig) -> Self {
        let crypto = QuicClientConfig::try_from(tls).unwrap();
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        // A client that is idle is still there.
        let mut transport = quinn::TransportConfig::default();
        transport.keep_alive_interval(Some(Duration::from_millis(500)));
        config.transport_config(Arc::new(transport));
        Self { server, config }
    }

    pub(crate) fn connecting(&self) -> (quinn::Endpoint, quinn::Connecting) {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let endpoint = quinn::Endpoint::client(any).unwrap();
        let connecting = endpoint
            .connect_with(self.config.clone(), self.server, "localhost")
            .unwrap();
        (endpoint, connecting)
    }

    pub(crate) async fn try_connect(&self) -> Result<Connected, quinn::ConnectionError> {
        let (endpoint, connecting) = self.connecting();
        let quic = connecting.await?;
        Ok(Connected::over(endpoint, quic).await)
    }

    pub(crate) async fn connect(&self) -> Connected {
        self.try_connect().await.unwrap()
    }
}

impl Connected {
    pub(crate) async fn over(endpoint: quinn::Endpoint, quic: quinn::Connection) -> Self {
        Self::try_over(endpoint, quic).await.unwrap()
    }

    /// A client learns only after its handshake that its certificate was refused.
    pub(crate) async fn try_over(
        endpoint: quinn::Endpoint,
        quic: quinn::Connection,
    ) -> Result<Self, h3::error::ConnectionError> {
        let transport = h3_quinn::Connection::new(quic.clone());
        let (mut driver, requests) = h3::client::new(transport).await?;
        tokio::spawn(async move { poll_fn(|cx| driver.poll_close(cx)).await });
        Ok(Self {
            endpoint,
            quic,
            requests,
        })
    }

    pub(crate) async fn begin(&mut self, request: Request<()>) -> Exchange {
        self.requests.send_request(request).await.unwrap()
    }

    pub(crate) async fn ask(&mut self, request: Request<()>, body: &[u8]) -> Answer {
        let mut exchange = self.begin(request).await;
        if !body.is_empty() {
            // Refused while it is sent, perhaps: the answer says so.
            let _ = exchange.send_data(Bytes::copy_from_slice(body)).await;
        }
        let _ = exchange.finish().await;
        answer(&mut exchange).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask(get(path), b"").await
    }

    /// Says farewell, so that the server need not find out.
    pub(crate) async fn leave(self) {
        self.quic.close(0_u32.into(), b"");
        self.endpoint.wait_idle().await;
    }

    /// Sends these bytes as a request's stream and reads what comes back, unparsed.
    pub(crate) async fn raw(&self, bytes: &[u8], end: End) -> quinn::RecvStream {
        let (mut send, receive) = self.quic.open_bi().await.unwrap();
        let _ = send.write_all(bytes).await;
        match end {
            End::Finished => drop(send.finish()),
            // Kept open until the connection ends.
            End::Open => {
                tokio::spawn(async move { send.stopped().await });
            }
        }
        receive
    }

    /// Why the server closed the connection: the code of HTTP/3.
    pub(crate) async fn close_code(&self) -> u64 {
        match self.quic.closed().await {
            quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into(),
            error => panic!("closed otherwise: {error}"),
        }
    }
}

/// Whether a raw stream says that it has ended.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Finished,
    Open,
}

pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    let uri = format!("https://localhost{path}");
    Request::builder().method(method).uri(uri)
}

pub(crate) fn get(path: &str) -> Request<()> {
    request("GET", path).body(()).unwrap()
}

pub(crate) async fn answer(exchange: &mut Exchange) -> Answer {
    let head = exchange.recv_response().await.unwrap();
    let mut body = Vec::new();
    while let Some(mut data) = exchange.recv_data().await.unwrap() {
        body.extend_from_slice(&data.copy_to_bytes(data.remaining()));
    }
    Answer {
        status: head.status(),
        headers: head.headers().clone(),
        body,
    }
}

/// One frame (RFC 9114 §7.1).
pub(crate) fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap() | 0x8000_0000;
    [&[kind][..], &length.to_be_bytes(), payload].concat()
}

/// A head whose fields are all written out (RFC 9204 §4.5.6).
pub(crate) fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0, 0];
    for (name, value) in fields {
        number(&mut block, 0x20, 3, name.len());
        block.extend(name.as_bytes());
        number(&mut block, 0, 7, value.len());
        block.extend(value.as_bytes());
    }
    frame(1, &block)
}

/// A number in the lower bits of a byte and, if it is large, in those that follow (RFC 7541 §5.1).
fn number(block: &mut Vec<u8>, flags: u8, bits: u32, mut value: usize) {
    let prefix_max = (1_usize << bits) - 1;
    if value < prefix_max {
        block.push(flags | u8::try_from(value).unwrap());
        return;
    }
    block.push(flags | u8::try_from(prefix_max).unwrap());
    value -= prefix_max;
    while value >= 128 {
        block.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    block.push(u8::try_from(value).unwrap());
}

/// The head of a `POST` to this path.
pub(crate) fn post_head(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
    ];
    head(&[&pseudo, more].concat())
}
