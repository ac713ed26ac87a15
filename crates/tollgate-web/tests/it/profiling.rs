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
fn a_cpu_profile_opens_and_is_taken_alone() {
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

#[test]
fn a_heap_profile_opens_or_says_why_there_is_none() {
    // Whether there is one depends on how jemalloc was built, which another crate of the same
    // build decides.
    match block_on(heap_profile()) {
        Ok(profile) => assert_eq!(profile.get(..2), Some(&[0x1f, 0x8b][..]), "gzip"),
        Err(error) => assert!(matches!(error, ProfileError::HeapNotProfiled), "{error}"),
    }
}
