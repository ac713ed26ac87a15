//! The default HTTP client, against a real socket on loopback.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tollgate_verify::client::{
    DefaultHttpClient, FetchError, FetchResponse, HttpClient as _, HttpSettings, KeySource,
};
use tollgate_verify::jose::{Algorithm, SigningKey};
use tollgate_verify::{Verifier, client::FetchRequest};

use crate::provider::{AUDIENCE, jwk_set};

/// Serves these answers, one connection each, and gives the address.
fn serve(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    serve_on(listener, answers);
    format!("http://{address}")
}

fn serve_on(listener: TcpListener, answers: Vec<Vec<u8>>) {
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let _ = stream.write_all(&answer);
        }
    });
}

fn http(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn get(url: &str, bytes_max: usize) -> Result<FetchResponse, FetchError> {
    let client = DefaultHttpClient::new(HttpSettings::default()).unwrap();
    let timeout = Duration::from_secs(5);
    client.fetch(&FetchRequest::new(url, bytes_max, timeout))
}

#[test]
fn answers_are_read_within_bounds() {
    let url = serve(vec![
        http(
            "200 OK\r\nCache-Control: max-age=60\r\nAge: 3\r\nContent-Type: a/b\r\nCache-Control: no-store",
            b"12345",
        ),
        http("200 OK", b"123456"),
        http("302 Found\r\nLocation: http://127.0.0.1:1/", b""),
        http("503 Busy\r\nRetry-After: 7", b""),
        b"garbage\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n12".to_vec(),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n1234567890".to_vec(),
    ]);
    let good = get(&url, 5).unwrap();
    assert_eq!((good.status, good.body.as_slice()), (200, &b"12345"[..]));
    assert_eq!(good.cache_control.as_deref(), Some("max-age=60, no-store"));
    assert_eq!(
        (good.age_seconds, good.content_type.as_deref()),
        (Some(3), Some("a/b"))
    );
    assert_eq!(get(&url, 5).unwrap_err(), FetchError::TooLarge);
    assert_eq!(get(&url, 5).unwrap().status, 302);
    assert_eq!(
        get(&url, 5).unwrap().retry_after,
        Some(Duration::from_secs(7))
    );
    assert!(matches!(get(&url, 5), Err(FetchError::Failed(_))));
    assert!(matches!(get(&url, 5), Err(FetchError::Failed(_))));
    assert_eq!(get(&url, 5).unwrap_err(), FetchError::TooLarge);
}

#[test]
fn addresses_inside_are_not_connected_to() {
    for url in [
        "https://10.255.255.1/",
        "https://169.254.169.254/",
        "https://[fe80::1]/",
    ] {
        assert_eq!(
            get(url, 5).unwrap_err(),
            FetchError::AddressRefused,
            "{url}"
        );
    }
}

#[test]
fn the_whole_way_over_loopback() {
    let (_, key) = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let keys = serde_json::to_vec(&jwk_set(&[&key])).unwrap();
    let issuer = serve(vec![http("404 Not Found", b""), http("200 OK", &keys)]);
    let jwks_url = format!("{issuer}/jwks");
    let source = KeySource::jwks_url(&jwks_url).build();
    let verifier = Verifier::builder()
        .issuer(&issuer)
        .audience(AUDIENCE)
        .key_source(&source)
        .build()
        .unwrap();
    let blocking = verifier.blocking();
    assert_eq!(blocking.warm_up().unwrap_err().code(), "keys_unavailable");
    assert_eq!(blocking.warm_up(), Ok(()));
    assert_eq!(source.stats().fetches, 2);
}

#[test]
fn the_steps_of_the_builder_reach_the_provider() {
    let (_, key) = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let keys = serde_json::to_vec(&jwk_set(&[&key])).unwrap();
    let issuer = serve(vec![http("200 OK", &keys)]);
    let builder = |issuer: &str| Verifier::builder().issuer(issuer).audience(AUDIENCE);
    let verifier = builder("https://as.example").jwks_url(&format!("{issuer}/jwks"));
    assert_eq!(verifier.build().unwrap().blocking().warm_up(), Ok(()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let metadata = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")}).to_string();
    serve_on(
        listener,
        vec![http("200 OK", metadata.as_bytes()), http("200 OK", &keys)],
    );
    let verifier = builder(&issuer).discovery().build().unwrap();
    assert_eq!(verifier.blocking().warm_up(), Ok(()));
}

/// Answers every request on every connection, and counts the connections.
fn keep_alive() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::<AtomicU64>::default();
    let counter = Arc::clone(&connections);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                    }
                }
            });
        }
    });
    (url, connections)
}

#[test]
fn no_bound_on_the_time_is_a_long_one() {
    let (url, _) = keep_alive();
    let mut settings = HttpSettings::default();
    (settings.connect_timeout, settings.idle_timeout) = (Duration::MAX, Duration::MAX);
    let client = DefaultHttpClient::new(settings).unwrap();
    let mut request = FetchRequest::new(&url, 100, Duration::MAX);
    assert_eq!(client.fetch(&request).unwrap().body, b"ok");
    request.form = Some(String::new().into());
    assert_eq!(client.fetch(&request).unwrap().body, b"ok");
}

/// An address where connections are neither made nor refused: the queue of the listener is full.
#[cfg(target_os = "linux")]
async fn full_listener() -> (String, impl Sized) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut connections: Vec<_> = (0..8)
        .map(|_| Box::pin(tokio::net::TcpStream::connect(address)))
        .collect();
    // All of them are begun; those that find no room stand before the next.
    let begun = connections.iter_mut().map(|connection| async {
        tokio::select! {
            biased;
            stream = connection => Some(stream.unwrap()),
            () = tokio::task::yield_now() => None,
        }
    });
    let mut streams = Vec::new();
    for connection in begun {
        streams.push(connection.await);
    }
    (
        format!("http://{address}"),
        (listener, streams, connections),
    )
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_that_does_not_come_is_given_up() {
    let (url, _kept) = full_listener().await;
    let mut settings = HttpSettings::default();
    settings.connect_timeout = Duration::from_millis(100);
    let client = DefaultHttpClient::new(settings).unwrap();
    // Without the bound the system goes on for more than two minutes.
    let start = std::time::Instant::now();
    let request = FetchRequest::new(&url, 100, Duration::from_secs(3600));
    assert_eq!(client.fetch(&request).unwrap_err(), FetchError::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(100));
}

#[test]
fn connections_are_kept_and_given_up_as_set() {
    let check = |change: fn(&mut HttpSettings), expected: u64| {
        let (url, connections) = keep_alive();
        let mut settings = HttpSettings::default();
        settings.idle_timeout = Duration::from_secs(3600);
        change(&mut settings);
        let client = DefaultHttpClient::new(settings).unwrap();
        for _ in 0..2 {
            let request = FetchRequest::new(&url, 100, Duration::from_secs(60));
            assert_eq!(client.fetch(&request).unwrap().body, b"ok");
        }
        assert_eq!(connections.load(Ordering::SeqCst), expected);
    };
    check(|_| {}, 1);
    check(|settings| settings.idle_connections_max = 0, 2);
    check(|settings| settings.idle_timeout = Duration::ZERO, 2);
}
