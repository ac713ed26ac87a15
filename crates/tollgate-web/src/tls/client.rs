//! Certificates that clients show: who vouches for them, and how handlers see them.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::TlsError;
use crate::ClientCertificateDemand;

/// Whose certificates are believed, and whether there must be one.
pub(super) struct Authorities {
    pub(super) roots: RootCertStore,
    pub(super) demand: ClientCertificateDemand,
    pub(super) path: String,
}

impl Authorities {
    pub(super) fn verifier(self) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(self.roots.into(), provider);
        let builder = match self.demand {
            ClientCertificateDemand::Optional => builder.allow_unauthenticated(),
            ClientCertificateDemand::Required => builder,
        };
        builder.build().map_err(|cause| TlsError::Authorities {
            path: self.path,
            cause: cause.to_string(),
        })
    }
}

/// The certificate chain that a client showed and proved to hold the key of, vouched for by one of
/// the configured authorities.
#[derive(Clone)]
pub struct ClientCertificate(Arc<[CertificateDer<'static>]>);

impl ClientCertificate {
    pub(crate) fn new(chain: &[CertificateDer<'static>]) -> Option<Self> {
        (!chain.is_empty()).then(|| Self(chain.into()))
    }

    /// The client's own certificate in DER.
    #[must_use]
    pub fn leaf(&self) -> &[u8] {
        self.0.first().map_or(&[], AsRef::as_ref)
    }

    /// The whole chain in DER, the client's own certificate first, as the client sent it.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({} in the chain)", self.0.len())
    }
}
