//! Which URLs and addresses may be asked: what keeps a provider's document from pointing the
//! verifier at the inside of its own network (SSRF).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use http::uri::Scheme;

use super::http::FetchError;

/// Which addresses may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AddressPolicy {
    /// Public addresses, and loopback when the URL itself names it.
    #[default]
    Public,
    /// Private ones too, for providers inside one's own network. Link-local addresses stay refused,
    /// and the private ones at which AWS, Google and Alibaba hand out credentials.
    PublicAndPrivate,
}

/// Checks a URL before anything is sent: https, or http to loopback; no user, no fragment, and no
/// address that no policy allows.
pub(crate) fn check_url(url: &str) -> Result<Uri, FetchError> {
    let uri: Uri = url.parse().map_err(|_| FetchError::AddressRefused)?;
    let host = uri.host().ok_or(FetchError::AddressRefused)?;
    let authority = uri.authority().ok_or(FetchError::AddressRefused)?;
    let is_secure = uri.scheme() == Some(&Scheme::HTTPS);
    let is_plain = uri.scheme() == Some(&Scheme::HTTP);
    let may_ask = is_secure || (is_plain && names_loopback(host));
    // Whichever client asks: what names resolve to is for it to judge, but this can be seen here.
    let may_ask = may_ask && AddressPolicy::PublicAndPrivate.allows_host(host);
    if !may_ask || authority.as_str().contains('@') || url.contains('#') {
        return Err(FetchError::AddressRefused);
    }
    Ok(uri)
}

/// Checks a URL that the answer from `source` points to.
///
/// Whoever is not loopback cannot send anybody there: what listens on loopback trusts whoever can
/// reach it, and a provider elsewhere has no keys of its own to show on this machine. Nor does anybody
/// point to a private address who does not stand at one by name of it.
pub(crate) fn check_url_from(source: &Uri, url: &str) -> Result<Uri, FetchError> {
    let target = check_url(url)?;
    let depth = |uri: &Uri| match uri.host() {
        Some(host) if names_loopback(host) => 2,
        Some(host) if !AddressPolicy::Public.allows_host(host) => 1,
        _ => 0,
    };
    if depth(&target) > depth(source) {
        return Err(FetchError::AddressRefused);
    }
    Ok(target)
}

/// Whether a URL's host is loopback by its very text.
pub(crate) fn names_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = bare
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    is_loopback || host.eq_ignore_ascii_case("localhost")
}

impl AddressPolicy {
    /// Whether the host of a URL may be asked as far as its text tells. What names resolve to is
    /// judged once they are resolved; behind a proxy that is out of sight, but this is not.
    #[must_use]
    pub fn allows_host(self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) => self.allows(host, address),
            Err(_) => !is_number(host),
        }
    }

    /// Whether an address that `host` resolved to may be asked.
    #[must_use]
    pub fn allows(self, host: &str, address: IpAddr) -> bool {
        match class(address) {
            Class::Public => true,
            // A public name that resolves to loopback is an attack (DNS rebinding).
            Class::Loopback => names_loopback(host),
            Class::Private => self == Self::PublicAndPrivate,
            Class::Special => false,
        }
    }
}

/// Whether a host that is no address ends in a number, which many resolvers take for an address in
/// another notation, such as `2130706433` or `0x7f.1`. No name ends so.
fn is_number(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let label = host.rsplit('.').next().unwrap_or(host);
    let hexadecimal = label.strip_prefix("0x").or(label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|digit| digit.is_ascii_hexdigit()),
        None => label.bytes().all(|digit| digit.is_ascii_digit()),
    }
}

#[derive(PartialEq, Eq)]
enum Class {
    Public,
    Loopback,
    Private,
    Special,
}

fn class(address: IpAddr) -> Class {
    match address.to_canonical() {
        IpAddr::V4(v4) => class_v4(v4),
        IpAddr::V6(v6) => class_v6(v6),
    }
}

fn class_v4(address: Ipv4Addr) -> Class {
    let [a, b, c, _] = address.octets();
    if address.is_loopback() {
        Class::Loopback
    } else if address.octets() == [100, 100, 100, 200] {
        // Where Alibaba hands out credentials.
        Class::Special
    } else if address.is_private() || (a == 100 && b & 0xc0 == 64) {
        // RFC 1918; RFC 6598 shared space of carriers.
        Class::Private
    } else if a == 0
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18)
        || a >= 240
    {
        Class::Special
    } else {
        Class::Public
    }
}

fn class_v6(address: Ipv6Addr) -> Class {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        class_v4(Ipv4Addr::new(a, b, c, d))
    };
    if address.is_loopback() {
        Class::Loopback
    } else if CREDENTIALS_V6.contains(&address) {
        Class::Special
    } else if a & 0xfe00 == 0xfc00 {
        Class::Private
    } else if [a, b, c, d, e, f] == [0; 6] {
        // Unspecified, and the long gone IPv4-compatible addresses.
        Class::Special
    } else if [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0] {
        // NAT64 leads to the IPv4 address inside.
        embedded(g, h)
    } else if a == 0x2002 {
        // So does 6to4.
        embedded(b, c)
    } else if a & 0xe000 == 0x2000 && !is_reserved_v6(a, b, c) {
        Class::Public
    } else {
        Class::Special
    }
}

