//! A shared cache of answers to `GET` and `HEAD`, as a tower layer (RFC 9111).
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # {
//! use axum::{Router, http::header::CACHE_CONTROL, routing::get};
//! use tollgate_web::response_cache::{ResponseCache, ResponseCacheConfig};
//!
//! async fn news() -> ([(http::HeaderName, &'static str); 1], &'static str) {
//!     ([(CACHE_CONTROL, "max-age=60, stale-while-revalidate=30")], "nothing new")
//! }
//! let cache = ResponseCache::new(ResponseCacheConfig::default());
//! let app: Router = Router::new().route("/news", get(news)).layer(cache.clone());
//! // Later, wherever the news change:
//! cache.purge("example.com", "/news*");
//! # }
//! ```
//!
//! **What is stored**: what says how long it is fresh by `s-maxage`, `max-age` or `Expires`, and
//! does not forbid it by `no-store`, `no-cache`, `private` or `Vary: *`. There is no guessing: an
//! answer that says nothing is not stored. An answer with `Set-Cookie`, or to a request with
//! `Authorization`, is stored only if the configuration says so. A successful request that may
//! change something removes what is stored for its address.
//! On a miss the conditions of a client pass to the service, whose `304` is not stored: the answer
//! comes in with the next request that has none.
//!
//! **Where it stands**: outside the routes, inside the layers that belong to one client, such as
//! request ids, cookies and authentication. What stands outside it also runs for answers from it.

mod address;
mod body;
mod directives;
mod fill;
mod rules;
mod service;
mod stored;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::sync::Semaphore;
use tower_layer::Layer;

use crate::cache::{CacheClock, CacheConfig, CacheStatistics, LocalCache, tag_number};
use stored::Node;

pub use body::CachedBody;
pub use service::{Cached, CachedFuture};

/// Whether answers to requests with `Authorization` may be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authorized {
    /// Such requests pass the cache by.
    #[default]
    Never,
    /// If they say `public`, `must-revalidate` or `s-maxage` (RFC 9111 §3.5).
    ///
    /// # Security
    /// Who asks later gets them whoever they are: such answers must be the same for everybody.
    WhenShared,
}

/// Whether answers with `Set-Cookie` may be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetCookie {
    /// They pass the cache by.
    #[default]
    Never,
    /// Like others.
    ///
    /// # Security
    /// Who asks later gets the same cookie: a session in it is then everybody's.
    LikeOthers,
}

/// The bounds of a response cache.
#[derive(Clone, Debug)]
pub struct ResponseCacheConfig {
    /// Bytes of memory that it may take; see [`CacheConfig::capacity_bytes`].
    pub capacity_bytes: usize,
    /// The largest body that is stored, in bytes.
    pub body_bytes_max: usize,
    /// The longest that anything is fresh, and the longest past that it is given stale.
    pub ttl_max: Duration,
    /// Answers that are fetched anew in the background at once.
    pub refreshes_max: usize,
    /// How long fetching one may take.
    pub refresh_timeout: Duration,
    /// For requests with `Authorization`.
    pub authorized: Authorized,
    /// For answers with `Set-Cookie`.
    pub set_cookie: SetCookie,
    /// The cache's name in `Cache-Status` (RFC 9211), a token.
    pub name: &'static str,
    /// The time that answers age by.
    pub clock: CacheClock,
}

impl Default for ResponseCacheConfig {
    fn default() -> Self {
        Self {
            capacity_bytes: 64 << 20,
            body_bytes_max: 256 << 10,
            ttl_max: Duration::from_secs(24 * 3600),
            refreshes_max: 64,
            refresh_timeout: Duration::from_secs(30),
            authorized: Authorized::default(),
            set_cookie: SetCookie::default(),
            name: "tollgate",
            clock: CacheClock::default(),
        }
    }
}

/// Put into the extensions of an answer: what it depends on, for
/// [`purge_tag`](ResponseCache::purge_tag). With more than [`TAGS_MAX`](crate::cache::TAGS_MAX) it
/// is not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheTags(pub Vec<String>);

/// The layer. Its clones are the same cache.
#[derive(Clone)]
pub struct ResponseCache(Arc<Inner>);

struct Inner {
    config: ResponseCacheConfig,
    local: LocalCache<Arc<Node>>,
    /// So that the variants of a purged answer cannot be found again.
    numbers: AtomicU64,
    /// Whether any key names two hosts.
    has_forwarded: AtomicBool,
    refreshes: Arc<Semaphore>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    hits: AtomicU64,
    stale_hits: AtomicU64,
    misses: AtomicU64,
    bypasses: AtomicU64,
    stored: AtomicU64,
    not_stored: AtomicU64,
    refreshes: AtomicU64,
    refresh_failures: AtomicU64,
}

