//! Keys rotate every two seconds while resource servers verify, with the validation library and
//! its defaults, as fast as they can: futures and threads, on keys of their own and on shared ones.
//! No token is refused.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tollgate_jose::{Compact, Limits};
use tollgate_testkit::{TestClient, TestServer};
use tollgate_verify::{Verifier, client::KeySource};

use crate::{http::Connection, setting, start};

const AUDIENCE: &str = "https://orders.example";
/// The latest tokens, which the verifiers go through over and over.
const RECENT_MAX: usize = 500;
/// Far more than a rotation takes; only a hang runs into it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What issuer and verifiers share.
#[derive(Default)]
struct Traffic {
    tokens: Mutex<Tokens>,
    stop: AtomicBool,
    verified: [AtomicUsize; 4],
}

#[derive(Default)]
struct Tokens {
    recent: VecDeque<String>,
    /// The first token of each key: it must count as long as it lives, whoever signs by then.
    first: Vec<String>,
    kids: BTreeSet<String>,
}

impl Traffic {
    fn has_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The newest token and, in turn, the others.
    fn pick(&self, turn: usize) -> [String; 3] {
        let Tokens { recent, first, .. } = &*self.tokens.lock().unwrap();
        [
            recent.back().unwrap().clone(),
            recent[turn % recent.len()].clone(),
            first[turn % first.len()].clone(),
        ]
    }
}

/// Ends the others also when this thread panics, so that the test fails instead of hanging.
struct StopOnDrop<'t>(&'t Traffic);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_token_is_refused_while_keys_rotate() {
    let wanted = setting("TOLLGATE_TEST_ROTATIONS", 3);
    let server = start(
        "[keys]\nrotate_every = \"2s\"\npublish_ahead = \"2s\"\nretain_after = \"2s\"\n\
         jwks_max_age = \"1s\"\n[tokens]\naccess_ttl = \"10m\"\nactive_max = 0\n",
    );
    let client = server.create_client(&["--id", "rotating", "--audience", AUDIENCE]);
    let shared = KeySource::discovery(server.issuer()).build();
    let own = || KeySource::discovery(server.issuer()).build();
    let verifiers = [&shared, &shared, &own(), &own()].map(|keys| verifier(&server, keys));
    let traffic = Traffic::default();
    issue(&mut Connection::to(&server), &client, &traffic);
    std::thread::scope(|scope| {
        let traffic = &traffic;
        for (at, verifier) in verifiers.iter().enumerate() {
            scope.spawn(move || {
                let _stop = StopOnDrop(traffic);
                if at % 2 == 0 {
                    verify_blocking(verifier, traffic, at);
                } else {
                    verify_async(verifier, traffic, at);
                }
            });
        }
        let _stop = StopOnDrop(traffic);
        issue_until(wanted, &mut Connection::to(&server), &client, traffic);
    });
    for (verifier, verified) in verifiers.iter().zip(&traffic.verified) {
        let stats = verifier.stats();
        assert!(verified.load(Ordering::Relaxed) > 100, "no load: {stats:?}");
        assert!(stats.sources[0].refreshes >= wanted as u64, "{stats:?}");
        assert_eq!(stats.sources[0].failures, 0, "{stats:?}");
    }
}

fn verifier(server: &TestServer, keys: &KeySource) -> Verifier {
    Verifier::builder()
        .issuer(server.issuer())
        .audience(AUDIENCE)
        .key_source(keys)
        .build()
        .unwrap()
}

fn verify_blocking(verifier: &Verifier, traffic: &Traffic, at: usize) {
    let verifier = verifier.blocking();
    for turn in 0.. {
        if traffic.has_stopped() {
            break;
        }
        for token in traffic.pick(turn) {
            verifier.verify(&token).expect("the token counts");
            traffic.verified[at].fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn verify_async(verifier: &Verifier, traffic: &Traffic, at: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        for turn in 0.. {
            if traffic.has_stopped() {
                break;
            }
            for token in traffic.pick(turn) {
                verifier.verify(&token).await.expect("the token counts");
                traffic.verified[at].fetch_add(1, Ordering::Relaxed);
            }
        }
    });
}

/// Issues until another key has signed so often, or a verifier has given up.
fn issue_until(wanted: usize, connection: &mut Connection, client: &TestClient, traffic: &Traffic) {
    let (mut keys, begun) = (1, Instant::now());
    let late = PATIENCE.saturating_mul(u32::try_from(wanted).unwrap());
    while keys <= wanted && !traffic.has_stopped() {
        keys = issue(connection, client, traffic);
        assert!(begun.elapsed() < late, "only {keys} keys signed");
    }
}

/// A fresh token for the verifiers; how many keys have signed so far.
fn issue(connection: &mut Connection, client: &TestClient, traffic: &Traffic) -> usize {
    let answer = connection.post(client, "/oauth/token", "grant_type=client_credentials");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let unverified = Compact::parse(&token, &Limits::default()).unwrap();
    let kid = unverified.header().kid().unwrap().to_owned();
    let mut tokens = traffic.tokens.lock().unwrap();
    if tokens.kids.insert(kid) {
        tokens.first.push(token.clone());
    }
    if tokens.recent.len() == RECENT_MAX {
        tokens.recent.pop_front();
    }
    tokens.recent.push_back(token);
    tokens.kids.len()
}
