//! A provider that fails in every way that a socket allows, reached by the default client.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tollgate_verify::client::{
    Clock, DefaultHttpClient, FetchError, FetchRequest, FetchResponse, HttpClient, HttpSettings,
    KeySource,
};
use tollgate_verify::{Error, Verifier};

use super::fake::HandClock;
use crate::provider::{AUDIENCE, KEY, jwk_set, token, with};

const METADATA: &str = "/.well-known/openid-configuration";
const JWKS: &str = "/jwks";
const ELSEWHERE: &str = "/elsewhere";

/// What the provider does with a request for its keys.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// These bytes instead of an answer, then the end of the connection.
    Bytes(&'static [u8]),
    /// A head, and then a body without end.
    Endless,
    /// A header line without end.
    EndlessHead,
    /// A byte now and then, without end.
    Drip,
    /// Silence, until the client has had enough.
    Silence,
    /// The connection is reset with the request unread.
    Reset,
}

/// The faults that an answer tells at once.
const QUICK: [Fault; 16] = [
    Fault::Bytes(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
    Fault::Bytes(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n"),
    Fault::Bytes(b"HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\nRetry-After: 60\r\n\r\n"),
    Fault::Bytes(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"),
    Fault::Bytes(b"HTTP/1.1 308 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"),
    Fault::Bytes(b"HTTP/1.1 204 Nothing\r\n\r\n"),
    Fault::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    Fault::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"keys\":[]}"),
    Fault::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"),
    Fault::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"keys\":["),
    Fault::Bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    Fault::Bytes(b"\x16\x03\x01\x02\x00 this is no HTTP\r\n\r\n"),
    Fault::Bytes(b""),
    Fault::Endless,
    Fault::EndlessHead,
    Fault::Reset,
];

/// Those that only a time limit ends.
const SLOW: [Fault; 2] = [Fault::Drip, Fault::Silence];

#[derive(Default)]
struct State {
    fault: Mutex<Option<Fault>>,
    requests: Mutex<HashMap<String, u64>>,
    is_held: Mutex<bool>,
    let_go: Condvar,
}

/// The provider; it serves until the test process ends.
struct Provider {
    issuer: String,
    state: Arc<State>,
}

impl Provider {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<State>::default();
        let (shared, name) = (Arc::clone(&state), issuer.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (state, issuer) = (Arc::clone(&shared), name.clone());
                // The client may hang up at any moment.
                thread::spawn(move || state.serve(&issuer, stream?));
            }
        });
        Self { issuer, state }
    }

    fn fail(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = Some(fault);
    }

    fn requests(&self, path: &str) -> u64 {
        let requests = self.state.requests.lock().unwrap();
        requests.get(path).copied().unwrap_or(0)
    }

    fn hold(&self, is_held: bool) {
        *self.state.is_held.lock().unwrap() = is_held;
        self.state.let_go.notify_all();
    }
}

impl State {
    fn serve(&self, issuer: &str, mut stream: TcpStream) -> std::io::Result<()> {
        let fault = self.fault.lock().unwrap().unwrap_or(Fault::None);
        if fault == Fault::Reset {
            // Unread bytes at the close make the system send a reset.
            let mut one = [0];
            stream.read_exact(&mut one)?;
            *self
                .requests
                .lock()
                .unwrap()
                .entry(JWKS.into())
                .or_default() += 1;
            return Ok(());
        }
        let path = read_head(&mut stream)?;
        *self
            .requests
            .lock()
            .unwrap()
            .entry(path.clone())
            .or_default() += 1;
        let mut held = self.is_held.lock().unwrap();
        while *held {
            held = self.let_go.wait(held).unwrap();
        }
        drop(held);
        match (path.as_str(), fault) {
            (METADATA, _) => {
                let jwks_uri = format!("{issuer}{JWKS}");
                answer(
                    &mut stream,
                    &json!({"issuer": issuer, "jwks_uri": jwks_uri}),
                )
            }
            (JWKS, Fault::None) | (ELSEWHERE, _) => answer(
                &mut stream,
                &serde_json::to_value(jwk_set(&[&KEY])).unwrap(),
            ),
            (JWKS, fault) => fail(&mut stream, fault),
            _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        }
    }
}

fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    Ok(head.split(' ').nth(1).unwrap().to_owned())
}

fn answer(stream: &mut TcpStream, body: &serde_json::Value) -> std::io::Result<()> {
    let body = body.to_string();
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: max-age=60";
    write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Fails, if need be until the client hangs up.
fn fail(stream: &mut TcpStream, fault: Fault) -> std::io::Result<()> {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"keys\":[";
    match fault {
        Fault::Bytes(bytes) => stream.write_all(bytes),
        Fault::Endless => {
            stream.write_all(HEAD)?;
            loop {
                stream.write_all(&[b' '; 4096])?;
            }
        }
        Fault::EndlessHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nX-Padding: ")?;
            loop {
                stream.write_all(&[b'x'; 4096])?;
            }
        }
        Fault::Drip => {
            stream.write_all(HEAD)?;
            loop {
                stream.write_all(b" ")?;
                thread::sleep(Duration::from_millis(10));
            }
        }
        Fault::Silence => stream.read_exact(&mut [0]),
        Fault::None | Fault::Reset => Ok(()),
    }
}

/// The default client, in a hurry when told.
struct Client {
    inner: DefaultHttpClient,
    timeout: Mutex<Duration>,
}

impl HttpClient for Client {
    fn fetch(&self, request: &FetchRequest) -> Result<FetchResponse, FetchError> {
        let mut request = request.clone();
        request.timeout = *self.timeout.lock().unwrap();
        self.inner.fetch(&request)
    }
}

