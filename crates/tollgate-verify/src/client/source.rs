//! A provider's keys: fetched, kept, refreshed ahead, and never asked for more often than needed.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::clock::{Clock, SystemClock};
use super::fetch::{Fetched, Fetcher, Origin};
use super::flight::Flight;
use super::http::{FetchError, HttpClient};
use super::retry::rest_after;
use super::settings::CacheSettings;
use super::stats::SourceStats;
use crate::keys::KeyRing;
use crate::lock::lock;

/// A source of keys, shared by everything that is cloned from it or built on it.
#[derive(Clone)]
pub struct KeySource {
    pub(crate) source: Arc<Source>,
}

/// A [`KeySource`] in the making.
#[must_use]
pub struct KeySourceBuilder {
    origin: Origin,
    settings: CacheSettings,
    http: Option<Arc<dyn HttpClient>>,
    clock: Arc<dyn Clock>,
}

impl KeySource {
    /// Finds the keys of an issuer by its metadata: OpenID Connect Discovery, else RFC 8414.
    pub fn discovery(issuer: &str) -> KeySourceBuilder {
        KeySourceBuilder::new(Origin::Issuer {
            issuer: issuer.to_owned(),
            metadata_url: None,
        })
    }

    /// Finds the keys of an issuer by its metadata at an unusual place.
    pub fn metadata_url(issuer: &str, url: &str) -> KeySourceBuilder {
        let metadata_url = Some(url.to_owned());
        KeySourceBuilder::new(Origin::Issuer {
            issuer: issuer.to_owned(),
            metadata_url,
        })
    }

    /// Takes the keys from a JWK Set document.
    pub fn jwks_url(url: &str) -> KeySourceBuilder {
        KeySourceBuilder::new(Origin::Document {
            jwks_uri: url.to_owned(),
        })
    }

    /// Forgets the keys and where they are; the next token waits for fresh ones, also when others
    /// were on their way already, or the provider was left alone.
    pub fn clear(&self) {
        self.source.clear();
    }

    /// What the cache has done so far.
    #[must_use]
    pub fn stats(&self) -> SourceStats {
        self.source.stats()
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeySource")
            .field(&self.source.fetcher.origin)
            .finish()
    }
}

impl KeySourceBuilder {
    fn new(origin: Origin) -> Self {
        let (settings, clock) = (CacheSettings::default(), Arc::new(SystemClock::default()));
        Self {
            origin,
            settings,
            http: None,
            clock,
        }
    }

    /// Bounds and times.
    pub fn settings(mut self, settings: CacheSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Asks through this client instead of the default one.
    pub fn http(mut self, http: Arc<dyn HttpClient>) -> Self {
        self.http = Some(http);
        self
    }

    /// Takes the time from here.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The source. Nothing is fetched before the first token or `warm_up`.
    #[must_use]
    pub fn build(self) -> KeySource {
        let Self {
            origin,
            settings,
            http,
            clock,
        } = self;
        let http = http.unwrap_or_else(super::default_http_client);
        let fetcher = Fetcher::new(origin, settings, http, Arc::clone(&clock));
        let (current, control) = (ArcSwapOption::empty(), Mutex::default());
        let counters = Counters::default();
        let source = Source {
            fetcher,
            settings,
            clock,
            current,
            control,
            counters,
        };
        KeySource {
            source: Arc::new(source),
        }
    }
}

pub(crate) struct Source {
    fetcher: Fetcher,
    settings: CacheSettings,
    clock: Arc<dyn Clock>,
    current: ArcSwapOption<Snapshot>,
    control: Mutex<Control>,
    counters: Counters,
}

/// The keys as one answer gave them, and until when they serve.
pub(crate) struct Snapshot {
    pub(crate) ring: KeyRing,
    fetched_at: Duration,
    refresh_at: Duration,
    fresh_until: Duration,
    serves_until: Duration,
}

#[derive(Default)]
struct Control {
    flight: Option<Flight>,
    /// After a failure: until when the provider is left alone.
    rests_until: Duration,
    missed_at: Option<Duration>,
    last_failure: Option<FetchError>,
    /// How often the keys were forgotten: what was asked for before the last time is not kept.
    clearings: u64,
}

/// What has become of an answer.
#[derive(PartialEq, Eq)]
enum Outcome {
    Recorded,
    /// The keys were forgotten while it was on its way.
    Outdated,
}

#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    refreshes: AtomicU64,
    failures: AtomicU64,
}

/// What a token finds.
pub(crate) enum LookUp {
    Ready(Arc<Snapshot>),
    Wait(Flight),
    Unavailable,
}

