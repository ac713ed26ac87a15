//! Fetching metadata and keys: where they are, and what counts as an answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tollgate_jose::{JwkSet, JwkSetLimits};

use super::address::check_url;
use super::cache_control::freshness;
use super::clock::Clock;
use super::discovery::{self, Metadata};
use super::http::{FetchError, FetchRequest, FetchResponse, HttpClient};
use super::retry::retry;
use super::settings::CacheSettings;
use crate::keys::KeyRing;
use crate::lock::lock;

/// Where keys come from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    Issuer {
        issuer: String,
        metadata_url: Option<String>,
    },
    Document {
        jwks_uri: String,
    },
}

/// The keys, and how long they stay fresh by the provider's word.
pub(crate) type Fetched = Result<(KeyRing, Option<Duration>), FetchError>;

pub(crate) struct Fetcher {
    pub(crate) origin: Origin,
    settings: CacheSettings,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    /// Metadata once found, and until when it counts; dropped when the keys are not where it says.
    metadata: Mutex<Option<(Metadata, Duration)>>,
    fetches: AtomicU64,
}

impl Fetcher {
    pub(crate) fn new(
        origin: Origin,
        settings: CacheSettings,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            origin,
            settings,
            http,
            clock,
            metadata: Mutex::default(),
            fetches: AtomicU64::new(0),
        }
    }

    /// Requests sent so far.
    pub(crate) fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::Relaxed)
    }

    /// Fetches the keys.
    ///
    /// An answer without a single usable key is a failure: it must not replace good keys.
    pub(crate) fn fetch(&self) -> Fetched {
        let CacheSettings {
            timeout, retries, ..
        } = self.settings;
        let fetched = retry(&*self.clock, timeout, retries, |deadline| {
            self.fetch_once(deadline)
        });
        // They may have moved: the next refresh asks where to.
        fetched.inspect_err(|_| self.forget())
    }

    /// Forgets the metadata.
    pub(crate) fn forget(&self) {
        *lock(&self.metadata) = None;
    }

    /// The metadata of the issuer.
    fn metadata(&self, deadline: Duration) -> Result<Metadata, FetchError> {
        let Origin::Issuer {
            issuer,
            metadata_url,
        } = &self.origin
        else {
            return Err(FetchError::Invalid("no metadata known"));
        };
        // Not held while the provider is asked: whoever forgets the metadata must not wait.
        let kept = lock(&self.metadata).clone();
        if let Some((metadata, until)) = kept
            && self.clock.elapsed() < until
        {
            return Ok(metadata);
        }
        let urls = metadata_url
            .clone()
            .map_or_else(|| discovery::metadata_urls(issuer), |u| vec![u]);
        let mut last = FetchError::Invalid("no metadata");
        for url in urls {
            let found = self.get(&url, deadline).and_then(|response| {
                let metadata = discovery::parse(&response.body, issuer, &url)?;
                Ok((metadata, freshness(&response)))
            });
            match found {
                Ok((metadata, fresh)) => {
                    let ttl = fresh.unwrap_or(self.settings.ttl);
                    let ttl = ttl.max(self.settings.ttl_min).min(self.settings.ttl_max);
                    *lock(&self.metadata) =
                        Some((metadata.clone(), self.clock.elapsed().saturating_add(ttl)));
                    return Ok(metadata);
                }
                Err(error) if discovery::may_be_elsewhere(&error) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn fetch_once(&self, deadline: Duration) -> Fetched {
        let jwks_uri = match &self.origin {
            Origin::Document { jwks_uri } => jwks_uri.clone(),
            Origin::Issuer { .. } => self.metadata(deadline)?.jwks_uri,
        };
        let response = self.get(&jwks_uri, deadline)?;
        let CacheSettings {
            bytes_max,
            keys_max,
            ..
        } = self.settings;
        let mut set = JwkSet::from_slice_within(
            &response.body,
            &JwkSetLimits {
                bytes_max,
                keys_max,
            },
        )
        .map_err(|_| FetchError::Invalid("malformed key set"))?;
        // Whoever can read the document could sign with what it says.
        set.keys.retain(|key| !key.is_symmetric());
        let mut ring = KeyRing::from_jwk_set(&set);
        ring.identity = crate::verified::hash(&response.body);
        if ring.len() == 0 {
            return Err(FetchError::Invalid("no usable key"));
        }
        Ok((ring, freshness(&response)))
    }

    fn get(&self, url: &str, deadline: Duration) -> Result<FetchResponse, FetchError> {
        check_url(url)?;
        let timeout = deadline.saturating_sub(self.clock.elapsed());
        if timeout.is_zero() {
            return Err(FetchError::TimedOut);
        }
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let request = FetchRequest::new(url, self.settings.bytes_max, timeout);
        self.http.fetch(&request)?.accepted(self.settings.bytes_max)
    }
}
