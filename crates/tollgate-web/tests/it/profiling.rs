//! Profiles as `pprof` reads them.

use pprof::protos::{Message, Profile};
use tollgate_web::profiling::{ProfileError, cpu_profile, heap_profile};

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn profiles_open_and_are_taken_alone() {
    let (taken, meanwhile) = block_on(async { tokio::join!(cpu_profile(1), cpu_profile(1)) });
    assert!(matches!(meanwhile, Err(ProfileError::Busy(_))));
    let profile = Profile::decode(taken.unwrap().as_slice()).unwrap();
    let names: Vec<&str> = profile
        .sample_type
        .iter()
        .filter_map(|kind| profile.string_table.get(usize::try_from(kind.ty).ok()?))
        .map(String::as_str)
        .collect();
    assert_eq!(names, ["samples", "cpu"]);
    assert!(profile.duration_nanos >= 1_000_000_000);
    // In the same test: two at once would find each other busy.
    assert!(matches!(
        block_on(heap_profile()),
        Err(ProfileError::HeapNotProfiled)
    ));
}

#[test]
fn unbounded_profiles_are_refused() {
    for seconds in [0, 121, u64::MAX] {
        assert!(matches!(
            block_on(cpu_profile(seconds)),
            Err(ProfileError::Duration)
        ));
    }
}
