//! Metadata and key sets as a provider may send them: keys are had or not, and nobody hangs.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tollgate_fuzz::halves;
use tollgate_verify::Verifier;
use tollgate_verify::client::{
    CacheSettings, FetchError, FetchRequest, FetchResponse, HttpClient, KeySource,
};

/// Sends the first line as metadata, and the rest for every other request.
struct Provider(Vec<u8>);

impl HttpClient for Provider {
    fn fetch(&self, request: &FetchRequest) -> Result<FetchResponse, FetchError> {
        let (metadata, keys) = halves(&self.0);
        let is_metadata = request.url.starts_with("https://as.example/.well-known/");
        let body = if is_metadata { metadata } else { keys };
        Ok(FetchResponse::new(200, body.to_vec()))
    }
}

fuzz_target!(|data: &[u8]| {
    let mut settings = CacheSettings::default();
    settings.retries = 0;
    let source = KeySource::discovery("https://as.example")
        .settings(settings)
        .http(Arc::new(Provider(data.to_vec())))
        .build();
    let verifier = Verifier::builder()
        .issuer("https://as.example")
        .audience("https://rs.example")
        .key_source(&source)
        .build()
        .expect("sound settings");
    let warm = verifier.blocking().warm_up();
    assert_eq!(warm.is_ok(), source.stats().keys > 0);
});
