//! Random sequences of operations, on a backend and on the model: the same answers.

use std::{fmt::Debug, sync::Arc};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tollgate_protocol::{Resources, UnixMillis, UnixSeconds};

use super::{
    Fixture,
    housekeeping::{every_key, sweep_all},
    sample::{self, NOW},
};
use crate::{
    AssertionUse, ClientChange, ClientEpoch, ClientRecord, ClientState, Cut, CutScope,
    InsertOutcome, KeyRing, KeyRingChange, MemoryStore, NewToken, Probe, Redeemed, Redemption,
    Revocation, Revoked, SignedToken, Snapshot, Standing, Store, TokenFilter, TokenKey, TokenUse,
};

const CLIENTS: [&str; 3] = ["ann", "bob", "eve"];

/// Tokens, clients and times are small numbers, so that operations meet one another.
#[derive(Clone, Debug)]
enum Operation {
    Wait {
        seconds: u64,
    },
    Insert {
        tokens: Vec<TokenSeed>,
        active_max: u64,
    },
    Standing {
        probes: Vec<ProbeSeed>,
    },
    Redeem {
        redemptions: Vec<(u64, usize, bool)>,
    },
    Revoke {
        revocations: Vec<(ProbeSeed, Option<usize>)>,
    },
    Cut {
        subject: Option<usize>,
        millis_ago: u64,
        ttl: u64,
    },
    UseAssertion {
        number: u64,
        ttl: u64,
    },
    Create {
        client: usize,
        epoch: u64,
    },
    Update {
        client: usize,
        epoch: u64,
        disabled: bool,
        stale: bool,
    },
    Delete {
        client: usize,
    },
    ReplaceKeyRing {
        revision: u64,
    },
    List {
        filter: FilterSeed,
        limit: usize,
    },
    Sweep {
        limit: usize,
    },
    Restore,
    Restart,
}

#[derive(Clone, Debug)]
struct TokenSeed {
    one_time: bool,
    client: usize,
    subject: usize,
    epoch: u64,
    ttl: u64,
}

#[derive(Clone, Debug)]
enum ProbeSeed {
    Stored(u64),
    Signed { number: u64, epoch: u64 },
}

#[derive(Clone, Debug)]
struct FilterSeed {
    client: Option<usize>,
    subject: Option<usize>,
}

fn operations() -> impl Strategy<Value = Operation> {
    let client = || 0..CLIENTS.len();
    let epoch = || 1..3u64;
    let token = (any::<bool>(), client(), client(), epoch(), 0..6u64).prop_map(
        |(one_time, client, subject, epoch, ttl)| TokenSeed {
            one_time,
            client,
            subject,
            epoch,
            ttl,
        },
    );
    let probe = || {
        prop_oneof![
            3 => (0..40u64).prop_map(ProbeSeed::Stored),
            1 => (0..6u64, epoch()).prop_map(|(number, epoch)| ProbeSeed::Signed { number, epoch }),
        ]
    };
    let filter = (
        proptest::option::of(client()),
        proptest::option::of(client()),
    )
        .prop_map(|(client, subject)| FilterSeed { client, subject });
    prop_oneof![
        3 => prop_oneof![9 => 0..3u64, 1 => 55..65u64]
            .prop_map(|seconds| Operation::Wait { seconds }),
        6 => (vec(token, 0..5), prop_oneof![Just(0u64), 5..20u64])
            .prop_map(|(tokens, active_max)| Operation::Insert { tokens, active_max }),
        4 => vec(probe(), 0..6).prop_map(|probes| Operation::Standing { probes }),
        4 => vec((0..40u64, client(), any::<bool>()), 0..4)
            .prop_map(|redemptions| Operation::Redeem { redemptions }),
        4 => vec((probe(), proptest::option::of(client())), 0..4)
            .prop_map(|revocations| Operation::Revoke { revocations }),
        1 => (proptest::option::of(client()), 0..4000u64, 1..6u64)
            .prop_map(|(subject, millis_ago, ttl)| Operation::Cut { subject, millis_ago, ttl }),
        2 => (0..4u64, 1..5u64).prop_map(|(number, ttl)| Operation::UseAssertion { number, ttl }),
        3 => (client(), epoch()).prop_map(|(client, epoch)| Operation::Create { client, epoch }),
        2 => (client(), epoch(), any::<bool>(), any::<bool>()).prop_map(
            |(client, epoch, disabled, stale)| Operation::Update { client, epoch, disabled, stale },
        ),
        1 => client().prop_map(|client| Operation::Delete { client }),
        1 => (0..4u64).prop_map(|revision| Operation::ReplaceKeyRing { revision }),
        2 => (filter, 1..4usize).prop_map(|(filter, limit)| Operation::List { filter, limit }),
        2 => (1..4usize).prop_map(|limit| Operation::Sweep { limit }),
        1 => Just(Operation::Restore),
        1 => Just(Operation::Restart),
    ]
}