/// What to do when the keys at hand do not fit a token.
pub(crate) enum AfterMiss {
    /// There are newer keys already.
    Retry,
    Wait(Flight),
    GiveUp,
}

impl Source {
    /// Whose keys these are, where the source knows.
    pub(crate) fn issuer(&self) -> Option<&str> {
        match &self.fetcher.origin {
            Origin::Issuer { issuer, .. } => Some(issuer),
            Origin::Document { .. } => None,
        }
    }

    /// The URL that it starts from.
    pub(crate) fn url(&self) -> &str {
        match &self.fetcher.origin {
            Origin::Issuer {
                issuer,
                metadata_url,
            } => metadata_url.as_deref().unwrap_or(issuer),
            Origin::Document { jwks_uri } => jwks_uri,
        }
    }

    /// The keys at hand, without any I/O, as long as they may serve.
    pub(crate) fn at_hand(&self) -> Option<Arc<Snapshot>> {
        let now = self.clock.elapsed();
        self.current
            .load_full()
            .filter(|snapshot| now < snapshot.serves_until)
    }

    /// The keys for a token that has waited once already or not.
    pub(crate) fn look_up(self: &Arc<Self>, has_waited: bool) -> LookUp {
        let now = self.clock.elapsed();
        let Some(snapshot) = self.current.load_full() else {
            return self.wait_or(has_waited, now, None, LookUp::Unavailable);
        };
        if now < snapshot.fresh_until {
            // Who has waited was counted as a miss already.
            if !has_waited {
                self.counters.hits.fetch_add(1, Ordering::Relaxed);
            }
            if now >= snapshot.refresh_at {
                // Ahead of need: nobody waits for this one.
                self.start(now, Some(&snapshot));
            }
            return LookUp::Ready(snapshot);
        }
        let seen = Arc::clone(&snapshot);
        let last_resort = if now < snapshot.serves_until {
            LookUp::Ready(snapshot)
        } else {
            LookUp::Unavailable
        };
        self.wait_or(has_waited, now, Some(&seen), last_resort)
    }

    /// A key was unknown or a signature did not match: the provider may have rotated its keys.
    pub(crate) fn after_miss(self: &Arc<Self>, used: &Arc<Snapshot>) -> AfterMiss {
        let now = self.clock.elapsed();
        let mut control = lock(&self.control);
        if self
            .current
            .load()
            .as_ref()
            .is_some_and(|current| !Arc::ptr_eq(current, used))
        {
            return AfterMiss::Retry;
        }
        if let Some(flight) = &control.flight {
            return AfterMiss::Wait(flight.clone());
        }
        let cool_down = self.settings.cool_down;
        let has_missed = |since: Duration| now < since.saturating_add(cool_down);
        if control.missed_at.is_some_and(has_missed) || now < control.rests_until {
            return AfterMiss::GiveUp;
        }
        control.missed_at = Some(now);
        match self.launch(&mut control) {
            Some(flight) => AfterMiss::Wait(flight),
            None => AfterMiss::GiveUp,
        }
    }

    /// Starts a refresh now, or joins the one in flight; not before a busy provider wants to be
    /// asked again.
    pub(crate) fn refresh(self: &Arc<Self>) -> Option<Flight> {
        let now = self.clock.elapsed();
        let mut control = lock(&self.control);
        if control.flight.is_some() {
            return control.flight.clone();
        }
        let is_busy = matches!(control.last_failure, Some(FetchError::Busy { .. }));
        if is_busy && now < control.rests_until {
            return None;
        }
        self.launch(&mut control)
    }

    pub(crate) fn clear(&self) {
        {
            let mut control = lock(&self.control);
            control.clearings += 1;
            (control.rests_until, control.missed_at) = (Duration::ZERO, None);
            self.current.store(None);
        }
        // Afterwards, or a request under way could put it back.
        self.fetcher.forget();
    }

