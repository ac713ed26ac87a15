//! Times on one core: the median of many short rounds, in which all subjects take turns, so that
//! whatever else the machine does meets them all.

use crate::libraries::{self, Verify};
use crate::material::Material;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};
use tollgate_verify::UnixSeconds;

const ROUNDS: usize = 301;
/// Length of one round of one subject.
const ROUND: Duration = Duration::from_millis(2);

/// Nanoseconds for each algorithm and library, and for each kind of malformed token.
pub(crate) fn one_core(material: &Material) -> Value {
    let mut algorithms = Map::new();
    for alg in material.tokens.keys() {
        algorithms.insert(alg.clone(), times(libraries::all(material, alg)));
    }
    json!({ "algorithms": algorithms, "malformed": times(malformed(material)) })
}

fn malformed(material: &Material) -> Vec<(&'static str, Verify)> {
    let token = &material.tokens["ES256"];
    let (head, rest) = token.split_once('.').unwrap();
    let tokens = [
        (
            "opaque token",
            "tgat_0123456789abcdefghijklmnopqrstuvwxyz".to_owned(),
        ),
        ("padding", format!("{token}=")),
        ("1 MiB of dots", ".".repeat(1 << 20)),
        ("header that is no JSON", format!("AAAA{token}")),
        ("five parts", format!("{head}.{rest}.{rest}")),
    ];
    tokens
        .map(|(name, token)| (name, refuse(material, token)))
        .into()
}

fn refuse(material: &Material, token: String) -> Verify {
    let verifier = libraries::verifier(material, "ES256");
    let now = UnixSeconds(material.now);
    Box::new(move || {
        let outcome = verifier.verify_at(std::hint::black_box(&token), now);
        drop(std::hint::black_box(outcome.unwrap_err()));
    })
}

fn times(mut subjects: Vec<(&'static str, Verify)>) -> Value {
    let calls: Vec<u32> = subjects
        .iter_mut()
        .map(|(_, verify)| calls_per_round(verify))
        .collect();
    let mut times: Vec<Vec<f64>> = vec![Vec::with_capacity(ROUNDS); subjects.len()];
    for _ in 0..ROUNDS {
        for (((_, verify), calls), times) in subjects.iter_mut().zip(&calls).zip(&mut times) {
            times.push(round(verify, *calls));
        }
    }
    let medians = subjects.iter().zip(times).map(|((name, _), mut times)| {
        times.sort_by(f64::total_cmp);
        ((*name).to_owned(), json!(times[ROUNDS / 2]))
    });
    Value::Object(medians.collect())
}

/// Nanoseconds a call.
fn round(verify: &mut Verify, calls: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        verify();
    }
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn calls_per_round(verify: &mut Verify) -> u32 {
    for _ in 0..100 {
        verify();
    }
    let nanoseconds = round(verify, 100);
    (ROUND.as_nanos() as f64 / nanoseconds).clamp(1.0, 100_000.0) as u32
}
