//! TLS from PEM files that may be replaced while the server runs.

mod client;
mod files;
mod names;
mod validity;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::ServerConfig as RustlsConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::UnixTime;
use rustls::server::{
    NoServerSessionStorage, ResolvesServerCert, ServerSessionMemoryCache, WebPkiClientVerifier,
};
use rustls::{SupportedProtocolVersion, version};

use crate::{ServerConfig, TlsConfig};

pub use client::ClientCertificate;
use files::Loaded;
use names::ByName;

/// Sessions of clients that may be resumed, of each protocol.
const SESSIONS_MAX: usize = 4096;

/// Why certificates and keys could not be taken into use.
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
    /// The certificate is not valid any more, or not yet.
    #[error("failed to use `{0}`: its certificate is not valid now")]
    NotValidNow(String),
    /// The key file cannot be read or holds no private key.
    #[error("failed to read a private key from `{path}`: {cause}")]
    Key {
        /// The file.
        path: String,
        /// What the PEM reader said.
        cause: rustls::pki_types::pem::Error,
    },
    /// The file holds no certificate that can vouch for clients.
    #[error("failed to trust the authorities in `{path}`: {cause}")]
    Authorities {
        /// The file.
        path: String,
        /// What the verifier said.
        cause: String,
    },
    /// The key is of no supported kind, or is not the certificate's.
    #[error("failed to use certificate and key: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Takes new certificate files into use; bad ones leave the old ones in place.
#[derive(Clone)]
pub struct TlsReloader(Arc<Reloader>);

struct Reloader {
    files: TlsConfig,
    /// As they were before they were first read.
    stamp: Stamp,
    http2: Http2,
    current: ArcSwap<Current>,
}

/// What connections made from now on are served with. Changed as a whole: sessions that a client
/// began under old authorities cannot be resumed under new ones.
struct Current {
    tcp: Arc<RustlsConfig>,
    #[cfg(feature = "http3")]
    quic: Arc<RustlsConfig>,
}

/// When files last changed, and how long they are; equal stamps mean the same files.
pub(crate) type Stamp = Vec<Option<(SystemTime, u64)>>;

impl TlsReloader {
    /// A certificate that is not valid now is served all the same, and the log says so: the files
    /// can be replaced.
    pub(crate) fn load(files: &TlsConfig, config: &ServerConfig) -> Result<Self, TlsError> {
        let http2 = if config.http2 { Http2::On } else { Http2::Off };
        let stamp = stamp(files);
        let loaded = Loaded::read(files)?;
        if let Err(error) = loaded.check_validity(UnixTime::now()) {
            tracing::error!(%error, "serving it all the same");
        }
        Ok(Self(Arc::new(Reloader {
            files: files.clone(),
            stamp,
            http2,
            current: ArcSwap::from_pointee(Current::new(loaded, http2)?),
        })))
    }

    /// Reads the files again; connections made from now on see what is new.
    ///
    /// # Errors
    /// When any of the new files is of no use, or a certificate is not valid now. All the old ones
    /// go on serving.
    pub fn reload(&self) -> Result<(), TlsError> {
        let loaded = Loaded::read(&self.0.files)?;
        loaded.check_validity(UnixTime::now())?;
        let current = Current::new(loaded, self.0.http2)?;
        self.0.current.store(Arc::new(current));
        Ok(())
    }

    /// The files as they were when the server was made.
    pub(crate) fn first_stamp(&self) -> Stamp {
        self.0.stamp.clone()
    }

    /// The files as they are.
    pub(crate) fn stamp(&self) -> Stamp {
        stamp(&self.0.files)
    }

    /// For connections over TCP.
    pub(crate) fn tcp(&self) -> Arc<RustlsConfig> {
        Arc::clone(&self.0.current.load().tcp)
    }

    /// For connections over QUIC.
    #[cfg(feature = "http3")]
    pub(crate) fn quic(&self) -> Arc<RustlsConfig> {
        Arc::clone(&self.0.current.load().quic)
    }
}

fn stamp(files: &TlsConfig) -> Stamp {
    let stamp = |path: std::path::PathBuf| {
        let data = path.metadata().ok()?;
        Some((data.modified().ok()?, data.len()))
    };
    files.paths().map(stamp).collect()
}

impl Current {
    fn new(loaded: Loaded, http2: Http2) -> Result<Self, TlsError> {
        let Loaded {
            certificates,
            authorities,
        } = loaded;
        let authorities = authorities.map(client::Authorities::verifier).transpose()?;
        let names = Arc::new(ByName::new(certificates));
        let build = |versions: &[&'static SupportedProtocolVersion], alpn: &[&[u8]]| {
            let provider = Arc::new(aws_lc_rs::default_provider());
            let builder =
                RustlsConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
            let verifier = authorities
                .clone()
                .unwrap_or_else(WebPkiClientVerifier::no_client_auth);
            let names: Arc<dyn ResolvesServerCert> = names.clone();
            let mut config = builder
                .with_client_cert_verifier(verifier)
                .with_cert_resolver(names);
            if authorities.is_none() {
                config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
            } else {
                // A session takes the client's certificate along unverified, past its expiry.
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
            config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
            Ok::<_, TlsError>(config)
        };
        let alpn: &[&[u8]] = match http2 {
            Http2::On => &[b"h2", b"http/1.1"],
            Http2::Off => &[b"http/1.1"],
        };
        #[cfg(feature = "http3")]
        let quic = {
            let mut quic = build(&[&version::TLS13], &[b"h3"])?;
            // Who the client is, is known only after the handshake.
            quic.max_early_data_size = match authorities {
                None => u32::MAX,
                Some(_) => 0,
            };
            Arc::new(quic)
        };
        Ok(Self {
            tcp: Arc::new(build(&[&version::TLS13, &version::TLS12], alpn)?),
            #[cfg(feature = "http3")]
            quic,
        })
    }
}

/// Whether HTTP/2 is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Http2 {
    On,
    Off,
}

impl fmt::Debug for TlsReloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsReloader")
            .field("files", &self.0.files)
            .finish_non_exhaustive()
    }
}
