//! What verification costs beside the bare signature check, in interleaved rounds.
//!
//! Ratios of medians from one process: they hold on a noisy machine, where single times do not.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use std::hint::black_box;
use std::time::Instant;

use tollgate_verify::jose::{
    Algorithm, Compact, JwkSet, Limits, SigningKey, VerifyingKey, compact, encode_header,
};
use tollgate_verify::{UnixSeconds, Verifier};

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const ROUNDS: usize = 301;
const CALLS_PER_ROUND: u32 = 50;

/// The claims of a realistic RFC 9068 token.
const CLAIMS: &str = r#"{"iss":"https://auth.example.com","sub":"5ba552d67","aud":"https://orders.example.com","exp":1700003600,"iat":1700000000,"jti":"dbe39bf3a3ba4238a513f51d6e1691c4","client_id":"s6BhdRkqt3","scope":"openid profile orders:read orders:write"}"#;

fn main() {
    println!(
        "{:<8}{:>12}{:>12}{:>8}",
        "alg", "raw ns", "full ns", "ratio"
    );
    for alg in [
        Algorithm::RS256,
        Algorithm::ES256,
        Algorithm::EdDSA,
        Algorithm::HS256,
    ] {
        let (token, verifier, key) = subject(alg);
        let parsed = Compact::parse(&token, &Limits::default()).unwrap();
        let signature = signature(&token);
        let [raw, full] = medians([
            &mut || {
                key.verify(alg, parsed.signing_input(), black_box(&signature))
                    .unwrap();
            },
            &mut || {
                black_box(verifier.verify_at(black_box(&token), NOW).unwrap());
            },
        ]);
        println!(
            "{:<8}{raw:>12.0}{full:>12.0}{:>8.3}",
            alg.name(),
            full / raw
        );
    }
    refusals();
    many();
}

fn refusals() {
    let (token, verifier, _) = subject(Algorithm::ES256);
    let (padded, dots) = (format!("{token}="), ".".repeat(1 << 20));
    let bad_header = format!("AAAA{}", &token);
    let refuse = |token: &str| drop(black_box(verifier.verify_at(black_box(token), NOW)));
    let names = ["opaque", "padded", "1 MiB of dots", "broken header"];
    let times = medians([
        &mut || refuse("tgat_0123456789"),
        &mut || refuse(&padded),
        &mut || refuse(&dots),
        &mut || refuse(&bad_header),
    ]);
    for (name, time) in names.into_iter().zip(times) {
        println!("refuse {name:<20}{time:>8.0} ns");
    }
}

fn many() {
    let (token, verifier, _) = subject(Algorithm::ES256);
    let tokens = vec![token.as_str(); 1000];
    let mut runs: Vec<f64> = (0..15)
        .map(|_| {
            let start = Instant::now();
            for token in &tokens {
                black_box(verifier.verify_at(token, NOW).unwrap());
            }
            let one_by_one = start.elapsed();
            let start = Instant::now();
            black_box(verifier.verify_many_at(&tokens, NOW));
            one_by_one.as_secs_f64() / start.elapsed().as_secs_f64()
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    println!(
        "verify_many of 1000: {:.2} × one by one",
        runs.get(runs.len() / 2).unwrap()
    );
}

/// The median time of each call in nanoseconds, measured in turns.
fn medians<const N: usize>(mut calls: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (call, times) in calls.iter_mut().zip(&mut times) {
            let start = Instant::now();
            for _ in 0..CALLS_PER_ROUND {
                call();
            }
            times.push(start.elapsed().as_nanos() as f64 / f64::from(CALLS_PER_ROUND));
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap()
    })
}

fn subject(alg: Algorithm) -> (String, Verifier, VerifyingKey) {
    let builder = Verifier::builder()
        .issuer("https://auth.example.com")
        .audience("https://orders.example.com")
        .algorithms([alg]);
    let (signer, key) = if alg.is_symmetric() {
        let secret = [7; 64];
        let signer = SigningKey::hmac(alg, &secret).unwrap().with_kid("shared");
        (
            signer,
            VerifyingKey::hmac(alg, &secret).unwrap().with_kid("shared"),
        )
    } else {
        let (_, signer) = SigningKey::generate(alg).unwrap();
        let key = VerifyingKey::from_jwk(&signer.public_jwk().unwrap()).unwrap();
        (signer, key)
    };
    let verifier = match signer.public_jwk() {
        Some(jwk) => builder.jwk_set(&JwkSet { keys: vec![jwk] }),
        None => builder.keys([key.clone()]),
    };
    let mut token = String::new();
    let header = encode_header(alg, signer.kid(), "at+jwt");
    compact(&header, CLAIMS.as_bytes(), &signer, &mut token).unwrap();
    (token, verifier.build().unwrap(), key)
}

fn signature(token: &str) -> Vec<u8> {
    let (_, encoded) = token.rsplit_once('.').unwrap();
    base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, encoded).unwrap()
}
