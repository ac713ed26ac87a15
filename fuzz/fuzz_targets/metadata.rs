//! Metadata and key sets as a provider may send them: keys are had or not, and nobody hangs.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tollgate_verify::Verifier;
use tollgate_verify::client::{
    CacheSettings, FetchError, FetchRequest, FetchResponse, HttpClient, KeySource,
};

/// Sends the same bytes for every request.
struct Echo(Vec<u8>);

impl HttpClient for Echo {
    fn fetch(&self, _: &FetchRequest) -> Result<FetchResponse, FetchError> {
        Ok(FetchResponse { status: 200, body: self.0.clone(), ..FetchResponse::default() })
    }
}

fuzz_target!(|data: &[u8]| {
    let mut settings = CacheSettings::default();
    settings.retries = 0;
    let source = KeySource::discovery("https://as.example")
        .settings(settings)
        .http(Arc::new(Echo(data.to_vec())))
        .build();
    let verifier = Verifier::builder()
        .issuer("https://as.example")
        .audience("https://rs.example")
        .key_source(&source)
        .build()
        .expect("sound settings");
    let _ = verifier.blocking().warm_up();
});