/// Figures of a response cache since its making.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseCacheStatistics {
    /// Answers given from the cache while fresh.
    pub hits: u64,
    /// Answers given from the cache while a newer one was fetched.
    pub stale_hits: u64,
    /// Requests passed on for want of an answer.
    pub misses: u64,
    /// Requests that the cache has no part in.
    pub bypasses: u64,
    /// Answers stored.
    pub stored: u64,
    /// Answers not stored because they were purged meanwhile, or for want of room.
    pub not_stored: u64,
    /// Answers fetched anew in the background.
    pub refreshes: u64,
    /// Of those, the ones that brought nothing to store.
    pub refresh_failures: u64,
    /// The memory.
    pub memory: CacheStatistics,
}

impl ResponseCache {
    /// An empty cache.
    #[must_use]
    pub fn new(config: ResponseCacheConfig) -> Self {
        Self(Arc::new(Inner {
            local: LocalCache::new(CacheConfig {
                capacity_bytes: config.capacity_bytes,
                ttl: config.ttl_max,
                clock: config.clock.clone(),
                ..CacheConfig::default()
            }),
            numbers: AtomicU64::new(0),
            has_forwarded: AtomicBool::new(false),
            refreshes: Arc::new(Semaphore::new(
                config.refreshes_max.min(Semaphore::MAX_PERMITS),
            )),
            counts: Counts::default(),
            config,
        }))
    }

    /// Removes the answers of one address, `/news?page=1`, or of all that begin so, `/news*`.
    /// `host` is the one that clients ask for, with its port if they name one; behind trusted
    /// proxies the one that those tell.
    pub fn purge(&self, host: &str, pattern: &str) {
        let host = host.to_ascii_lowercase();
        match pattern.strip_suffix('*') {
            Some(prefix) => {
                self.0.local.remove_prefix(&format!("{host}{prefix}"));
            }
            None => self.0.forget_text(format!("{host}{pattern}")),
        }
    }

    /// Removes the answers with this of their [`CacheTags`].
    pub fn purge_tag(&self, tag: &str) {
        self.0.local.remove_tag(tag_number(tag));
    }

    /// Removes all answers.
    pub fn purge_all(&self) {
        self.0.local.remove_prefix("");
    }

    /// Gives memory back until at most `bytes_max` are taken; how many bytes were given back.
    pub fn shrink_to(&self, bytes_max: usize) -> usize {
        self.0.local.shrink_to(bytes_max)
    }

    /// What the cache holds and how it was used.
    #[must_use]
    pub fn statistics(&self) -> ResponseCacheStatistics {
        let counts = &self.0.counts;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut memory = CacheStatistics::default();
        self.0.local.count(&mut memory);
        ResponseCacheStatistics {
            hits: read(&counts.hits),
            stale_hits: read(&counts.stale_hits),
            misses: read(&counts.misses),
            bypasses: read(&counts.bypasses),
            stored: read(&counts.stored),
            not_stored: read(&counts.not_stored),
            refreshes: read(&counts.refreshes),
            refresh_failures: read(&counts.refresh_failures),
            memory,
        }
    }
}

impl<S> Layer<S> for ResponseCache {
    type Service = Cached<S>;

    fn layer(&self, inner: S) -> Cached<S> {
        Cached::new(inner, Arc::clone(&self.0))
    }
}

impl fmt::Debug for ResponseCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCache")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

/// What an answer stands under that varies by these fields of the request.
fn variant_key(key: &str, number: u64, names: &[HeaderName], request: &HeaderMap) -> String {
    let mut variant = format!("{key} {number}");
    for name in names {
        // No value has a line feed, so none can pass for two.
        variant.push('\n');
        if !request.contains_key(name) {
            // Nor a control character: nothing is something else than an empty value.
            variant.push('\u{1}');
        }
        for (position, value) in request.get_all(name).iter().enumerate() {
            if position > 0 {
                variant.push_str(", ");
            }
            match value.to_str() {
                Ok(text) => variant.push_str(text),
                Err(_) => {
                    variant.push('\u{2}');
                    variant.extend(value.as_bytes().escape_ascii().map(char::from));
                }
            }
        }
    }
    variant
}
