//! Trimming memory: caches are told, the system gets bytes back, and the report says so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tollgate_web::memory::MemoryTrimmer;
use tollgate_web::metrics::{Registry, RegistryError};

/// More than the allocator keeps, and than other tests give or take meanwhile.
const LARGE_BYTES: usize = 256 << 20;

#[test]
fn caches_shrink_and_the_bytes_are_reported() {
    let registry = Registry::new();
    let trimmer = MemoryTrimmer::register(&registry).unwrap();
    let cache = Arc::new(Mutex::new(vec![1_u8; LARGE_BYTES]));
    let shrunk = Arc::clone(&cache);
    trimmer.add("large", move || {
        std::mem::take(&mut *shrunk.lock().unwrap()).len() as u64
    });
    trimmer.add("replaced", || 1);
    trimmer.add("replaced", || 2);
    let report = trimmer.trim();
    assert_eq!(report.caches_bytes["large"], LARGE_BYTES as u64);
    assert_eq!(report.caches_bytes["replaced"], 2);
    assert_eq!(report.allocator_purged, cfg!(feature = "jemalloc"));
    let given_back = report.resident_bytes_before - report.resident_bytes_after;
    assert_eq!(report.given_back_bytes, given_back);
    assert!(given_back > LARGE_BYTES as u64 / 2, "{report:?}");
    let rendered = registry.render();
    assert!(rendered.contains("memory_trims_total 1\n"));
    assert!(rendered.contains(&format!("memory_given_back_bytes_total {given_back}\n")));
    // There is nothing left to give.
    assert_eq!(trimmer.trim().caches_bytes["large"], 0);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["caches_bytes"]["replaced"], 2);
    assert_eq!(json["given_back_bytes"], given_back);
    let again = MemoryTrimmer::register(&registry);
    assert!(matches!(again.err(), Some(RegistryError::NameTaken(_))));
}

#[test]
fn memory_is_trimmed_at_an_interval() {
    let trimmer = Arc::new(MemoryTrimmer::register(&Registry::new()).unwrap());
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    trimmer.add("counted", move || {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        // The others go on after one that panics.
        assert_ne!(run, 0, "on purpose");
        0
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let trimming = tokio::spawn(trimmer.trim_every(Duration::ZERO));
        while runs.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!trimming.is_finished());
        trimming.abort();
    });
}
