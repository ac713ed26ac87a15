//! TLS from PEM files that may be replaced while the server runs.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::ServerConfig as RustlsConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::TlsConfig;

/// Sessions of QUIC clients that may be resumed.
#[cfg(feature = "http3")]
const QUIC_SESSIONS_MAX: usize = 4096;

/// Why certificate and key could not be taken into use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate file cannot be read or is not PEM.
    #[error("failed to read certificates from `{path}`: {cause}")]
    Certificate {
        /// The file.
        path: String,
        /// What the PEM reader said.
        cause: rustls::pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("failed to find a certificate in `{0}`")]
    NoCertificate(String),
    /// The key file cannot be read or holds no private key.
    #[error("failed to read a private key from `{path}`: {cause}")]
    Key {
        /// The file.
        path: String,
        /// What the PEM reader said.
        cause: rustls::pki_types::pem::Error,
    },
    /// The key is of no supported kind, or is not the certificate's.
    #[error("failed to use certificate and key: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Takes new certificate files into use; a bad one leaves the old one in place.
#[derive(Clone)]
pub struct TlsReloader(Arc<Reloader>);

struct Reloader {
    paths: TlsConfig,
    current: ArcSwap<CertifiedKey>,
}

impl TlsReloader {
    pub(crate) fn load(paths: &TlsConfig) -> Result<Self, TlsError> {
        let current = ArcSwap::from_pointee(read(paths)?);
        Ok(Self(Arc::new(Reloader {
            paths: paths.clone(),
            current,
        })))
    }

    /// Reads the files again; connections made from now on see the new certificate.
    ///
    /// # Errors
    /// When the new files are of no use. The old certificate goes on serving.
    pub fn reload(&self) -> Result<(), TlsError> {
        let certified = read(&self.0.paths)?;
        self.0.current.store(Arc::new(certified));
        Ok(())
    }

    /// When the files last changed; equal values mean the same files.
    pub(crate) fn stamp(&self) -> [Option<SystemTime>; 2] {
        let modified = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
        [
            modified(&self.0.paths.certificate_path),
            modified(&self.0.paths.key_path),
        ]
    }

    pub(crate) fn rustls_config(&self, http2: Http2) -> Result<Arc<RustlsConfig>, TlsError> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::new(self.clone());
        let mut config = RustlsConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = match http2 {
            Http2::On => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Http2::Off => vec![b"http/1.1".to_vec()],
        };
        Ok(Arc::new(config))
    }
}

#[cfg(feature = "http3")]
impl TlsReloader {
    /// For QUIC, which is TLS 1.3 alone. Early data is taken only from sessions that are kept
    /// here, so that each is resumed at most once.
    pub(crate) fn quic_config(&self) -> Result<Arc<RustlsConfig>, TlsError> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::new(self.clone());
        let mut config = RustlsConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h3".to_vec()];
        config.max_early_data_size = u32::MAX;
        config.session_storage = rustls::server::ServerSessionMemoryCache::new(QUIC_SESSIONS_MAX);
        Ok(Arc::new(config))
    }
}

/// Whether HTTP/2 is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Http2 {
    On,
    Off,
}

impl ResolvesServerCert for TlsReloader {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load_full())
    }
}

impl fmt::Debug for TlsReloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsReloader")
            .field("paths", &self.0.paths)
            .finish_non_exhaustive()
    }
}

fn read(paths: &TlsConfig) -> Result<CertifiedKey, TlsError> {
    let path = paths.certificate_path.display().to_string();
    let chain = CertificateDer::pem_file_iter(&paths.certificate_path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| TlsError::Certificate {
            path: path.clone(),
            cause,
        })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(path));
    }
    let key = PrivateKeyDer::from_pem_file(&paths.key_path).map_err(|cause| TlsError::Key {
        path: paths.key_path.display().to_string(),
        cause,
    })?;
    // Refuses a key that is not the certificate's.
    Ok(CertifiedKey::from_der(
        chain,
        key,
        &aws_lc_rs::default_provider(),
    )?)
}
