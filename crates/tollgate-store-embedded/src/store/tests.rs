//! What shows only from the inside: a queue without a writer, rows that nobody would write.

use tollgate_store::{
    NewToken,
    conformance::{
        housekeeping::both,
        sample::{self, NOW},
    },
};

use super::*;
use crate::{keys, reply::Answered};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
}

fn insert(token: NewToken) -> (Request, Answered<Result<InsertOutcome, StoreError>>) {
    let (reply, answer) = reply::channel();
    let tokens = vec![token];
    (
        Request::Insert {
            tokens,
            active_max: 0,
            now: NOW,
            reply,
        },
        answer,
    )
}

#[test]
fn a_full_queue_refuses_and_forgets_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = EmbeddedConfig {
        queue_max: 2,
        ..EmbeddedConfig::new(directory.path())
    };
    let opened = open::open(&config).expect("open");
    let queue = Queue {
        sender: Mutex::new(Some(opened.sender)),
        engine: Arc::clone(&opened.engine),
    };
    let mut answers = Vec::new();
    for (number, fits) in [(1, true), (2, true), (3, false), (4, false)] {
        let (request, answer) = insert(sample::access_token(number, "shop"));
        let sent = queue.send(request);
        assert_eq!(sent.is_ok(), fits);
        assert!(sent.is_ok() || matches!(sent, Err(StoreError::Saturated)));
        answers.push(answer);
    }
    let stats = opened.engine.stats.snapshot();
    assert_eq!((stats.queued, stats.saturated), (2, 2));
    drop(queue);
    opened.writer.run();
    let answered = answers.into_iter().map(|answer| answer.now().is_some());
    assert_eq!(answered.collect::<Vec<_>>(), [true, true, false, false]);
    let stats = opened.engine.stats.snapshot();
    assert_eq!(
        (stats.queued, stats.commit_operations.sum),
        (0, 2),
        "in one commit"
    );
    assert_eq!(stats.commit_operations.count, 1);
}

#[test]
fn a_sweep_clears_away_what_a_restore_left_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = EmbeddedStore::open(&EmbeddedConfig::new(directory.path())).expect("open");
    let rows = || {
        let engine = &store.shared.engine;
        (
            engine.tokens.len().expect("tokens"),
            engine.marks.len().expect("marks"),
        )
    };
    runtime().block_on(async {
        let tokens = (0..300).map(|number| sample::access_token(number, "shop"));
        store
            .insert(tokens.collect(), 0, NOW)
            .await
            .expect("insert");
        let signed = Probe::Signed(sample::signed_token(500, "shop"));
        store
            .revoke(vec![sample::by_administrator(signed)], NOW)
            .await
            .expect("revoke");
        let used = store
            .use_assertion(sample::key(501), sample::later(9), NOW)
            .await;
        assert_eq!(used.expect("use"), AssertionUse::Fresh);
        let snapshot = store.export().await.expect("export");
        store.import(snapshot).await.expect("import");
        assert_eq!(rows(), (300, 2));
        let mut steps = 0;
        while !store.sweep(50, both(NOW)).await.expect("sweep").finished {
            steps += 1;
        }
        assert!(steps >= 6, "50 at a time");
        assert_eq!(rows(), (0, 1));
    });
}

#[test]
fn a_damaged_row_is_refused_and_its_neighbours_are_served() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = EmbeddedStore::open(&EmbeddedConfig::new(directory.path())).expect("open");
    let engine = &store.shared.engine;
    let generation = engine.index.read().generation;
    let number = |number| sample::key(number);
    engine
        .tokens
        .insert(keys::token(generation, number(1)), b"junk")
        .expect("write");
    let mark = keys::mark(keys::MarkKind::Spent, generation, number(2));
    engine.marks.insert(mark, b"junk").expect("write");
    runtime().block_on(async {
        store
            .create_client(sample::client("shop"))
            .await
            .expect("create");
        let healthy = sample::one_time_token(3, "shop");
        store.insert(vec![healthy], 0, NOW).await.expect("insert");
        let signed = Probe::Signed(sample::signed_token(2, "shop"));
        for probe in [sample::stored(1), signed] {
            let standing = store.standing(std::slice::from_ref(&probe), NOW).await;
            assert!(
                matches!(standing, Err(StoreError::Corrupt(_))),
                "{standing:?}"
            );
            let revoked = store
                .revoke(vec![sample::by_administrator(probe)], NOW)
                .await;
            assert!(
                matches!(revoked, Err(StoreError::Corrupt(_))),
                "{revoked:?}"
            );
        }
        // The operation as a whole fails: its first half is not consumed.
        let both = [3, 1].map(|number| sample::redemption(number, "shop"));
        let redeemed = store.redeem(both.to_vec(), NOW).await;
        assert!(
            matches!(redeemed, Err(StoreError::Corrupt(_))),
            "{redeemed:?}"
        );
        assert_eq!(store.active(NOW), 1);
        let [healthy, _] = both;
        let redeemed = store.redeem(vec![healthy], NOW).await.expect("redeem");
        assert!(matches!(redeemed.as_slice(), [Redeemed::Consumed(_)]));
        assert_eq!(store.health().await, Health::Ok);
    });
    assert_eq!(store.stats().corrupt, 5);
}

#[test]
fn a_sweep_goes_on_past_damaged_rows() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = EmbeddedStore::open(&EmbeddedConfig::new(directory.path())).expect("open");
    let engine = &store.shared.engine;
    let generation = engine.index.read().generation;
    let rows = || {
        let tokens = engine.tokens.len().expect("tokens");
        (tokens, engine.marks.len().expect("marks"))
    };
    runtime().block_on(async {
        let tokens = (0..300).map(|number| sample::access_token(number, "shop"));
        store
            .insert(tokens.collect(), 0, NOW)
            .await
            .expect("insert");
        let signed = (300..400).map(|number| {
            sample::by_administrator(Probe::Signed(sample::signed_token(number, "shop")))
        });
        store.revoke(signed.collect(), NOW).await.expect("revoke");
        // Hashes scatter them: there are whole rows before and behind.
        for number in [10, 150, 290] {
            let row = keys::token(generation, sample::key(number));
            engine.tokens.insert(row, b"junk").expect("write");
            let row = keys::mark(
                keys::MarkKind::Spent,
                generation,
                sample::key(300 + number / 3),
            );
            engine.marks.insert(row, b"junk").expect("write");
        }
        assert_eq!(rows(), (300, 100));
        let end = sample::later(sample::TTL_SECONDS).plus(tollgate_store::MARKS_OUTLAST);
        let mut removed = 0;
        loop {
            let outcome = store.sweep(64, both(end)).await.expect("sweep");
            removed += outcome.removed;
            if outcome.finished {
                break;
            }
            assert!(outcome.removed > 0, "it gets on, or ends");
        }
        assert_eq!(removed, 297 + 97);
        assert_eq!(
            rows(),
            (3, 3),
            "the damaged ones stay for whoever looks into it"
        );
    });
    assert!(store.stats().corrupt >= 6, "and are told of");
}
