//! Who may open a directory, how a store is closed, and what it counts.

use std::{fs, sync::Arc};

use tollgate_store::{
    Probe, Redeemed, Store, StoreError,
    conformance::sample::{self, NOW},
};
use tollgate_store_embedded::{EmbeddedStore, OpenError};

use crate::support::{
    child, child_directory, files, insert, open, register, runtime, small, stands,
};

#[test]
fn a_directory_has_one_owner() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let second = EmbeddedStore::open(&small(directory.path()));
    assert!(matches!(second, Err(OpenError::Locked(_))), "{second:?}");
    let status = child("opening::child_that_is_second", directory.path()).status();
    assert!(status.expect("a child").success());
    drop(store);
    open(directory.path());
}

#[test]
#[ignore = "a_directory_has_one_owner runs it"]
fn child_that_is_second() {
    let Some(directory) = child_directory() else {
        return;
    };
    let second = EmbeddedStore::open(&small(&directory));
    assert!(matches!(second, Err(OpenError::Locked(_))), "{second:?}");
    let message = second.expect_err("locked").to_string();
    assert!(message.contains("in use by another process"), "{message}");
}

#[test]
fn another_format_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir(directory.path().join("db-v2")).expect("a directory");
    let opened = EmbeddedStore::open(&small(directory.path()));
    assert!(
        matches!(opened, Err(OpenError::Format { .. })),
        "{opened:?}"
    );
    assert!(!directory.path().join("db-v1").exists());
}

#[test]
fn what_a_crash_left_of_a_new_store_is_no_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let unfinished = directory.path().join("db.new");
    fs::create_dir(&unfinished).expect("a directory");
    fs::write(unfinished.join("0.jnl"), "half").expect("write");
    open(directory.path());
    assert!(!unfinished.exists());
}

#[test]
fn a_path_that_is_a_file_is_refused() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let opened = EmbeddedStore::open(&small(file.path()));
    assert!(matches!(opened, Err(OpenError::Io(_))), "{opened:?}");
}

#[test]
fn closing_commits_what_came_before_and_refuses_what_comes_after() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Arc::new(open(directory.path()));
    runtime().block_on(async {
        register(&store).await;
        let mut writes = tokio::task::JoinSet::new();
        for number in 0..50 {
            let store = Arc::clone(&store);
            writes.spawn(async move {
                insert(&store, vec![sample::access_token(number, "shop")]).await
            });
        }
        // Each task runs until it waits for its answer.
        tokio::task::yield_now().await;
        store.close().await.expect("close");
        assert!(writes.join_all().await.iter().all(Result::is_ok));
        let late = insert(&store, vec![sample::access_token(99, "shop")]).await;
        assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
        assert!(
            stands(&store, Probe::Stored(sample::key(7)))
                .await
                .expect("standing")
        );
        store.close().await.expect("again");
    });
    drop(store);
    assert_eq!(open(directory.path()).active(NOW), 50);
}

/// What was read back from memory after a sync failed may not be on disk; only a clean close says
/// that it is.
#[test]
fn the_journal_is_written_anew_unless_it_was_closed() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().expect("a directory");
    let journal = || {
        let mut files = files(&directory.path().join("db-v1"));
        files.retain(|file| file.extension().is_some_and(|extension| extension == "jnl"));
        files
            .first()
            .expect("a journal")
            .metadata()
            .expect("metadata")
            .ino()
    };
    let store = open(directory.path());
    runtime().block_on(register(&store));
    drop(store);
    let closed = journal();
    drop(open(directory.path()));
    assert_eq!(journal(), closed);
    fs::remove_file(directory.path().join("db.clean")).expect("a note");
    let store = open(directory.path());
    assert_ne!(journal(), closed);
    assert!(
        !directory.path().join("db.clean").exists(),
        "gone before the first write"
    );
    assert_eq!(
        runtime()
            .block_on(store.clients(None, 9))
            .expect("clients")
            .len(),
        1
    );
}

#[test]
fn commits_are_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    runtime().block_on(async {
        register(&store).await;
        let tokens = (0..10).map(|number| sample::access_token(number, "shop"));
        insert(&store, tokens.collect()).await.expect("insert");
    });
    let stats = store.stats();
    assert_eq!(stats.commit_operations.count, 2);
    assert_eq!(stats.commit_operations.sum, 2);
    assert_eq!(stats.commit_records.sum, 11);
    assert_eq!((stats.queued, stats.saturated, stats.corrupt), (0, 0, 0));
    assert!(store.disk_bytes().expect("a size") > 0);
}

/// 64 threads, each after every token.
#[test]
fn each_one_time_token_has_one_winner_among_threads() {
    const TOKENS: u64 = 300;
    const THREADS: u64 = 64;
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    runtime().block_on(async {
        register(&store).await;
        let tokens = (0..TOKENS).map(|number| sample::one_time_token(number, "shop"));
        insert(&store, tokens.collect()).await.expect("insert");
    });
    let wins: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let store = &store;
                scope.spawn(move || runtime().block_on(redeem_all(store, thread, TOKENS)))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread"))
            .sum()
    });
    assert_eq!(wins, TOKENS);
    drop(store);
    let store = open(directory.path());
    assert_eq!(
        runtime().block_on(redeem_all(&store, 0, TOKENS)),
        0,
        "won again after a restart"
    );
}

async fn redeem_all(store: &EmbeddedStore, thread: u64, tokens: u64) -> u64 {
    let mut wins = 0;
    for step in 0..tokens {
        let number = (step + thread * 5) % tokens;
        let redeemed = store
            .redeem(vec![sample::redemption(number, "shop")], NOW)
            .await;
        match redeemed.expect("redeem").as_slice() {
            [Redeemed::Consumed(_)] => wins += 1,
            other => assert_eq!(other, [Redeemed::AlreadyConsumed]),
        }
    }
    wins
}

#[cfg(target_os = "linux")]
#[test]
fn the_threads_that_rewrite_tables_stand_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let started = std::time::Instant::now();
    // A thread takes its name as it begins to run.
    let worker = loop {
        let threads = std::fs::read_dir("/proc/self/task").expect("threads");
        let stat = |thread: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()
        };
        if let Some(found) = threads
            .filter_map(stat)
            .find(|stat| stat.contains("(fjall:worker)"))
        {
            break found;
        }
        assert!(started.elapsed().as_secs() < 60, "no worker");
        std::thread::yield_now();
    };
    let after_name = worker.rsplit(')').next().expect("fields");
    let nice = after_name.split_whitespace().nth(16).expect("a niceness");
    assert!(nice.parse::<i32>().expect("a number") >= 10, "{worker}");
    drop(store);
}
