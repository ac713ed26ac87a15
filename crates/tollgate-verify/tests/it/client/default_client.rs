//! The default HTTP client, against a real socket on loopback.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

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
    format!("http://{address}")
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
            "200 OK\r\nCache-Control: max-age=60\r\nAge: 3\r\nContent-Type: a/b",
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
    assert_eq!(good.cache_control.as_deref(), Some("max-age=60"));
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
