//! A provider in memory: scripted answers, counted requests, a clock moved by hand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::json;
use tollgate_verify::client::{
    CacheSettings, Clock, FetchError, FetchRequest, FetchResponse, HttpClient, KeySource,
};
use tollgate_verify::jose::SigningKey;
use tollgate_verify::{UnixSeconds, Verifier};

use crate::provider::{AUDIENCE, ISSUER, KEY, NOW, jwk_set};

pub(crate) const METADATA: &str = "https://as.example/.well-known/openid-configuration";
pub(crate) const METADATA_8414: &str = "https://as.example/.well-known/oauth-authorization-server";
pub(crate) const JWKS: &str = "https://as.example/jwks";

pub(crate) type Answer = Result<FetchResponse, FetchError>;

type Handler = Arc<dyn Fn(&FetchRequest) -> Answer + Send + Sync>;

/// The provider, as the HTTP client that reaches it.
#[derive(Default)]
pub(crate) struct Fake {
    answers: Mutex<HashMap<String, Handler>>,
    requests: Mutex<HashMap<String, u64>>,
    gate: Mutex<bool>,
    opened: Condvar,
}

impl Fake {
    /// A provider with metadata and these keys.
    pub(crate) fn with_keys(keys: &[&SigningKey]) -> Arc<Self> {
        let fake = Self::default();
        fake.answer(METADATA, Self::metadata());
        fake.answer(JWKS, keys_answer(keys));
        Arc::new(fake)
    }

    /// The metadata that points to the keys.
    pub(crate) fn metadata() -> Answer {
        ok(&json!({"issuer": ISSUER, "jwks_uri": JWKS}))
    }

    pub(crate) fn answer(&self, url: &str, answer: Answer) {
        self.handle(url, move |_| answer.clone());
    }

    pub(crate) fn handle(
        &self,
        url: &str,
        handler: impl Fn(&FetchRequest) -> Answer + Send + Sync + 'static,
    ) {
        self.answers
            .lock()
            .unwrap()
            .insert(url.to_owned(), Arc::new(handler));
    }

    pub(crate) fn requests(&self, url: &str) -> u64 {
        self.requests.lock().unwrap().get(url).copied().unwrap_or(0)
    }

    /// Makes requests wait until [`Fake::open`].
    pub(crate) fn close(&self) {
        *self.gate.lock().unwrap() = true;
    }

    pub(crate) fn open(&self) {
        *self.gate.lock().unwrap() = false;
        self.opened.notify_all();
    }
}

impl HttpClient for Fake {
    fn fetch(&self, request: &FetchRequest) -> Answer {
        *self
            .requests
            .lock()
            .unwrap()
            .entry(request.url.clone())
            .or_default() += 1;
        let mut closed = self.gate.lock().unwrap();
        while *closed {
            closed = self.opened.wait(closed).unwrap();
        }
        drop(closed);
        let handler = self.answers.lock().unwrap().get(&request.url).cloned();
        handler.map_or_else(|| status(404), |handler| handler(request))
    }
}

pub(crate) fn ok(body: &serde_json::Value) -> Answer {
    raw(body.to_string().as_bytes())
}

pub(crate) fn raw(body: &[u8]) -> Answer {
    Ok(FetchResponse::new(200, body.to_vec()))
}

pub(crate) fn status(status: u16) -> Answer {
    Ok(FetchResponse::new(status, Vec::new()))
}

pub(crate) fn keys_answer(keys: &[&SigningKey]) -> Answer {
    ok(&serde_json::to_value(jwk_set(keys)).unwrap())
}

pub(crate) fn with_cache_control(answer: Answer, value: &str) -> Answer {
    answer.map(|mut response| {
        response.cache_control = Some(value.to_owned());
        response
    })
}

/// A clock that stands still until told, or until somebody pauses.
#[derive(Default)]
pub(crate) struct HandClock {
    millis: AtomicU64,
    pauses: Mutex<Vec<Duration>>,
}

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.millis
            .fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// The pauses made so far.
    pub(crate) fn pauses(&self) -> Vec<Duration> {
        self.pauses.lock().unwrap().clone()
    }
}

impl Clock for HandClock {
    fn now(&self) -> UnixSeconds {
        NOW
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn pause(&self, how_long: Duration) {
        self.pauses.lock().unwrap().push(how_long);
        self.advance(how_long);
    }
}

/// Settings without retries.
pub(crate) fn settings() -> CacheSettings {
    let mut settings = CacheSettings::default();
    settings.retries = 0;
    settings
}

/// A provider, its clock and a verifier that discovers it.
pub(crate) struct Scene {
    pub(crate) fake: Arc<Fake>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) source: KeySource,
    pub(crate) verifier: Verifier,
}

pub(crate) fn scene() -> Scene {
    scene_with(Fake::with_keys(&[&KEY]), settings())
}

pub(crate) fn scene_with(fake: Arc<Fake>, settings: CacheSettings) -> Scene {
    let clock = Arc::new(HandClock::default());
    let source = KeySource::discovery(ISSUER)
        .settings(settings)
        .http(Arc::clone(&fake) as Arc<dyn HttpClient>)
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .build();
    let verifier = verifier(&source, &clock);
    Scene {
        fake,
        clock,
        source,
        verifier,
    }
}

pub(crate) fn verifier(source: &KeySource, clock: &Arc<HandClock>) -> Verifier {
    Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .key_source(source)
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .build()
        .unwrap()
}

impl Scene {
    /// The code of the blocking verifier's answer.
    pub(crate) fn outcome(&self, token: &str) -> &'static str {
        let result = self.verifier.blocking().verify(token);
        result
            .as_ref()
            .map_or_else(tollgate_verify::Error::code, |_| "ok")
    }
}
