//! What a server is told at its start: bounds, time-outs, TLS. Reads no file and no environment.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::TrustedProxies;

/// The bounds of one server. Every field has an effect on every protocol that is spoken.
///
/// Read from any format that `serde` knows: a missing key takes its default, an unknown one is
/// refused, durations carry their unit (`"5s"`). The ranges are checked by
/// [`validate`](Self::validate), at the latest when the server binds.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Connections open at once; one more is answered 503 and closed, with TLS only closed.
    pub connections_max: usize,
    /// Connections open at once from one IPv4 address or IPv6 /64, trusted proxies aside; one more
    /// is turned away likewise. 0: no such cap.
    pub connections_per_ip_max: usize,
    /// From accepting a connection, or from the first byte of a later request, to the end of the
    /// request's head. The TLS handshake counts.
    #[serde(with = "crate::duration")]
    pub header_timeout: Duration,
    /// From the end of the head to the end of the body.
    #[serde(with = "crate::duration")]
    pub read_timeout: Duration,
    /// How long an answer may wait for a client that does not read; whatever is read restarts it.
    /// On HTTP/2 and HTTP/3 that is a piece of 16 KiB at least; the last one on HTTP/2 counts as
    /// read once the client takes any of it.
    #[serde(with = "crate::duration")]
    pub write_timeout: Duration,
    /// How long a connection may stand open between two requests.
    #[serde(with = "crate::duration")]
    pub idle_timeout: Duration,
    /// How long the handler may work once the request is complete; past it 503.
    #[serde(with = "crate::duration")]
    pub request_timeout: Duration,
    /// How long a shutdown waits for requests in flight.
    #[serde(with = "crate::duration")]
    pub drain_timeout: Duration,
    /// The largest request head in bytes; past it 431. At least 1024.
    pub header_bytes_max: usize,
    /// The largest request body in bytes; past it 413.
    pub body_bytes_max: usize,
    /// Whether HTTP/2 is spoken: by ALPN over TLS, by prior knowledge on plain text.
    pub http2: bool,
    /// Whether HTTP/3 is spoken too, on the UDP port of the TLS listener, and answers on TCP say
    /// so with `Alt-Svc`. Needs `tls` and the feature `http3`.
    pub http3: bool,
    /// Threads, each with its own runtime and listening socket; 0: one a core.
    pub threads: usize,
    /// The peers whose forwarding headers count.
    pub trusted_proxies: TrustedProxies,
    /// TLS 1.2 and 1.3 instead of plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
}

/// Where certificates and keys stand, all in PEM. Changed files are taken into use as they are.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain, leaf first.
    pub certificate_path: PathBuf,
    /// The leaf's private key.
    pub key_path: PathBuf,
    /// More certificates, shown to clients that ask for a name that they are valid for (SNI). All
    /// others see the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<CertificateFiles>,
    /// Asks clients for certificates too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificates: Option<ClientCertificates>,
}

/// A certificate chain and its key, both in PEM.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The certificate chain, leaf first.
    pub certificate_path: PathBuf,
    /// The leaf's private key.
    pub key_path: PathBuf,
}

/// Which certificates of clients are believed.
///
/// # Security
/// Revocation lists are not looked at: let certificates be short-lived.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificates {
    /// The authorities that vouch for clients, in PEM.
    pub authorities_path: PathBuf,
    /// Whether a client must have one.
    pub demand: ClientCertificateDemand,
}

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificateDemand {
    /// It may; the handler sees whether it did. One that nobody vouches for ends the handshake.
    Optional,
    /// It must, or the handshake fails.
    Required,
}

impl TlsConfig {
    /// One certificate for everybody, and none asked for.
    #[must_use]
    pub fn new(certificate_path: impl Into<PathBuf>, key_path: impl Into<PathBuf>) -> Self {
        Self {
            certificate_path: certificate_path.into(),
            key_path: key_path.into(),
            more: Vec::new(),
            client_certificates: None,
        }
    }

    /// All certificates, the one for everybody first.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = CertificateFiles> {
        let first = CertificateFiles {
            certificate_path: self.certificate_path.clone(),
            key_path: self.key_path.clone(),
        };
        std::iter::once(first).chain(self.more.iter().cloned())
    }

    /// All files, in an order that does not change.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let authorities = self.client_certificates.iter();
        self.certificates()
            .flat_map(|files| [files.certificate_path, files.key_path])
            .chain(authorities.map(|told| told.authorities_path.clone()))
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_ip_max: 0,
            header_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
            request_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(20),
            header_bytes_max: 16_384,
            body_bytes_max: 65_536,
            http2: true,
            http3: false,
            threads: 0,
            trusted_proxies: TrustedProxies::default(),
            tls: None,
        }
    }
}

/// The smallest and largest bounds of a request head that HTTP clients and the parser live with.
const HEADER_BYTES: std::ops::RangeInclusive<usize> = 1024..=1 << 20;
const THREADS_MAX: usize = 1024;
/// No time-out is shorter: the clock that enforces them is not finer.
const TIMEOUT_MIN: Duration = Duration::from_millis(10);
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);

impl ServerConfig {
    /// Checks every value against its range.
    ///
    /// # Errors
    /// Names the first value that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let timeouts = [
            ("header_timeout", self.header_timeout),
            ("read_timeout", self.read_timeout),
            ("write_timeout", self.write_timeout),
            ("idle_timeout", self.idle_timeout),
            ("request_timeout", self.request_timeout),
        ];
        for (key, timeout) in timeouts {
            if timeout < TIMEOUT_MIN || timeout > TIMEOUT_MAX {
                return Err(ConfigError {
                    key,
                    allowed: "10ms to 24h",
                });
            }
        }
        let rules = [
            (
                "drain_timeout",
                "at most 24h",
                self.drain_timeout <= TIMEOUT_MAX,
            ),
            (
                "http3",
                "true only with TLS, in a build with the feature `http3`",
                !self.http3 || (self.tls.is_some() && cfg!(feature = "http3")),
            ),
            ("connections_max", "at least 1", self.connections_max > 0),
            ("threads", "at most 1024", self.threads <= THREADS_MAX),
            (
                "header_bytes_max",
                "1024 to 1048576",
                HEADER_BYTES.contains(&self.header_bytes_max),
            ),
            (
                "body_bytes_max",
                "at most 4294967295",
                u32::try_from(self.body_bytes_max).is_ok(),
            ),
        ];
        match rules.into_iter().find(|(_, _, holds)| !holds) {
            Some((key, allowed, _)) => Err(ConfigError { key, allowed }),
            None => Ok(()),
        }
    }

    /// The number of threads that will serve.
    pub(crate) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

/// A value of [`ServerConfig`] is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is out of range: {allowed}")]
pub struct ConfigError {
    /// The field.
    pub key: &'static str,
    /// What it may be.
    pub allowed: &'static str,
}
