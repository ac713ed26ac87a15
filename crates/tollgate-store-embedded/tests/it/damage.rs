//! Bits that flip and files that are cut: noticed, or without effect; never an answer that is
//! wrong. `TOLLGATE_FLIPS` says how many bits.

use std::{fs, path::Path};

use tempfile::TempDir;
use tollgate_store::{
    Probe, Store, StoreError,
    conformance::sample::{self, NOW},
};
use tollgate_store_embedded::{EmbeddedStore, OpenError};

use crate::support::{copy, files, insert, open, register, runtime, setting, small, stands};

/// Tokens in the store; each third is revoked. As many signed tokens are revoked.
const TOKENS_MIN: u64 = 6000;

/// A closed store with tables and a journal in it, and how many tokens it has.
fn filled() -> (TempDir, u64) {
    let directory = tempfile::tempdir().expect("a directory");
    let tokens = runtime().block_on(async {
        let store = open(directory.path());
        register(&store).await;
        let mut tokens = 0;
        while tokens < TOKENS_MIN || !has_tables(directory.path()) {
            fill(&store, tokens).await;
            tokens += 100;
        }
        store.close().await.expect("close");
        drop(store);
        // The engine cuts off what it allocated ahead.
        let store = open(directory.path());
        fill(&store, tokens).await;
        store.close().await.expect("close");
        tokens + 100
    });
    (directory, tokens)
}

async fn fill(store: &EmbeddedStore, from: u64) {
    let tokens = (from..from + 100).map(|number| sample::access_token(number, "shop"));
    insert(store, tokens.collect()).await.expect("insert");
    let revocations = (from..from + 100)
        .filter(|number| number % 3 == 0)
        .flat_map(|number| {
            let signed = Probe::Signed(sample::signed_token(number, "shop"));
            let stored = Probe::Stored(sample::key(number));
            [signed, stored].map(sample::by_administrator)
        });
    store
        .revoke(revocations.collect(), NOW)
        .await
        .expect("revoke");
}

fn has_tables(path: &Path) -> bool {
    let tables = |name: &str| {
        let tables = path.join("db-v1/keyspaces").join(name).join("tables");
        fs::read_dir(tables).is_ok_and(|entries| entries.count() > 0)
    };
    tables("1") && tables("2")
}

/// What opening a damaged store came to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    NotOpened,
    /// Some answers were refused.
    Noticed,
    /// Every answer was right.
    Harmless,
}

/// Asks for each token that the store should know; an answer may be refused, but not wrong.
fn verdict(path: &Path, tokens: u64, what: &str) -> Verdict {
    let store = match EmbeddedStore::open(&small(path)) {
        Ok(store) => store,
        Err(OpenError::Corrupt(_) | OpenError::Io(_) | OpenError::Format { .. }) => {
            return Verdict::NotOpened;
        }
        Err(error) => panic!("{what}: {error}"),
    };
    let mut noticed = false;
    runtime().block_on(async {
        for number in (0..tokens).step_by(5).chain(tokens - 100..tokens) {
            let signed = Probe::Signed(sample::signed_token(number, "shop"));
            for probe in [Probe::Stored(sample::key(number)), signed] {
                match stands(&store, probe.clone()).await {
                    Ok(stands) => assert_eq!(stands, number % 3 != 0, "{what}: {probe:?}"),
                    Err(StoreError::Corrupt(_) | StoreError::Unavailable(_)) => noticed = true,
                    Err(error) => panic!("{what}: {error}"),
                }
            }
        }
    });
    if noticed {
        Verdict::Noticed
    } else {
        Verdict::Harmless
    }
}

#[test]
fn flipped_bits_never_give_a_wrong_answer() {
    let (directory, tokens) = filled();
    let damaged = tempfile::tempdir().expect("a directory");
    assert_eq!(
        verdict_of_copy(&directory, &damaged, tokens),
        Verdict::Harmless
    );
    let files = files(&directory.path().join("db-v1"));
    let sizes: u64 = files
        .iter()
        .map(|file| file.metadata().expect("a file").len())
        .sum();
    let flips = setting("TOLLGATE_FLIPS", 60);
    let mut verdicts = Vec::new();
    for (file, clean) in files.iter().flat_map(|file| [(file, true), (file, false)]) {
        let size = file.metadata().expect("a file").len();
        let mut offsets: Vec<u64> = (0..flips * size / sizes)
            .map(|flip| flip * sizes / flips)
            .collect();
        if size > 0 {
            offsets.extend([0, size / 2, size - 1]);
        }
        for offset in offsets {
            copy(directory.path(), damaged.path());
            if !clean {
                fs::remove_file(damaged.path().join("db.clean")).expect("a note");
            }
            let relative = file.strip_prefix(directory.path()).expect("below");
            let what = format!(
                "{} at {offset} of {size}, clean {clean}",
                relative.display()
            );
            flip(&damaged.path().join(relative), offset);
            verdicts.push(verdict(damaged.path(), tokens, &what));
        }
    }
    assert!(verdicts.contains(&Verdict::NotOpened));
    assert!(verdicts.contains(&Verdict::Noticed));
}

