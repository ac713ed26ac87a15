//! Many at once: one winner, no lost update, no half of a batch.

use std::{future::Future, sync::Arc};

use tokio::task::JoinSet;

use super::{
    Fixture,
    sample::{
        NOW, access_token, client, client_id, key, later, one_time_token, redemption, stored,
    },
    tokens::{insert, register},
};
use crate::{AssertionUse, ClientChange, ClientRecord, InsertOutcome, Redeemed, Standing, Store};

const TASKS: u64 = 16;

/// What `TASKS` tasks answer that run `work` on one store at the same time.
async fn together<S, T, W>(store: &Arc<S>, work: impl Fn(Arc<S>, u64) -> W) -> Vec<T>
where
    S: Store,
    T: Send + 'static,
    W: Future<Output = T> + Send + 'static,
{
    let tasks: JoinSet<T> = (0..TASKS)
        .map(|task| work(Arc::clone(store), task))
        .collect();
    tasks.join_all().await
}

/// However many redeem it, each token has one winner.
pub async fn many_redeem_one_token(fixture: impl Fixture) {
    const TOKENS: u64 = 50;
    let store = fixture.store();
    register(&**store, "shop").await;
    insert(
        &**store,
        (0..TOKENS)
            .map(|number| one_time_token(number, "shop"))
            .collect(),
    )
    .await;
    let wins = together(store, async |store: Arc<_>, task: u64| {
        let mut wins = Vec::new();
        for step in 0..TOKENS {
            let number = (step + task) % TOKENS;
            let outcome = store.redeem(vec![redemption(number, "shop")], NOW).await;
            match outcome.expect("redeem").as_slice() {
                [Redeemed::Consumed(_)] => wins.push(number),
                [Redeemed::AlreadyConsumed] => {}
                other => unreachable!("{other:?}"),
            }
        }
        wins
    })
    .await;
    let mut wins: Vec<u64> = wins.into_iter().flatten().collect();
    wins.sort_unstable();
    assert_eq!(wins, (0..TOKENS).collect::<Vec<_>>());
}

/// The bound holds against many who insert at once.
pub async fn many_insert_below_one_bound(fixture: impl Fixture) {
    let store = fixture.store();
    register(&**store, "shop").await;
    let outcomes = together(store, async |store: Arc<_>, task: u64| {
        let mut inserted = 0;
        for number in 0..10 {
            let token = access_token(task * 10 + number, "shop");
            let outcome = store.insert(vec![token], 100, NOW).await.expect("insert");
            inserted += u64::from(outcome == InsertOutcome::Inserted);
        }
        inserted
    })
    .await;
    assert_eq!(outcomes.into_iter().sum::<u64>(), 100);
    assert_eq!(store.active(NOW), 100);
}

/// Of those who change one revision, one succeeds.
pub async fn many_update_one_client(fixture: impl Fixture) {
    let store = fixture.store();
    register(&**store, "shop").await;
    let outcomes = together(store, async |store: Arc<_>, task: u64| {
        let mut done = 0u64;
        for revision in 2..6 {
            let changed = ClientRecord {
                name: task.to_string(),
                revision,
                ..client("shop")
            };
            let change = store.update_client(changed).await.expect("update");
            done += u64::from(change == ClientChange::Done);
        }
        done
    })
    .await;
    let changes = outcomes.into_iter().sum::<u64>();
    let kept = store
        .client(&client_id("shop"))
        .await
        .expect("client")
        .expect("is there");
    assert_eq!(kept.revision, changes + 1, "each change counted once");
}

/// An assertion is fresh to one.
pub async fn many_use_one_assertion(fixture: impl Fixture) {
    let outcomes = together(fixture.store(), async |store: Arc<_>, _| {
        store
            .use_assertion(key(1), later(9), NOW)
            .await
            .expect("use")
    })
    .await;
    let fresh = outcomes.iter().filter(|used| **used == AssertionUse::Fresh);
    assert_eq!(fresh.count(), 1);
}

/// Of a batch that is inserted, a batch of probes sees all or nothing.
pub async fn readers_never_see_half(fixture: impl Fixture) {
    const BATCH: u64 = 20;
    let store = fixture.store();
    register(&**store, "shop").await;
    together(store, async |store: Arc<_>, task: u64| {
        for round in 0..10 {
            // Half of the tasks write what the other half reads.
            let batch = (task / 2) * 10 + round;
            let numbers = batch * BATCH..(batch + 1) * BATCH;
            if task.is_multiple_of(2) {
                let tokens = numbers.map(|number| access_token(number, "shop"));
                insert(&*store, tokens.collect()).await;
            } else {
                let probes: Vec<_> = numbers.map(stored).collect();
                let standings = store.standing(&probes, NOW).await.expect("standing");
                let dead = standings
                    .iter()
                    .filter(|one| **one == Standing::Dead)
                    .count();
                assert!(
                    dead == 0 || dead == standings.len(),
                    "{dead} of a batch missing"
                );
            }
        }
    })
    .await;
}
