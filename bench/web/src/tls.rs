//! A certificate that only this bench believes.

use anyhow::{Context, Result};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::fs;
use std::path::Path;
use std::sync::Arc;

pub(crate) const CERTIFICATE: &str = "certificate.pem";
pub(crate) const KEY: &str = "key.pem";
const HTTP3: &[u8] = b"h3";

/// Writes a certificate for `localhost` and its key into `directory`.
///
/// # Errors
/// When they cannot be made or written.
pub fn make_certificate(directory: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    fs::create_dir_all(directory)?;
    fs::write(directory.join(CERTIFICATE), made.cert.pem())?;
    fs::write(directory.join(KEY), made.signing_key.serialize_pem())?;
    Ok(())
}

pub(crate) fn server(directory: &Path) -> Result<ServerConfig> {
    let key = PrivateKeyDer::from_pem_file(directory.join(KEY)).context("no key")?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate(directory)?], key)?;
    config.alpn_protocols = vec![HTTP3.to_vec()];
    Ok(config)
}

pub(crate) fn client(directory: &Path) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(directory)?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP3.to_vec()];
    Ok(config)
}

fn certificate(directory: &Path) -> Result<CertificateDer<'static>> {
    CertificateDer::from_pem_file(directory.join(CERTIFICATE)).context("no certificate")
}
