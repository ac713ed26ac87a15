//! What all cores together reach: batches, and many tasks on warm keys.

use crate::libraries;
use crate::material::Material;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_verify::client::{FetchError, FetchRequest, FetchResponse, HttpClient, KeySource};
use tollgate_verify::{UnixSeconds, Verifier};

const ROUNDS: usize = 15;
const BATCH: usize = 1000;
const TASKS: usize = 64;
const TOKENS_PER_TASK: usize = 100;

/// How many times faster than one core by itself.
pub(crate) fn all_cores(material: &Material) -> Value {
    let cores = std::thread::available_parallelism().unwrap().get();
    json!({ "cores": cores, "batch": batch(material), "tasks": tasks(material) })
}

fn batch(material: &Material) -> f64 {
    let (verifier, now) = (
        libraries::verifier(material, "ES256"),
        UnixSeconds(material.now),
    );
    let tokens = vec![material.tokens["ES256"].as_str(); BATCH];
    median(|| {
        let one_by_one = time(|| {
            for token in &tokens {
                verifier.verify_at(token, now).unwrap();
            }
        });
        let together = time(|| {
            for result in verifier.verify_many_at(&tokens, now) {
                result.unwrap();
            }
        });
        one_by_one / together
    })
}

/// Throughput of many tasks over that of one, both with keys from a provider and at hand.
fn tasks(material: &Material) -> f64 {
    let verifier = with_provider(material);
    let token: Arc<str> = material.tokens["ES256"].as_str().into();
    let runtime = |threads| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .build()
            .unwrap()
    };
    let (single, all) = (
        runtime(1),
        runtime(std::thread::available_parallelism().unwrap().get()),
    );
    let run = |runtime: &tokio::runtime::Runtime, tasks: usize, each: usize| {
        let handles: Vec<_> = (0..tasks)
            .map(|_| {
                let (verifier, token) = (verifier.clone(), Arc::clone(&token));
                runtime.spawn(async move {
                    for _ in 0..each {
                        verifier.verify(&token).await.unwrap();
                    }
                })
            })
            .collect();
        for handle in handles {
            runtime.block_on(handle).unwrap();
        }
    };
    run(&all, 1, 1);
    median(|| {
        let one = time(|| run(&single, 1, TASKS * TOKENS_PER_TASK / 4)) * 4.0;
        let many = time(|| run(&all, TASKS, TOKENS_PER_TASK));
        one / many
    })
}

fn with_provider(material: &Material) -> Verifier {
    let document = json!({ "keys": [material.keys["ES256"]] }).to_string();
    let keys = KeySource::jwks_url("https://auth.example.com/jwks")
        .http(Arc::new(Provider(document.into_bytes())))
        .build();
    Verifier::builder()
        .issuer(&material.issuer)
        .audience(&material.audience)
        .key_source(&keys)
        .build()
        .unwrap()
}

/// Always says the same.
struct Provider(Vec<u8>);

impl HttpClient for Provider {
    fn fetch(&self, _: &FetchRequest) -> Result<FetchResponse, FetchError> {
        Ok(FetchResponse::new(200, self.0.clone()))
    }
}

fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().max(Duration::from_nanos(1)).as_secs_f64()
}

fn median(mut ratio: impl FnMut() -> f64) -> f64 {
    let mut ratios: Vec<f64> = (0..ROUNDS).map(|_| ratio()).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ROUNDS / 2]
}
