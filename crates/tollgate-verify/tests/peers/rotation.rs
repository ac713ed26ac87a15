//! A provider that changes its keys without notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tollgate_verify::UnixSeconds;
use tollgate_verify::client::{CacheSettings, Clock, KeySource, SystemClock};

use crate::provider::Provider;

/// The time of the caches, moved by hand; tokens see the real one.
#[derive(Default)]
struct HandClock {
    real: SystemClock,
    seconds: AtomicU64,
}

impl Clock for HandClock {
    fn now(&self) -> UnixSeconds {
        self.real.now()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.seconds.load(Ordering::SeqCst))
    }
}

#[test]
fn new_keys_are_found_and_old_ones_forgotten() {
    let Some(provider) = Provider::start() else {
        return;
    };
    let clock = Arc::new(HandClock::default());
    let settings = CacheSettings::default();
    let keys = KeySource::discovery(&provider.issuer)
        .settings(settings)
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .build();
    let verifier = provider.verifier("ES256", &keys).build().unwrap();
    let code = |token: &str| match verifier.blocking().verify(token) {
        Ok(_) => "ok",
        Err(error) => error.code(),
    };
    let first = provider.token("ES256");
    assert_eq!(code(&first), "ok");

    // A key never seen costs one refresh, and nobody notices.
    provider.rotate("ES256", 1);
    let second = provider.token("ES256");
    assert_eq!((code(&second), code(&first)), ("ok", "ok"));
    assert_eq!(keys.stats().refreshes, 2);

    // Another so soon after it waits for the end of the cool-down.
    provider.rotate("ES256", 0);
    let third = provider.token("ES256");
    assert_eq!((code(&third), code(&second)), ("key_not_found", "ok"));
    assert_eq!(keys.stats().refreshes, 2);
    clock
        .seconds
        .fetch_add(settings.cool_down.as_secs(), Ordering::SeqCst);
    assert_eq!(code(&third), "ok");
    assert_eq!(keys.stats().refreshes, 3);

    // What the provider no longer publishes no longer counts.
    assert_eq!(code(&first), "key_not_found");
    assert_eq!(code(&second), "key_not_found");
}