/// What an operation answered.
#[derive(Debug, PartialEq)]
enum Answer {
    Done,
    Inserted(InsertOutcome),
    Standing(Vec<Standing>),
    Redeemed(Vec<Redeemed>),
    Revoked(Vec<Revoked>),
    Used(AssertionUse),
    Client(ClientChange, Option<Arc<ClientRecord>>),
    KeyRing(KeyRingChange, KeyRing),
    Listed(Vec<TokenKey>, u64, Vec<Arc<ClientRecord>>),
    Swept(usize),
    Restored(Box<Snapshot>),
}

/// Applies `cases` random sequences of operations to the backend and to the model, and fails with
/// the shortest sequence found on which they answer differently.
pub fn agrees_with_the_model<F: Fixture>(cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&vec(operations(), 1..60), |sequence| {
        runtime.block_on(compare::<F>(&sequence))
    });
    assert!(outcome.is_ok(), "{}", outcome.expect_err("failed"));
}

async fn compare<F: Fixture>(sequence: &[Operation]) -> Result<(), TestCaseError> {
    let model = MemoryStore::new();
    let mut fixture = F::open().await;
    let mut world = World::default();
    for operation in sequence {
        world.advance(operation);
        if matches!(operation, Operation::Restart) {
            fixture = fixture.restart().await;
        }
        let expected = world.apply(&model, operation).await;
        let store = &**fixture.store();
        let answer = world.apply(store, operation).await;
        prop_assert_eq!(&answer, &expected, "{:?}", operation);
        prop_assert_eq!(
            store.active(world.now),
            model.active(world.now),
            "{:?}",
            operation
        );
        let cuts = (store.latest_cut().await, model.latest_cut().await);
        prop_assert_eq!(
            cuts.0.expect("latest"),
            cuts.1.expect("latest"),
            "{:?}",
            operation
        );
        world.settle(operation);
    }
    Ok(())
}

/// What the operations of a sequence share.
struct World {
    now: UnixSeconds,
    keys_used: u64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            now: NOW,
            keys_used: 0,
        }
    }
}

impl World {
    fn advance(&mut self, operation: &Operation) {
        if let Operation::Wait { seconds } = operation {
            self.now = UnixSeconds(self.now.0 + seconds);
        }
    }

    /// Keys are never used twice.
    fn settle(&mut self, operation: &Operation) {
        if let Operation::Insert { tokens, .. } = operation {
            self.keys_used += tokens.iter().map(|_| 1).sum::<u64>();
        }
    }

    async fn apply(&self, store: &impl Store, operation: &Operation) -> Answer {
        match operation {
            Operation::Wait { .. } | Operation::Restart => Answer::Done,
            Operation::Insert { tokens, active_max } => {
                let tokens = (self.keys_used..)
                    .zip(tokens)
                    .map(|(number, seed)| self.token(number, seed));
                let outcome = store.insert(tokens.collect(), *active_max, self.now).await;
                Answer::Inserted(outcome.expect("insert"))
            }
            Operation::Standing { probes } => {
                let probes: Vec<_> = probes.iter().map(probe).collect();
                Answer::Standing(store.standing(&probes, self.now).await.expect("standing"))
            }
            Operation::Redeem { redemptions } => {
                let redemptions = redemptions.iter().map(redemption).collect();
                Answer::Redeemed(store.redeem(redemptions, self.now).await.expect("redeem"))
            }
            Operation::Revoke { revocations } => {
                let revocations = revocations.iter().map(|(seed, owner)| Revocation {
                    probe: probe(seed),
                    owner: owner.map(|client| sample::client_id(name(client))),
                });
                let outcome = store.revoke(revocations.collect(), self.now).await;
                Answer::Revoked(outcome.expect("revoke"))
            }
            Operation::Cut {
                subject,
                millis_ago,
                ttl,
            } => {
                let cut = self.cut(*subject, *millis_ago, *ttl);
                store.cut(cut).await.expect("cut");
                Answer::Done
            }
            Operation::UseAssertion { number, ttl } => {
                let expires_at = UnixSeconds(self.now.0 + ttl);
                let used = store
                    .use_assertion(sample::key(*number), expires_at, self.now)
                    .await;
                Answer::Used(used.expect("use"))
            }
            other => self.administer(store, other).await,
        }
    }

