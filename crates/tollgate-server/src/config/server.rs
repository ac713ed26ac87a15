//! `[server]`: the public listener, its TLS and its bounds.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

use super::{
    key::{Item, Key, Kind},
    reader::Reader,
};

const TIMEOUT: Kind = Kind::millis(10, 24 * 3_600_000);

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "server.listen",
        Kind::Address,
        "\"127.0.0.1:8080\"",
        "address of the public listener; port 0 takes a free one",
    ),
    Key::new(
        "server.tls_cert",
        Kind::Path,
        "\"\"",
        "certificate chain in PEM; with tls_key turns TLS 1.2/1.3 on",
    ),
    Key::new(
        "server.tls_key",
        Kind::Path,
        "\"\"",
        "private key of tls_cert in PEM",
    ),
    Key::new(
        "server.http2",
        Kind::Bool,
        "true",
        "HTTP/2 by ALPN over TLS, with prior knowledge on plain text",
    ),
    Key::new(
        "server.http3",
        Kind::Bool,
        "false",
        "HTTP/3 too, on the UDP port of the same number; needs TLS",
    ),
    Key::new(
        "server.connections_max",
        Kind::Integer {
            min: 1,
            max: 10_000_000,
        },
        "10000",
        "open connections; one more is answered 503",
    ),
    Key::new(
        "server.header_timeout",
        TIMEOUT,
        "\"5s\"",
        "for a whole request head, and for the TLS handshake",
    ),
    Key::new(
        "server.read_timeout",
        TIMEOUT,
        "\"30s\"",
        "for a whole request body",
    ),
    Key::new(
        "server.write_timeout",
        TIMEOUT,
        "\"30s\"",
        "for a client that does not read its answer",
    ),
    Key::new(
        "server.idle_timeout",
        TIMEOUT,
        "\"120s\"",
        "for a connection between two requests",
    ),
    Key::new(
        "server.request_timeout",
        TIMEOUT,
        "\"10s\"",
        "for answering; past it 503",
    ),
    Key::new(
        "server.drain_timeout",
        Kind::millis(0, 24 * 3_600_000),
        "\"20s\"",
        "for what is in flight at a shutdown",
    ),
    Key::new(
        "server.header_bytes_max",
        Kind::Integer {
            min: 1024,
            max: 1 << 20,
        },
        "16384",
        "largest request head; past it 431",
    ),
    Key::new(
        "server.body_bytes_max",
        Kind::Integer {
            min: 1024,
            max: 64 << 20,
        },
        "65536",
        "largest request body, of a batch four times that; past it 413",
    ),
    Key::new(
        "server.threads",
        Kind::Integer { min: 0, max: 1024 },
        "0",
        "serving threads; 0: one a core",
    ),
    Key::new(
        "server.trusted_proxies",
        Kind::List(Item::Network),
        "[]",
        "whose X-Forwarded-* and Forwarded headers count",
    ),
];

/// The public listener.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<Tls>,
    pub(crate) http2: bool,
    pub(crate) http3: bool,
    pub(crate) connections_max: usize,
    pub(crate) timeouts: Timeouts,
    pub(crate) header_bytes_max: usize,
    pub(crate) body_bytes_max: usize,
    pub(crate) threads: usize,
    pub(crate) trusted_proxies: Vec<IpNet>,
}

/// The files of the public listener's TLS.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The time-outs of the public listener.
#[derive(Debug)]
pub(crate) struct Timeouts {
    pub(crate) header: Duration,
    pub(crate) read: Duration,
    pub(crate) write: Duration,
    pub(crate) idle: Duration,
    pub(crate) request: Duration,
    pub(crate) drain: Duration,
}

impl Server {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let tls = tls(reader);
        Self {
            listen: reader.address("server.listen"),
            http3: http3(reader, tls.as_ref()),
            tls,
            http2: reader.bool("server.http2"),
            connections_max: reader.size("server.connections_max"),
            timeouts: Timeouts {
                header: reader.duration("server.header_timeout"),
                read: reader.duration("server.read_timeout"),
                write: reader.duration("server.write_timeout"),
                idle: reader.duration("server.idle_timeout"),
                request: reader.duration("server.request_timeout"),
                drain: reader.duration("server.drain_timeout"),
            },
            header_bytes_max: reader.size("server.header_bytes_max"),
            body_bytes_max: reader.size("server.body_bytes_max"),
            threads: reader.size("server.threads"),
            trusted_proxies: reader.networks("server.trusted_proxies"),
        }
    }
}

/// There is no QUIC in plain text.
fn http3(reader: &mut Reader<'_>, tls: Option<&Tls>) -> bool {
    let wanted = reader.bool("server.http3");
    if wanted && tls.is_none() {
        let what = "it is true without server.tls_cert and server.tls_key".to_owned();
        reader.refuse("server.http3", what, "true only with both, or false");
    }
    wanted
}

/// Half a pair is refused: the operator who set it believes that TLS is on.
fn tls(reader: &mut Reader<'_>) -> Option<Tls> {
    match (
        reader.path("server.tls_cert"),
        reader.path("server.tls_key"),
    ) {
        (Some(certificate), Some(key)) => Some(Tls { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            let what = "it is set without server.tls_key".to_owned();
            reader.refuse("server.tls_cert", what, "both, or neither");
            None
        }
        (None, Some(_)) => {
            let what = "it is set without server.tls_cert".to_owned();
            reader.refuse("server.tls_key", what, "both, or neither");
            None
        }
    }
}
