//! For whom a request is: that it says so once, and in the letters that a host's name can have.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderValue, Request, Version};

/// The request does not say clearly for which host it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnclearHost;

/// Whether the request names one host, as its version of HTTP demands (RFC 9112 §3.2, RFC 9113
/// §8.3.1).
pub(crate) fn names_one_host<B>(request: &Request<B>) -> bool {
    let version = request.version();
    match asked_host(request) {
        Ok(Some(_)) => version != Version::HTTP_11 || request.headers().contains_key(HOST),
        Ok(None) => version < Version::HTTP_11,
        Err(UnclearHost) => false,
    }
}

/// The host and port that the request is for, in its target or else in its `Host`; `None` if
/// neither names one.
///
/// # Security
/// Of two names a proxy in front may have judged one while the handler reads the other, and a
/// cache would keep what was made for one under the other.
pub(crate) fn asked_host<B>(request: &Request<B>) -> Result<Option<&str>, UnclearHost> {
    let mut told = request.headers().get_all(HOST).iter();
    let header = match (told.next(), told.next()) {
        (header, None) => header.map(HeaderValue::to_str).transpose(),
        (_, Some(_)) => return Err(UnclearHost),
    };
    let header = header.map_err(|_| UnclearHost)?;
    let target = request.uri().authority().map(Authority::as_str);
    let agree = |(header, target): (&str, &str)| header.eq_ignore_ascii_case(target);
    let host = target.or(header);
    match header.zip(target).is_none_or(agree) && host.is_none_or(is_host) {
        true => Ok(host),
        false => Err(UnclearHost),
    }
}

/// Whether this can be a host and its port, or nothing (RFC 3986 §3.2.2). Above all it holds no
/// path, no query, and nobody's name and password.
fn is_host(host: &str) -> bool {
    let may_stand =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte);
    host.bytes().all(may_stand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_one_host() {
        let check = |version: Version, target: &str, hosts: &[&str], expected: bool| {
            let mut request = Request::builder().version(version).uri(target);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let request = request.body(()).unwrap();
            assert_eq!(
                names_one_host(&request),
                expected,
                "{version:?} {target} {hosts:?}"
            );
        };
        let (v10, v11, v2) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
        check(v10, "/", &[], true);
        check(v11, "/", &[], false);
        check(v2, "/", &[], false);
        check(v11, "http://a/", &[], false);
        check(v2, "http://a/", &[], true);
        check(v2, "http://u@a/", &[], false);
        for version in [v10, v11, v2] {
            let good = ["a", "a:80", "A.b-c_d", "127.0.0.1:80", "[::1]:80", ""];
            for host in good {
                check(version, "/", &[host], true);
            }
            for host in [
                "a/b", "a?b", "a#b", "u@a", "a b", "a, b", "a\\b", "ä", "a\"", "<a>",
            ] {
                check(version, "/", &[host], false);
            }
            check(version, "/", &["a", "a"], false);
            check(version, "/", &["a", "b"], false);
            check(version, "http://a:80/", &["A:80"], true);
            check(version, "http://a/", &["b"], false);
            check(version, "http://a/", &["a:80"], false);
            check(version, "http://u@a/", &["u@a"], false);
        }
    }
}