struct Scene {
    provider: Provider,
    clock: Arc<HandClock>,
    client: Arc<Client>,
    source: KeySource,
    verifier: Verifier,
    token: String,
}

/// Far more than a good answer takes, so that no busy machine decides a test.
const PATIENCE: Duration = Duration::from_secs(60);

fn scene() -> Scene {
    let (provider, clock) = (Provider::start(), Arc::new(HandClock::default()));
    // The provider hangs up after every answer, and does not always say so.
    let mut settings = HttpSettings::default();
    settings.idle_connections_max = 0;
    let client = Arc::new(Client {
        inner: DefaultHttpClient::new(settings).unwrap(),
        timeout: Mutex::new(PATIENCE),
    });
    let mut settings = super::fake::settings();
    settings.retries = 1;
    let source = KeySource::discovery(&provider.issuer)
        .settings(settings)
        .http(Arc::clone(&client) as Arc<dyn HttpClient>)
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .build();
    let verifier = Verifier::builder()
        .issuer(&provider.issuer)
        .audience(AUDIENCE)
        .key_source(&source)
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .build()
        .unwrap();
    let token = token(&with("iss", json!(provider.issuer)));
    Scene {
        provider,
        clock,
        client,
        source,
        verifier,
        token,
    }
}

impl Scene {
    fn outcome(&self) -> &'static str {
        let result = self.verifier.blocking().verify(&self.token);
        result.as_ref().map_or_else(Error::code, |_| "ok")
    }

    fn fail(&self, fault: Fault) {
        self.provider.fail(fault);
        let is_slow = SLOW.contains(&fault);
        *self.client.timeout.lock().unwrap() = match is_slow {
            true => Duration::from_millis(100),
            false => PATIENCE,
        };
    }
}

fn faults() -> impl Iterator<Item = Fault> {
    QUICK.into_iter().chain(SLOW)
}

#[test]
fn good_keys_outlive_every_fault() {
    let scene = scene();
    assert_eq!(scene.outcome(), "ok");
    for (round, fault) in (1..).zip(faults()) {
        scene.fail(fault);
        let before = scene.provider.requests(JWKS);
        scene.clock.advance(Duration::from_secs(60));
        for _ in 0..5 {
            assert_eq!(scene.outcome(), "ok", "{fault:?}");
        }
        // One refresh with its one retry at most, however many ask meanwhile.
        let requests = scene.provider.requests(JWKS) - before;
        assert!(requests <= 2, "{fault:?} {requests}");
        assert_eq!(scene.source.stats().failures, round, "{fault:?}");
        scene.fail(Fault::None);
        scene.clock.advance(Duration::from_secs(60));
        assert_eq!(scene.outcome(), "ok", "{fault:?}");
        // In the background, because the old keys serve.
        while scene.source.stats().refreshes == round {
            std::thread::yield_now();
        }
    }
    // Nobody is sent anywhere else.
    assert_eq!(scene.provider.requests(ELSEWHERE), 0);
}

#[test]
fn without_keys_nothing_passes_and_the_provider_is_left_alone() {
    for fault in faults() {
        let scene = scene();
        scene.fail(fault);
        for _ in 0..5 {
            assert_eq!(scene.outcome(), "keys_unavailable", "{fault:?}");
        }
        let requests = scene.provider.requests(JWKS);
        assert!((1..=2).contains(&requests), "{fault:?} {requests}");
        scene.fail(Fault::None);
        assert_eq!(scene.outcome(), "keys_unavailable", "{fault:?}");
        scene.clock.advance(Duration::from_secs(60));
        assert_eq!(scene.outcome(), "ok", "{fault:?}");
    }
}

#[test]
fn redirects_are_followed_when_asked_for_and_as_often() {
    // Each on a connection of its own: this provider hangs up after every answer.
    let redirect = |to: &'static str| {
        Fault::Bytes(match to {
            JWKS => b"HTTP/1.1 302 Found\r\nLocation: /jwks\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            _ => b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        })
    };
    let check = |redirects_max: u32, to: &'static str, authorization: Option<&str>| {
        let provider = Provider::start();
        provider.fail(redirect(to));
        let mut settings = HttpSettings::default();
        settings.redirects_max = redirects_max;
        let client = DefaultHttpClient::new(settings).unwrap();
        let url = format!("{}{JWKS}", provider.issuer);
        let mut request = FetchRequest::new(&url, 10_000, PATIENCE);
        request.authorization = authorization.map(|value| value.to_owned().into());
        let status = client.fetch(&request).unwrap().status;
        (
            status,
            provider.requests(JWKS),
            provider.requests(ELSEWHERE),
        )
    };
    assert_eq!(check(0, ELSEWHERE, None), (302, 1, 0));
    assert_eq!(check(1, ELSEWHERE, None), (200, 1, 1));
    // Round and round, but not for ever, and never with credentials.
    assert_eq!(check(3, JWKS, None), (302, 4, 0));
    assert_eq!(check(3, ELSEWHERE, Some("Basic x")), (302, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_wait_for_one_slow_answer() {
    let scene = scene();
    scene.provider.hold(true);
    let asking: Vec<_> = (0..64)
        .map(|_| {
            let (verifier, token) = (scene.verifier.clone(), scene.token.clone());
            tokio::spawn(async move { verifier.verify(&token).await.map(|_| ()) })
        })
        .collect();
    while scene.provider.requests(METADATA) == 0 {
        tokio::task::yield_now().await;
    }
    scene.provider.hold(false);
    for asked in asking {
        assert_eq!(asked.await.unwrap(), Ok(()));
    }
    let requests = (
        scene.provider.requests(METADATA),
        scene.provider.requests(JWKS),
    );
    assert_eq!(requests, (1, 1));
}