    async fn administer(&self, store: &impl Store, operation: &Operation) -> Answer {
        match operation {
            Operation::Create { client, epoch } => {
                let client = ClientRecord {
                    epoch: ClientEpoch(*epoch),
                    ..sample::client(name(*client))
                };
                let id = client.id.clone();
                let change = store.create_client(client).await.expect("create");
                Answer::Client(change, store.client(&id).await.expect("client"))
            }
            Operation::Update {
                client,
                epoch,
                disabled,
                stale,
            } => {
                let id = sample::client_id(name(*client));
                let own = store.client(&id).await.expect("client");
                let revision = own.map_or(1, |own| own.revision) + u64::from(!stale);
                let state = if *disabled {
                    ClientState::Disabled
                } else {
                    ClientState::Enabled
                };
                let changed = ClientRecord {
                    epoch: ClientEpoch(*epoch),
                    revision,
                    state,
                    ..sample::client(name(*client))
                };
                let change = store.update_client(changed).await.expect("update");
                Answer::Client(change, store.client(&id).await.expect("client"))
            }
            Operation::Delete { client } => {
                let id = sample::client_id(name(*client));
                let change = store.delete_client(id.clone()).await.expect("delete");
                Answer::Client(change, store.client(&id).await.expect("client"))
            }
            Operation::ReplaceKeyRing { revision } => {
                let change = store.replace_key_ring(sample::key_ring(*revision)).await;
                Answer::KeyRing(
                    change.expect("replace"),
                    store.key_ring().await.expect("ring"),
                )
            }
            Operation::List { filter, limit } => {
                let filter = TokenFilter {
                    client: filter.client.map(|client| sample::client_id(name(client))),
                    subject: filter.subject.map(|subject| sample::subject(name(subject))),
                };
                let keys = every_key(store, &filter, *limit, self.now).await;
                let count = store.count(filter, self.now).await.expect("count");
                let after = Some(sample::client_id(name(0))).filter(|_| *limit > 1);
                let clients = store.clients(after, *limit).await.expect("clients");
                Answer::Listed(keys, count, clients)
            }
            Operation::Sweep { limit } => Answer::Swept(sweep_all(store, *limit, self.now).await),
            Operation::Restore => {
                let snapshot = store.export().await.expect("export");
                store.import(snapshot.clone()).await.expect("import");
                Answer::Restored(Box::new(snapshot))
            }
            other => unreachable!("{other:?}"),
        }
    }

    fn token(&self, number: u64, seed: &TokenSeed) -> NewToken {
        let mut token = sample::one_time_token(number, name(seed.client));
        if !seed.one_time {
            token.record.usage = TokenUse::Access;
            token.record.data = None;
        }
        token.record.epoch = ClientEpoch(seed.epoch);
        token.record.subject = sample::subject(name(seed.subject));
        token.record.issued_at = self.now.to_millis();
        token.record.expires_at = UnixSeconds(self.now.0 + seed.ttl);
        token
    }

    fn cut(&self, subject: Option<usize>, millis_ago: u64, ttl: u64) -> Cut {
        Cut {
            scope: subject.map_or(CutScope::All, |client| {
                CutScope::Subject(sample::subject(name(client)))
            }),
            issued_up_to: UnixMillis(self.now.to_millis().0 - millis_ago),
            expires_at: UnixSeconds(self.now.0 + ttl),
        }
    }
}

fn name(client: usize) -> &'static str {
    CLIENTS.get(client).copied().expect("in range")
}

fn redemption((number, client, serves): &(u64, usize, bool)) -> Redemption {
    Redemption {
        key: sample::key(*number),
        client: sample::client_id(name(*client)),
        serves: if *serves {
            sample::resource("https://orders.example.com")
        } else {
            Resources::default()
        },
    }
}

/// What a signed token says of itself is one thing for each key, but for the epoch, which no
/// backend keeps.
fn probe(seed: &ProbeSeed) -> Probe {
    match seed {
        ProbeSeed::Stored(number) => Probe::Stored(sample::key(*number)),
        ProbeSeed::Signed { number, epoch } => {
            let client = CLIENTS
                .iter()
                .cycle()
                .nth(usize::try_from(*number).expect("small"));
            Probe::Signed(SignedToken {
                epoch: ClientEpoch(*epoch),
                expires_at: sample::later(number * 3 + 2),
                ..sample::signed_token(*number, client.expect("endless"))
            })
        }
    }
}
