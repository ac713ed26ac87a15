//! A process killed at any point keeps what it acknowledged. `TOLLGATE_CRASH_ROUNDS` says how
//! often it is killed, `TOLLGATE_CRASH_ANSWERS` after how many answers at least.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::Stdio,
    sync::Arc,
};

use tollgate_store::{
    Probe, Redeemed, Revoked, Store,
    conformance::sample::{self, NOW},
};
use tollgate_store_embedded::EmbeddedStore;

use crate::support::{child, child_directory, insert, open, register, runtime, setting, stands};

/// The numbers that one round may use.
const ROUND: u64 = 1_000_000;
/// How far into the round before a round looks back for one-time tokens to redeem again.
const LOOK_BACK: u64 = 500;

/// What the children said.
#[derive(Default)]
struct Acknowledged {
    inserted: BTreeSet<u64>,
    revoked: BTreeSet<u64>,
    redeemed: BTreeMap<u64, u32>,
}

impl Acknowledged {
    fn take(&mut self, line: &str) {
        // The test harness of the child has lines of its own.
        let Some((kind, number)) = line.split_once(' ') else {
            return;
        };
        let Ok(number) = number.parse() else { return };
        match kind {
            "inserted" => drop(self.inserted.insert(number)),
            "revoked" => drop(self.revoked.insert(number)),
            "redeemed" => *self.redeemed.entry(number).or_default() += 1,
            _ => {}
        }
    }

    fn len(&self) -> usize {
        self.inserted.len() + self.revoked.len() + self.redeemed.len()
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut acknowledged = Acknowledged::default();
    runtime().block_on(async {
        let store = open(directory.path());
        register(&store).await;
        store.close().await.expect("close");
    });
    for round in 0..setting("TOLLGATE_CRASH_ROUNDS", 5) {
        let answers = setting("TOLLGATE_CRASH_ANSWERS", 300) + round * 7919 % 3000;
        let enough = acknowledged.len() + usize::try_from(answers).expect("small");
        run_and_kill(directory.path(), round, enough, &mut acknowledged);
        let store = open(directory.path());
        runtime().block_on(check(&store, &acknowledged));
    }
    assert!(
        acknowledged.redeemed.values().all(|wins| *wins == 1),
        "redeemed twice"
    );
    assert!(!acknowledged.revoked.is_empty() && !acknowledged.redeemed.is_empty());
}

fn run_and_kill(directory: &Path, round: u64, enough: usize, acknowledged: &mut Acknowledged) {
    let mut child = child("crash::child_that_is_killed", directory)
        .env("TOLLGATE_TEST_CHILD_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    while acknowledged.len() < enough {
        let line = lines.next().expect("the child goes on until it is killed");
        acknowledged.take(&line.expect("a line"));
    }
    child.kill().expect("kill");
    // What it said before it died is in the pipe.
    for line in lines {
        acknowledged.take(&line.expect("a line"));
    }
    child.wait().expect("wait");
}

/// Of a token whose revocation or redemption was not acknowledged nothing is known.
async fn check(store: &EmbeddedStore, acknowledged: &Acknowledged) {
    for number in acknowledged.inserted.iter().copied() {
        let probe = Probe::Stored(sample::key(number));
        let stands = stands(store, probe).await.expect("standing");
        let gone =
            acknowledged.revoked.contains(&number) || acknowledged.redeemed.contains_key(&number);
        assert!(!gone || !stands, "{number} is alive again");
        assert!(stands || gone || number % 3 != 0, "{number} is lost");
    }
    for number in acknowledged.redeemed.keys() {
        let again = store
            .redeem(vec![sample::redemption(*number, "shop")], NOW)
            .await;
        assert_eq!(
            again.expect("redeem"),
            [Redeemed::AlreadyConsumed],
            "{number}"
        );
    }
    let unsaid =
        acknowledged.inserted.len() - acknowledged.revoked.len() - acknowledged.redeemed.len();
    let counted = store.count(Default::default(), NOW).await.expect("count");
    assert_eq!(
        store.active(NOW),
        counted,
        "the counters fit the tokens; {unsaid} may live"
    );
}

#[test]
#[ignore = "what_was_acknowledged_survives_kill_9 runs it"]
fn child_that_is_killed() {
    let Some(directory) = child_directory() else {
        return;
    };
    let round = setting("TOLLGATE_TEST_CHILD_ROUND", 0);
    let store = Arc::new(open(&directory));
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..16 {
            tasks.spawn(work(Arc::clone(&store), round, task));
        }
        tasks.join_all().await;
    });
}

async fn work(store: Arc<EmbeddedStore>, round: u64, task: u64) {
    if let Some(before) = round.checked_sub(1) {
        for number in before * ROUND..before * ROUND + LOOK_BACK {
            redeem(&store, number).await;
        }
    }
    for step in 0..ROUND / 16 {
        let number = round * ROUND + step * 16 + task;
        let mut token = sample::access_token(number, "shop");
        if number % 3 == 2 {
            token = sample::one_time_token(number, "shop");
        }
        insert(&store, vec![token]).await.expect("insert");
        say("inserted", number);
        if number % 3 == 1 {
            let revoke = sample::by_administrator(Probe::Stored(sample::key(number)));
            let revoked = store.revoke(vec![revoke], NOW).await.expect("revoke");
            assert_eq!(revoked, [Revoked::Revoked]);
            say("revoked", number);
        }
        // Redeemed by its neighbours too.
        for number in number.saturating_sub(2)..=number {
            redeem(&store, number).await;
        }
    }
}

async fn redeem(store: &EmbeddedStore, number: u64) {
    if number % 3 == 2 {
        let redeemed = store
            .redeem(vec![sample::redemption(number, "shop")], NOW)
            .await;
        if let [Redeemed::Consumed(_)] = redeemed.expect("redeem").as_slice() {
            say("redeemed", number);
        }
    }
}

fn say(what: &str, number: u64) {
    let line = format!("{what} {number}\n");
    std::io::stdout().write_all(line.as_bytes()).expect("say");
    std::io::stdout().flush().expect("say");
}