fn verdict_of_copy(from: &TempDir, to: &TempDir, tokens: u64) -> Verdict {
    copy(from.path(), to.path());
    verdict(to.path(), tokens, "undamaged")
}

fn flip(path: &Path, offset: u64) {
    let mut bytes = fs::read(path).expect("read");
    let byte = bytes
        .get_mut(usize::try_from(offset).expect("small"))
        .expect("in the file");
    *byte ^= 1 << (offset % 8);
    fs::write(path, bytes).expect("write");
}

/// The journal of a closed store, and the bytes in it.
fn journal(path: &Path) -> (std::path::PathBuf, Vec<u8>) {
    let mut journals = files(&path.join("db-v1"));
    journals.retain(|file| file.extension().is_some_and(|extension| extension == "jnl"));
    let journal = journals.pop().expect("a journal");
    let bytes = fs::read(&journal).expect("read");
    (journal, bytes)
}

#[test]
fn a_journal_that_lost_its_end_after_a_clean_close_is_noticed() {
    let (directory, tokens) = filled();
    let (journal, bytes) = journal(directory.path());
    for lost in [1, 4, 13, 1000, bytes.len() - 1] {
        fs::write(&journal, &bytes[..bytes.len() - lost]).expect("write");
        assert_eq!(
            verdict(directory.path(), tokens, "cut"),
            Verdict::NotOpened,
            "{lost} lost"
        );
    }
}

/// Batches end in the same four bytes.
fn last_batch(journal: &[u8]) -> &[u8] {
    let trailer = &journal[journal.len() - 4..];
    let mut ends = journal
        .windows(4)
        .enumerate()
        .filter(|(_, window)| *window == trailer);
    let (end, _) = ends.nth_back(1).expect("two batches");
    &journal[end + 4..]
}

#[test]
fn an_unfinished_write_is_dropped_and_nothing_else() {
    let (directory, tokens) = filled();
    let (journal, bytes) = journal(directory.path());
    let kept = tempfile::tempdir().expect("a directory");
    let last = last_batch(&bytes);
    for unfinished in [1, 5, 13, 14, 40, 500, last.len() - 13, last.len() - 5] {
        copy(directory.path(), kept.path());
        fs::remove_file(kept.path().join("db.clean")).expect("a note");
        let journal = kept
            .path()
            .join(journal.strip_prefix(directory.path()).expect("below"));
        let torn = [&bytes[..], &last[..unfinished]].concat();
        fs::write(journal, torn).expect("write");
        let what = format!("{unfinished} bytes of a batch");
        assert_eq!(
            verdict(kept.path(), tokens, &what),
            Verdict::Harmless,
            "{what}"
        );
    }
}

/// A write that power failing tore may have its end and lack what is before.
#[test]
fn a_torn_write_lacks_a_sector_and_a_damaged_one_does_not() {
    let (directory, tokens) = filled();
    fs::remove_file(directory.path().join("db.clean")).expect("a note");
    let (journal, bytes) = journal(directory.path());
    let sector = (bytes.len() + 1000).next_multiple_of(512);
    let first = bytes.len()..bytes.len().next_multiple_of(512);
    // Where only a few bytes of it were there, they may as well be bits that flipped.
    let first_verdict = match first.len() {
        0..13 => Verdict::NotOpened,
        _ => Verdict::Harmless,
    };
    for (what, lost, verdict_expected) in [
        ("the rest of the sector before", first, first_verdict),
        ("a sector", sector..sector + 512, Verdict::Harmless),
        (
            "part of a sector",
            sector + 40..sector + 512,
            Verdict::NotOpened,
        ),
    ] {
        let mut torn = [&bytes[..], last_batch(&bytes)].concat();
        torn[lost].fill(0);
        fs::write(&journal, torn).expect("write");
        assert_eq!(
            verdict(directory.path(), tokens, what),
            verdict_expected,
            "{what} lost"
        );
        fs::write(&journal, &bytes).expect("write");
        fs::remove_file(directory.path().join("db.clean")).ok();
    }
}

#[test]
fn a_journal_damaged_before_its_last_batch_is_noticed() {
    let (directory, tokens) = filled();
    fs::remove_file(directory.path().join("db.clean")).expect("a note");
    let (journal, bytes) = journal(directory.path());
    for offset in (0..60).chain([bytes.len() / 3, bytes.len() - 1]) {
        let mut flipped = bytes.clone();
        flipped[offset] ^= 4;
        fs::write(&journal, &flipped).expect("write");
        let what = format!("bit at {offset}");
        assert_eq!(
            verdict(directory.path(), tokens, &what),
            Verdict::NotOpened,
            "{what}"
        );
    }
    fs::write(&journal, &bytes).expect("write");
    assert_eq!(
        verdict(directory.path(), tokens, "mended"),
        Verdict::Harmless
    );
}
