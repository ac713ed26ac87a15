//! Which certificate a client is shown: the first that is valid for the name it asks for.

use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::files::Certified;

/// All certificates of a server; the first also serves clients that name none, or none of these.
#[derive(Debug)]
pub(super) struct ByName(Vec<Arc<CertifiedKey>>);

impl ByName {
    pub(super) fn new(certificates: Vec<Certified>) -> Self {
        let keys = certificates
            .into_iter()
            .map(|certified| Arc::new(certified.key));
        Self(keys.collect())
    }

    fn choose(&self, asked: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let first = self.0.first()?;
        if self.0.len() == 1 {
            return Some(first);
        }
        let asked = asked.and_then(|name| ServerName::try_from(name).ok());
        let named = asked.and_then(|name| self.0.iter().find(|key| is_for(key, &name)));
        Some(named.unwrap_or(first))
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let leaf = key.cert.first();
    let parsed = leaf.and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
    parsed.is_some_and(|parsed| verify_server_name(&parsed, name).is_ok())
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name()).map(Arc::clone)
    }
}
