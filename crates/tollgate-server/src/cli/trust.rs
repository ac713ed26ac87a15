//! HTTP clients of the command line and of telemetry: which certificates they believe.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

/// Whose certificates count.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// Those of the public authorities.
    Public,
    /// Those that these certificates vouch for, and no others.
    Only(Vec<Certificate<'static>>),
}

impl Trust {
    /// Trust in the certificates of the PEM file at `path` alone.
    ///
    /// # Errors
    ///
    /// When it cannot be read or has none.
    pub(crate) fn only(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let read = || -> Result<Vec<_>, _> { CertificateDer::pem_file_iter(path)?.collect() };
        let certificates: Vec<CertificateDer<'_>> =
            read().with_context(|| format!("failed to read certificates from {name}"))?;
        if certificates.is_empty() {
            bail!("{name} has no certificate in PEM");
        }
        let roots = certificates
            .iter()
            .map(|der| Certificate::from_der(der).to_owned());
        Ok(Self::Only(roots.collect()))
    }

    /// An agent that hands out every answer, whatever its status.
    ///
    /// # Security
    ///
    /// It asks no proxy, whatever the environment says: in the clear, as on loopback, a proxy would
    /// read the administrator's token.
    pub(crate) fn agent(&self, timeout: Option<Duration>) -> Agent {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
        if let Self::Only(roots) = self {
            tls = tls.root_certs(RootCerts::new_with_certs(roots));
        }
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .tls_config(tls.build())
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(timeout)
            .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent()
    }
}
