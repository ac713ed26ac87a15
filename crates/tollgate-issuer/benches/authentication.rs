//! How long it takes to refuse a caller, by what is wrong: times that tell clients apart tell
//! strangers which clients there are. Prints figures; passes no judgement.
//!
//! `cargo bench -p tollgate-issuer`; the cases take turns, so that what disturbs one disturbs all.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints figures and ends when it cannot measure"
)]

use std::time::{Duration, Instant};

use tollgate_issuer::{
    Context, Issuer, KeyPolicy, MasterKey, Settings, authenticate::Credentials, clients::NewClient,
};
use tollgate_jose::{Algorithm, SigningKey, compact, encode_header};
use tollgate_protocol::{
    ClientSecret, Entropy, Now, TokenFormat, UnixMillis, entropy::EntropyUnavailable,
};
use tollgate_store::MemoryStore;
use zeroize::Zeroizing;

const ISSUER: &str = "https://auth.example.com";
const NOW_SECONDS: u64 = 1_800_000_000;
/// Turns of each case.
const TURNS: usize = 20_000;
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::EdDSA,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::RS256,
];

/// Identifiers need not be secret here.
struct Ones;

impl Entropy for Ones {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        bytes.fill(1);
        Ok(())
    }
}

fn context() -> Context<'static> {
    let now = UnixMillis(NOW_SECONDS * 1000);
    Context {
        now: Now {
            wall: now,
            steady: now,
        },
        entropy: &Ones,
    }
}

/// What is presented by whom.
struct Case {
    what: String,
    client_id: &'static str,
    proof: Proof,
    nanos: Vec<u64>,
}

enum Proof {
    Secret(ClientSecret),
    Assertion(String),
}

impl Case {
    fn new(what: &str, client_id: &'static str, proof: Proof) -> Self {
        Self {
            what: format!("{what}, {client_id}"),
            client_id,
            proof,
            nanos: Vec::with_capacity(TURNS),
        }
    }

    async fn turn(&mut self, issuer: &Issuer<MemoryStore>) {
        let client_id = self.client_id.parse().unwrap();
        let credentials = match &self.proof {
            Proof::Secret(secret) => Credentials::Secret {
                client_id,
                secret: secret.clone(),
            },
            Proof::Assertion(assertion) => Credentials::Assertion {
                client_id: Some(client_id),
                assertion,
            },
        };
        let begun = Instant::now();
        let outcome = issuer.authenticate(credentials, &context()).await;
        let took = begun.elapsed();
        assert!(outcome.is_err(), "{}", self.what);
        self.nanos
            .push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    fn report(mut self) {
        self.nanos.sort_unstable();
        let at = |part: usize| {
            let place = self.nanos.len() * part / 100;
            self.nanos
                .get(place)
                .map_or(0.0, |nanos| *nanos as f64 / 1e3)
        };
        println!(
            "{:<36} {:>8.2} {:>8.2} {:>8.2}",
            self.what,
            at(10),
            at(50),
            at(90)
        );
    }
}

async fn open() -> Issuer<MemoryStore> {
    let settings = Settings {
        issuer: ISSUER.to_owned(),
        access_format: TokenFormat::Jwt,
        access_ttl: Duration::from_secs(3600),
        one_time_ttl: Duration::from_secs(120),
        active_max: 0,
        cache_entries_max: 1000,
        cache_ttl: Duration::from_secs(300),
        keys: KeyPolicy {
            signing_alg: Algorithm::ES256,
            rotate_every: Duration::from_secs(90 * 86400),
            publish_ahead: Duration::from_secs(86400),
            retain_after: Duration::from_secs(86400),
        },
    };
    let master = MasterKey::new(Zeroizing::new([7; 32]));
    let store = MemoryStore::default();
    Issuer::open(store, settings, master, &context())
        .await
        .unwrap()
}

/// Assertions of `algorithm` that look right, in the name of a client with another key and of none.
async fn assertions(issuer: &Issuer<MemoryStore>, algorithm: Algorithm) -> [Case; 2] {
    let generate = || SigningKey::generate(algorithm).unwrap().1;
    let (own, wrong) = (generate(), generate());
    let jwk = serde_json::to_value(own.public_jwk().unwrap()).unwrap();
    let keyed: &'static str = match algorithm {
        Algorithm::EdDSA => "keyed-eddsa",
        Algorithm::ES256 => "keyed-es256",
        Algorithm::ES384 => "keyed-es384",
        _ => "keyed-rs256",
    };
    let new = NewClient {
        jwks: Some(serde_json::json!({ "keys": [jwk] }).to_string()),
        ..NewClient::new(keyed.parse().unwrap())
    };
    issuer.create_client(new, &context()).await.unwrap();
    [keyed, "nobody-at-a"].map(|client_id| {
        let claims = serde_json::json!({
            "iss": client_id, "sub": client_id, "aud": ISSUER, "jti": "1",
            "exp": NOW_SECONDS + 60,
        });
        let header = encode_header(algorithm, own.kid(), "JWT");
        let mut assertion = String::new();
        compact(
            &header,
            claims.to_string().as_bytes(),
            &wrong,
            &mut assertion,
        )
        .unwrap();
        Case::new(algorithm.name(), client_id, Proof::Assertion(assertion))
    })
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let issuer = open().await;
        let new = NewClient::new("somebody".parse().unwrap());
        issuer.create_client(new, &context()).await.unwrap();
        let wrong = || Proof::Secret(ClientSecret::new("w".repeat(43)).unwrap());
        let mut cases = vec![
            Case::new("secret", "somebody", wrong()),
            Case::new("secret", "nobody-a", wrong()),
        ];
        for algorithm in ALGORITHMS {
            cases.extend(assertions(&issuer, algorithm).await);
        }
        for _ in 0..TURNS {
            for case in &mut cases {
                case.turn(&issuer).await;
            }
        }
        println!(
            "{:<36} {:>8} {:>8} {:>8}",
            "refused, µs", "p10", "median", "p90"
        );
        cases.into_iter().for_each(Case::report);
    });
}