    pub(crate) fn stats(&self) -> SourceStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let last_failure = lock(&self.control).last_failure.clone();
        let current = self.current.load_full();
        let now = self.clock.elapsed();
        SourceStats {
            hits: read(&self.counters.hits),
            misses: read(&self.counters.misses),
            refreshes: read(&self.counters.refreshes),
            failures: read(&self.counters.failures),
            fetches: self.fetcher.fetches(),
            age: current
                .as_ref()
                .map(|snapshot| now.saturating_sub(snapshot.fetched_at)),
            keys: current.map_or(0, |snapshot| snapshot.ring.len()),
            last_failure,
        }
    }

    fn wait_or(
        self: &Arc<Self>,
        has_waited: bool,
        now: Duration,
        seen: Option<&Arc<Snapshot>>,
        otherwise: LookUp,
    ) -> LookUp {
        if has_waited {
            return otherwise;
        }
        self.counters.misses.fetch_add(1, Ordering::Relaxed);
        match self.start(now, seen) {
            Some(LookUp::Wait(_))
                if matches!(otherwise, LookUp::Ready(_)) && self.has_just_failed() =>
            {
                // A provider that is down may take all the time of a refresh to fail again, and
                // what the token would get then is at hand.
                otherwise
            }
            Some(found) => found,
            None => otherwise,
        }
    }

    fn has_just_failed(&self) -> bool {
        lock(&self.control).last_failure.is_some()
    }

    /// Joins the refresh in flight or starts one, unless the last has just failed, or has brought
    /// newer keys since the caller looked: then another request would be one too many.
    fn start(self: &Arc<Self>, now: Duration, seen: Option<&Arc<Snapshot>>) -> Option<LookUp> {
        let mut control = lock(&self.control);
        if let Some(flight) = &control.flight {
            return Some(LookUp::Wait(flight.clone()));
        }
        let current = self.current.load_full();
        let is_news = |current: &Arc<Snapshot>| seen.is_none_or(|seen| !Arc::ptr_eq(seen, current));
        if let Some(newer) = current.filter(is_news) {
            return Some(LookUp::Ready(newer));
        }
        if now < control.rests_until {
            return None;
        }
        self.launch(&mut control).map(LookUp::Wait)
    }

    /// Fetches on a thread of its own: waiters may be futures of any runtime, or threads.
    fn launch(self: &Arc<Self>, control: &mut Control) -> Option<Flight> {
        let flight = Flight::default();
        let (source, landing) = (Arc::clone(self), flight.clone());
        // The guard is made on the new thread: where there is none, it must not be dropped here,
        // under the lock that it takes.
        let work = move || {
            let mut guard = LandOnDrop {
                source,
                flight: landing,
                has_answer: false,
            };
            guard.source.fetch();
            guard.has_answer = true;
        };
        if thread::Builder::new()
            .name("tollgate-keys".into())
            .spawn(work)
            .is_err()
        {
            control.rests_until = self.clock.elapsed().saturating_add(self.settings.cool_down);
            return None;
        }
        control.flight = Some(flight.clone());
        Some(flight)
    }

    /// Fetches, and again when the keys were forgotten meanwhile: the answer may be of before.
    fn fetch(&self) {
        loop {
            let clearings = lock(&self.control).clearings;
            let fetched = self.fetcher.fetch();
            if self.finish(fetched, clearings) == Outcome::Recorded {
                return;
            }
            self.fetcher.forget();
        }
    }

    fn finish(&self, fetched: Fetched, clearings: u64) -> Outcome {
        let now = self.clock.elapsed();
        let mut control = lock(&self.control);
        if control.clearings != clearings {
            return Outcome::Outdated;
        }
        control.flight = None;
        let (ring, freshness) = match fetched {
            Ok(keys) => keys,
            Err(error) => {
                self.record_failure(&mut control, error);
                return Outcome::Recorded;
            }
        };
        (control.rests_until, control.last_failure) = (Duration::ZERO, None);
        let CacheSettings {
            ttl,
            ttl_min,
            ttl_max,
            max_stale,
            ..
        } = self.settings;
        let ttl = freshness.unwrap_or(ttl).max(ttl_min).min(ttl_max);
        let fresh_until = now.saturating_add(ttl);
        self.current.store(Some(Arc::new(Snapshot {
            ring,
            fetched_at: now,
            refresh_at: now.saturating_add(ttl.saturating_mul(4) / 5),
            fresh_until,
            serves_until: fresh_until.saturating_add(max_stale),
        })));
        self.counters.refreshes.fetch_add(1, Ordering::Relaxed);
        Outcome::Recorded
    }

    fn record_failure(&self, control: &mut Control, error: FetchError) {
        let now = self.clock.elapsed();
        let CacheSettings {
            cool_down,
            retry_after_max,
            ..
        } = self.settings;
        let rest = rest_after(&error, cool_down, retry_after_max);
        control.rests_until = now.saturating_add(rest);
        control.last_failure = Some(error);
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lets the waiters go, also when the client panicked.
struct LandOnDrop {
    source: Arc<Source>,
    flight: Flight,
    has_answer: bool,
}

impl Drop for LandOnDrop {
    fn drop(&mut self) {
        if !self.has_answer {
            let mut control = lock(&self.source.control);
            control.flight = None;
            self.source
                .record_failure(&mut control, FetchError::Invalid("answer lost"));
        }
        self.flight.land();
    }
}
