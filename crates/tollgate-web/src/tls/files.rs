//! Certificates, keys and authorities as they stand in PEM files.

use std::path::Path;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;

use super::TlsError;
use super::client::Authorities;
use super::validity::validity;
use crate::{CertificateFiles, ClientCertificates, TlsConfig};

/// A certificate chain, its key, and the file it came from.
pub(super) struct Certified {
    path: String,
    pub(super) key: CertifiedKey,
}

/// All that a server's files hold, read at one time.
pub(super) struct Loaded {
    /// The first is for clients that ask for no name, or for an unknown one.
    pub(super) certificates: Vec<Certified>,
    pub(super) authorities: Option<Authorities>,
}

impl Loaded {
    pub(super) fn read(files: &TlsConfig) -> Result<Self, TlsError> {
        let certificates = files.certificates().map(|files| certified(&files));
        let authorities = files.client_certificates.as_ref().map(authorities);
        Ok(Self {
            certificates: certificates.collect::<Result<_, _>>()?,
            authorities: authorities.transpose()?,
        })
    }

    /// Whether every certificate is valid now. One whose validity cannot be made out passes: the
    /// clients will judge.
    pub(super) fn check_validity(&self, now: UnixTime) -> Result<(), TlsError> {
        for certified in &self.certificates {
            let told = certified.key.cert.first().and_then(|leaf| validity(leaf));
            if told.is_some_and(|told| !told.holds_at(now)) {
                return Err(TlsError::NotValidNow(certified.path.clone()));
            }
        }
        Ok(())
    }
}

fn authorities(told: &ClientCertificates) -> Result<Authorities, TlsError> {
    let path = told.authorities_path.display().to_string();
    let mut roots = RootCertStore::empty();
    for certificate in certificates_in(&told.authorities_path)? {
        roots
            .add(certificate)
            .map_err(|cause| TlsError::Authorities {
                path: path.clone(),
                cause: cause.to_string(),
            })?;
    }
    Ok(Authorities {
        roots,
        demand: told.demand,
        path,
    })
}

fn certified(files: &CertificateFiles) -> Result<Certified, TlsError> {
    let path = files.certificate_path.display().to_string();
    let chain = certificates_in(&files.certificate_path)?;
    let key = PrivateKeyDer::from_pem_file(&files.key_path).map_err(|cause| TlsError::Key {
        path: files.key_path.display().to_string(),
        cause,
    })?;
    // Refuses a key that is not the certificate's.
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())?;
    Ok(Certified { path, key })
}

fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let shown = || path.display().to_string();
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| TlsError::Certificate {
            path: shown(),
            cause,
        })?;
    match certificates.is_empty() {
        true => Err(TlsError::NoCertificate(shown())),
        false => Ok(certificates),
    }
}