/// Where AWS and Google hand out credentials, among the private addresses.
const CREDENTIALS_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// What of the global unicast addresses leads nowhere by itself: Teredo, documentation (RFC 3849, RFC
/// 9637), benchmarking (RFC 5180), ORCHID (RFC 4843, RFC 7343).
fn is_reserved_v6(a: u16, b: u16, c: u16) -> bool {
    match (a, b) {
        (0x2001, 0 | 0xdb8 | 0x10..=0x2f) => true,
        (0x2001, 2) => c == 0,
        (0x3fff, 0..=0xfff) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_https_or_loopback() {
        let check = |url: &str, expected: bool| {
            assert_eq!(check_url(url).is_ok(), expected, "{url}");
        };
        check("https://as.example/jwks", true);
        check("https://10.0.0.1/jwks", true); // whether it may be asked is for the client to say
        check("https://169.254.169.254/jwks", false);
        check("https://[fe80::1]/jwks", false);
        check("https://2130706433/jwks", false);
        check("https://0x7f.1/jwks", false);
        check("http://127.0.0.1:8080/jwks", true);
        check("http://localhost/jwks", true);
        check("http://[::1]:1/jwks", true);
        check("http://as.example/jwks", false);
        check("http://localhost.evil.example/", false);
        check("http://127.0.0.1.evil.example/", false);
        check("https://user:pass@as.example/", false);
        check("https://as.example/#fragment", false);
        check("file:///etc/passwd", false);
        check("/relative", false);
        check("", false);
    }

    #[test]
    fn documents_point_no_further_inside_than_they_stand() {
        let check = |source: &str, url: &str, expected: bool| {
            let outcome = check_url_from(&source.parse().unwrap(), url);
            assert_eq!(outcome.is_ok(), expected, "{source} {url}");
        };
        for source in ["https://as.example/m", "https://93.184.216.34/m"] {
            check(source, "https://as.example/jwks", true);
            check(source, "https://93.184.216.34/jwks", true);
            for inside in ["10.0.0.1", "[fd00::1]", "127.0.0.1", "169.254.169.254"] {
                check(source, &format!("https://{inside}/jwks"), false);
            }
        }
        check("https://10.0.0.2/m", "https://10.0.0.1/jwks", true);
        check("https://10.0.0.2/m", "https://127.0.0.1/jwks", false);
        check("http://127.0.0.1/m", "https://10.0.0.1/jwks", true);
    }

    #[test]
    fn hosts_are_judged_by_their_text() {
        let check = |host: &str, expected: bool| {
            assert_eq!(AddressPolicy::Public.allows_host(host), expected, "{host}");
        };
        for name in [
            "as.example",
            "3com.example",
            "as.example.",
            "0xas.example",
            "93.184.216.34",
        ] {
            check(name, true);
        }
        for own in ["localhost", "127.0.0.1", "[::1]"] {
            check(own, true);
        }
        for inside in [
            "10.0.0.1",
            "169.254.169.254",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
        ] {
            check(inside, false);
        }
        for disguised in [
            "2130706433",
            "0x7f000001",
            "0X7f.1",
            "127.1",
            "10.0.1",
            "1.2.3.4.",
            "0x",
        ] {
            check(disguised, false);
        }
        assert!(AddressPolicy::PublicAndPrivate.allows_host("10.0.0.1"));
        assert!(!AddressPolicy::PublicAndPrivate.allows_host("169.254.169.254"));
    }

    #[test]
    fn addresses_inside_are_refused() {
        let check = |address: &str, host: &str, public: bool, private: bool| {
            let parsed: IpAddr = address.parse().unwrap();
            assert_eq!(
                AddressPolicy::Public.allows(host, parsed),
                public,
                "{address}"
            );
            let lenient = AddressPolicy::PublicAndPrivate;
            assert_eq!(lenient.allows(host, parsed), private, "{address}");
        };
        check("93.184.216.34", "as.example", true, true);
        check("2606:2800:220:1::1", "as.example", true, true);
        check("2001:200::1", "as.example", true, true);
        check("2001:30::1", "as.example", true, true);
        check("3ffe::1", "as.example", true, true);
        check("fd00:ec2::253", "as.example", false, true);
        check("100.100.100.201", "as.example", false, true);
        check("127.0.0.1", "as.example", false, false);
        check("127.0.0.1", "127.0.0.1", true, true);
        check("::1", "localhost", true, true);
        check("::ffff:127.0.0.1", "as.example", false, false);
        for inside in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "fd00::1",
        ] {
            check(inside, "as.example", false, true);
        }
        check("64:ff9b::10.0.0.1", "as.example", false, true);
        check("2002:a00:1::", "as.example", false, true);
        for never in [
            "169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "::",
            "255.255.255.255",
            "224.0.0.1",
            "::ffff:169.254.169.254",
            "192.0.0.1",
            "198.18.0.1",
            "240.0.0.1",
            "ff02::1",
            "2001:db8::1",
            "3fff::1",
            "2001:2::1",
            "2001:10::1",
            "2001:2f::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "::10.0.0.1",
            "64:ff9b::169.254.169.254",
        ] {
            check(never, "as.example", false, false);
        }
    }
}
