//! Who the client is when proxies stand between: forwarding headers, believed only from the
//! proxies that are named.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The longest chain of proxies that is followed; what stands further left is not believed.
const HOPS_MAX: usize = 32;
const HOST_BYTES_MAX: usize = 255;

/// The networks whose hosts may speak for their clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts the hosts of these networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether the host may speak for its clients.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// What trusted proxies say of the client; `None` when `peer` is not trusted.
    ///
    /// # Security
    /// Hops are read from the right, each vouched for by the one after it, and the first that is
    /// not trusted is the client: anything further left is the client's own claim. When `Forwarded`
    /// and `X-Forwarded-For` name different clients, neither is believed; when both are there, of
    /// scheme and host only what both say.
    pub(crate) fn resolve(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Box<Origin>> {
        if self.0.is_empty() || !self.contains(peer) {
            return None;
        }
        let mut origin = Origin {
            ip: peer.to_canonical(),
            scheme: None,
            host: None,
        };
        let peer = origin.clone();
        if headers.contains_key(&FORWARDED) {
            self.follow_forwarded(headers, &mut origin);
            let mut other = peer.clone();
            self.follow_x_forwarded(headers, &mut other);
            // A proxy writes one of the two and may pass on the other as its client sent it. The
            // client knows its own address, so that the same one in both proves nothing else.
            let names = [&X_FORWARDED_FOR, &X_FORWARDED_PROTO, &X_FORWARDED_HOST];
            if names.into_iter().any(|name| headers.contains_key(name)) {
                origin.scheme = origin.scheme.filter(|_| origin.scheme == other.scheme);
                origin.host = origin
                    .host
                    .take()
                    .filter(|host| other.host.as_ref() == Some(host));
            }
            if headers.contains_key(&X_FORWARDED_FOR) && other.ip != origin.ip {
                origin = peer;
            }
        } else {
            self.follow_x_forwarded(headers, &mut origin);
        }
        Some(Box::new(origin))
    }

    /// RFC 7239. An element that does not parse ends the walk: nobody vouches for what is left.
    fn follow_forwarded(&self, headers: &HeaderMap, origin: &mut Origin) {
        for element in list_from_right(headers, &FORWARDED) {
            let mut node = None;
            for (name, value) in element.split(';').filter_map(|pair| pair.split_once('=')) {
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => node = parse_node(value),
                    "proto" => origin.scheme = Scheme::from_str(value).ok().or(origin.scheme),
                    "host" => origin.host = parse_host(value).or(origin.host.take()),
                    _ => {}
                }
            }
            let Some(ip) = node else { return };
            origin.ip = ip;
            if !self.contains(ip) {
                return;
            }
        }
    }

    fn follow_x_forwarded(&self, headers: &HeaderMap, origin: &mut Origin) {
        for node in list_from_right(headers, &X_FORWARDED_FOR) {
            let Some(ip) = parse_node(node) else { break };
            origin.ip = ip;
            if !self.contains(ip) {
                break;
            }
        }
        // The nearest proxy writes these last, so the right-most value is the vouched-for one.
        origin.scheme = list_from_right(headers, &X_FORWARDED_PROTO)
            .next()
            .and_then(|p| p.parse().ok());
        origin.host = list_from_right(headers, &X_FORWARDED_HOST)
            .next()
            .and_then(parse_host);
    }
}

/// The client behind trusted proxies, as they tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) ip: IpAddr,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) host: Option<Box<str>>,
}

/// What the client spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl FromStr for Scheme {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "http" | "ws" => Ok(Self::Http),
            "https" | "wss" => Ok(Self::Https),
            _ => Err(()),
        }
    }
}

/// The elements of a comma-separated header, over all its lines, right-most first.
fn list_from_right<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h str> + use<'h> {
    let lines: Vec<&str> = headers
        .get_all(name)
        .iter()
        .map(|v| v.to_str().unwrap_or("invalid"))
        .collect();
    lines
        .into_iter()
        .rev()
        .flat_map(|line| line.rsplit(','))
        .map(str::trim)
        .take(HOPS_MAX)
}

/// An address as forwarding headers write it: bare, with a port, or an IPv6 one in brackets.
fn parse_node(node: &str) -> Option<IpAddr> {
    let ip = if let Some(rest) = node.strip_prefix('[') {
        rest.split_once(']')?.0.parse().ok().map(IpAddr::V6)
    } else if let Ok(ip) = node.parse() {
        Some(ip)
    } else {
        let (ip, port) = node.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        ip.parse().ok().map(IpAddr::V4)
    };
    ip.map(|ip| ip.to_canonical())
}

fn parse_host(host: &str) -> Option<Box<str>> {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let fits = !host.is_empty() && host.len() <= HOST_BYTES_MAX && host.bytes().all(sane);
    fits.then(|| host.into())
}

/// What an address is limited by: an IPv4 address whole, an IPv6 address by its /64, since one
/// customer commonly holds all of that.
#[must_use]
pub fn ip_key(ip: IpAddr) -> u128 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => Ipv6Addr::to_bits(ip) & !u128::from(u64::MAX),
    }
}
