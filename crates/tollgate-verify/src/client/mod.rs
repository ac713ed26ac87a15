//! Keys over the network: discovery, key sets, caches; nothing of it is needed for fixed keys.

mod active_tokens;
mod address;
mod answers;
pub(crate) mod batch;
mod cache_control;
mod calls;
mod client_tokens;
mod clock;
mod discovery;
mod fetch;
pub(crate) mod flight;
mod form;
mod http;
mod introspection;
mod redirect;
mod retry;
mod settings;
pub(crate) mod source;
pub(crate) mod stats;
mod ureq_client;
mod verify;

use std::sync::{Arc, LazyLock};

use crate::error::BuildError;

pub use address::AddressPolicy;
pub use client_tokens::{AccessToken, ClientTokens, ClientTokensBuilder};
pub use clock::{Clock, SystemClock};
pub use form::ClientCredentials;
pub use http::{FetchError, FetchRequest, FetchResponse, HttpClient};
pub use introspection::{
    IntrospectionError, IntrospectionSettings, Introspector, IntrospectorBuilder,
};
pub use settings::CacheSettings;
pub use source::{KeySource, KeySourceBuilder};
pub use stats::{DurationStats, SourceStats, Stats, VerifiedCacheStats};
pub use ureq_client::{DefaultHttpClient, HttpSettings};

/// Refuses a URL that no answer can ever come from, where it is given.
pub(crate) fn check_askable(url: &str) -> Result<(), BuildError> {
    let checked = address::check_url(url).map(|_| ());
    checked.map_err(|_| BuildError::Url(url.into()))
}

/// One client, and so one pool of connections, for everybody who brings none.
pub(crate) fn default_http_client() -> Arc<dyn HttpClient> {
    static CLIENT: LazyLock<Arc<dyn HttpClient>> = LazyLock::new(|| {
        match DefaultHttpClient::new(HttpSettings::default()) {
            Ok(client) => Arc::new(client),
            // The only failure is an unusable proxy, and there is none.
            Err(error) => Arc::new(Broken(error)),
        }
    });
    Arc::clone(&CLIENT)
}

/// Fails as its making did.
struct Broken(FetchError);

impl HttpClient for Broken {
    fn fetch(&self, _: &FetchRequest) -> Result<FetchResponse, FetchError> {
        Err(self.0.clone())
    }
}
