//! One subject of measurement, over and over: `instructions SUBJECT TIMES`. For a profiler that
//! counts instructions; `cargo xtask bench instructions` runs it so and knows what is too many.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark stops at the first surprise"
)]

use std::hint::black_box;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tollgate_verify::client::{
    Clock, FetchError, FetchRequest, FetchResponse, HttpClient, KeySource, SystemClock,
};
use tollgate_verify::jose::{
    Algorithm, Compact, Jwk, JwkSet, Limits, SigningKey, VerifyingKey, compact, encode_header,
};
use tollgate_verify::{UnixSeconds, Verifier};

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "https://orders.example.com";
/// Tokens that never change, with their keys, so that the same instructions run every time.
const TOKENS: &str = include_str!("tokens.json");
const SECRET: [u8; 64] = [7; 64];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` starts every benchmark, with arguments of its own.
    let [subject, times] = arguments.as_slice() else {
        return;
    };
    let Ok(times) = times.parse() else { return };
    run(subject, times);
}

/// `raw ALG` is the signature check alone, `full ALG` the verification, `client ALG` the same with
/// keys over the network at hand; `refuse WHAT` is refused.
fn run(subject: &str, times: usize) {
    match subject.split_once(' ').unwrap() {
        ("raw", alg) => raw(&Subject::new(alg), times),
        ("full", alg) => full(&Subject::new(alg), times),
        ("client", alg) => with_client(&Subject::new(alg), times),
        ("refuse", what) => refuse(what, times),
        _ => panic!("no subject {subject}"),
    }
}

struct Subject {
    algorithm: Algorithm,
    token: String,
    key: VerifyingKey,
    jwk: Option<Jwk>,
}

impl Subject {
    fn new(alg: &str) -> Self {
        let all: Value = serde_json::from_str(TOKENS).unwrap();
        if alg == "HS256" {
            return Self::hmac(&all["claims"].to_string());
        }
        let own = &all[alg];
        let jwk = Jwk::from_slice(own["jwk"].to_string().as_bytes()).unwrap();
        Self {
            algorithm: alg.parse().unwrap(),
            token: own["token"].as_str().unwrap().to_owned(),
            key: VerifyingKey::from_jwk(&jwk).unwrap(),
            jwk: Some(jwk),
        }
    }

    fn hmac(claims: &str) -> Self {
        let algorithm = Algorithm::HS256;
        let signer = SigningKey::hmac(algorithm, &SECRET).unwrap();
        let header = encode_header(algorithm, "shared", "at+jwt");
        let mut token = String::new();
        compact(&header, claims.as_bytes(), &signer, &mut token).unwrap();
        let key = VerifyingKey::hmac(algorithm, &SECRET).unwrap();
        Self {
            algorithm,
            token,
            key: key.with_kid("shared"),
            jwk: None,
        }
    }

    fn verifier(&self) -> Verifier {
        Verifier::builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .keys([self.key.clone()])
            .algorithms([self.algorithm])
            .build()
            .unwrap()
    }
}

fn raw(subject: &Subject, times: usize) {
    let parsed = Compact::parse(&subject.token, &Limits::default()).unwrap();
    let (_, signature) = subject.token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let input = parsed.signing_input();
    for _ in 0..times {
        let verified =
            subject
                .key
                .verify(subject.algorithm, black_box(input), black_box(&signature));
        verified.unwrap();
    }
}

fn full(subject: &Subject, times: usize) {
    let verifier = subject.verifier();
    for _ in 0..times {
        black_box(verifier.verify_at(black_box(&subject.token), NOW).unwrap());
    }
}

fn refuse(what: &str, times: usize) {
    let subject = Subject::new("ES256");
    let verifier = subject.verifier();
    let token = match what {
        "opaque" => "tgat_0123456789".to_owned(),
        "padded" => format!("{}=", subject.token),
        "dots" => ".".repeat(1 << 20),
        "header" => format!("AAAA{}", subject.token),
        "type" => {
            let (_, rest) = subject.token.split_once('.').unwrap();
            format!("{}.{rest}", encode_header(Algorithm::ES256, "x", "JWE"))
        }
        _ => panic!("no token {what}"),
    };
    for _ in 0..times {
        black_box(verifier.verify_at(black_box(&token), NOW).unwrap_err());
    }
}

fn with_client(subject: &Subject, times: usize) {
    let set = JwkSet {
        keys: subject.jwk.iter().cloned().collect(),
    };
    let http = Fixed(serde_json::to_vec(&set).unwrap());
    let keys = KeySource::jwks_url("https://auth.example.com/jwks")
        .http(Arc::new(http))
        .build();
    let verifier = Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .key_source(&keys)
        .clock(Arc::new(Standing(SystemClock::default())))
        .build()
        .unwrap();
    let verifier = verifier.blocking();
    verifier.warm_up().unwrap();
    for _ in 0..times {
        black_box(verifier.verify(black_box(&subject.token)).unwrap());
    }
}

/// A provider that always says the same.
struct Fixed(Vec<u8>);

impl HttpClient for Fixed {
    fn fetch(&self, _: &FetchRequest) -> Result<FetchResponse, FetchError> {
        Ok(FetchResponse::new(200, self.0.clone()))
    }
}

/// A clock whose wall time stands still; the other costs what it costs.
struct Standing(SystemClock);

impl Clock for Standing {
    fn now(&self) -> UnixSeconds {
        NOW
    }

    fn elapsed(&self) -> std::time::Duration {
        self.0.elapsed()
    }
}
