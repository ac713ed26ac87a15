//! What these tests share.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tokio::runtime::Runtime;
use tollgate_store::{
    InsertOutcome, NewToken, Probe, Standing, Store, StoreError,
    conformance::sample::{self, NOW},
};
use tollgate_store_embedded::{EmbeddedConfig, EmbeddedStore};

/// Of one thread.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Opens the store in `path`, durable, with small buffers.
pub(crate) fn open(path: &Path) -> EmbeddedStore {
    EmbeddedStore::open(&small(path)).expect("open")
}

pub(crate) fn small(path: &Path) -> EmbeddedConfig {
    EmbeddedConfig {
        write_buffer_bytes: 1 << 20,
        cache_bytes: 1 << 20,
        ..EmbeddedConfig::new(path)
    }
}

pub(crate) async fn register(store: &EmbeddedStore) {
    let done = store.create_client(sample::client("shop")).await;
    assert_eq!(done.expect("create"), tollgate_store::ClientChange::Done);
}

pub(crate) async fn insert(store: &EmbeddedStore, tokens: Vec<NewToken>) -> Result<(), StoreError> {
    let outcome = store.insert(tokens, 0, NOW).await?;
    assert_eq!(outcome, InsertOutcome::Inserted);
    Ok(())
}

/// Whether a token counts, from the tree and not from the cache.
pub(crate) async fn stands(store: &EmbeddedStore, probe: Probe) -> Result<bool, StoreError> {
    let standings = store.standing(&[probe.clone(), probe], NOW).await?;
    Ok(standings.iter().all(|one| *one != Standing::Dead))
}

/// A command that runs one ignored test of this binary in a process of its own.
pub(crate) fn child(test: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args([
            "--exact",
            test,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("TOLLGATE_TEST_CHILD_DIR", directory);
    command
}

/// Where a child works; none when it was not started by its test.
pub(crate) fn child_directory() -> Option<PathBuf> {
    std::env::var_os("TOLLGATE_TEST_CHILD_DIR").map(PathBuf::from)
}

/// A number from the environment.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("a number"))
}

/// Every file below `path`, in order.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::remove_dir_all(to).ok();
    fs::create_dir_all(to).expect("a directory");
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("below"));
        fs::create_dir_all(target.parent().expect("a parent")).expect("a directory");
        fs::copy(&file, target).expect("copy");
    }
    for name in [
        "db-v1/keyspaces/1/tables",
        "db-v1/keyspaces/2/tables",
        "db-v1/keyspaces/3/tables",
    ] {
        fs::create_dir_all(to.join(name)).expect("a directory");
    }
}
