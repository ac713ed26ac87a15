//! The target that a gateway asks about, and the table that says what a target demands.

use std::borrow::Cow;

use http::HeaderMap;
use tollgate_protocol::{ErrorCode, form::decode_component};

use crate::{refusal::Refusal, state::RouteDemand};

/// The most segments that a target's path may have.
const SEGMENTS_MAX: usize = 64;
/// The headers that name the target, by the habits of Traefik and Envoy, and of nginx.
const NAMED_BY: [(&str, &str); 2] = [
    ("x-forwarded-method", "x-forwarded-uri"),
    ("x-original-method", "x-original-uri"),
];

/// What `[[routes]]` demands, in order: the first that fits counts.
pub(crate) struct Targets(Vec<RouteDemand>);

/// The method and the path that the gateway was asked for.
pub(super) struct Target {
    method: Option<String>,
    segments: Vec<String>,
}

impl Targets {
    pub(crate) fn new(routes: &[RouteDemand]) -> Self {
        Self(routes.to_vec())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, target: &Target) -> Option<&RouteDemand> {
        let fits = |route: &&RouteDemand| {
            let method = route.method.as_deref();
            method.is_none_or(|method| target.method.as_deref() == Some(method))
                && route.path.covers(&target.segments)
        };
        self.0.iter().find(fits)
    }
}

impl Target {
    /// The target that `headers` name; none when they name none.
    ///
    /// # Security
    ///
    /// A gateway sets one pair of headers and may pass on the other pair as its own caller sent
    /// it. When both are there and differ, one is a lie, and the call is refused.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let mut found: Option<(Option<&[u8]>, &[u8])> = None;
        for (method, uri) in NAMED_BY {
            let Some(uri) = only(headers, uri)? else {
                continue;
            };
            let named = (only(headers, method)?, uri);
            if found.is_some_and(|other| other != named) {
                return Err(ambiguous());
            }
            found = Some(named);
        }
        let Some((method, uri)) = found else {
            return Ok(None);
        };
        let path = uri
            .split(|byte| matches!(byte, b'?' | b'#'))
            .next()
            .unwrap_or_default();
        let method = method.map(|method| String::from_utf8_lossy(method).into_owned());
        Ok(Some(Self {
            method,
            segments: path_segments(path).ok_or_else(unclear)?,
        }))
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a [u8]>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(http::HeaderValue::as_bytes)),
        _ => Err(ambiguous()),
    }
}

/// The decoded segments of a path, if every server would read it alike: no empty or dot segments,
/// nothing encoded that separates or ends.
fn path_segments(path: &[u8]) -> Option<Vec<String>> {
    let path = path.strip_prefix(b"/")?;
    if path.is_empty() {
        return Some(Vec::new());
    }
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let segments: Option<Vec<String>> = path.split(|byte| *byte == b'/').map(segment).collect();
    segments.filter(|segments| segments.len() <= SEGMENTS_MAX)
}

fn segment(encoded: &[u8]) -> Option<String> {
    // A plus sign stands for itself in a path.
    let encoded: Cow<'_, [u8]> = if encoded.contains(&b'+') {
        let text = std::str::from_utf8(encoded).ok()?;
        Cow::Owned(text.replace('+', "%2B").into_bytes())
    } else {
        Cow::Borrowed(encoded)
    };
    let decoded = decode_component(&encoded).ok()?;
    let is_clear = !decoded.is_empty()
        && !matches!(&*decoded, "." | "..")
        && !decoded.contains(['/', '\\', ';', '%'])
        && !decoded.chars().any(char::is_control);
    is_clear.then(|| decoded.into_owned())
}

fn ambiguous() -> Refusal {
    Refusal::bad_request(
        ErrorCode::InvalidRequest,
        "the headers that name the target are repeated or contradict each other",
    )
}

fn unclear() -> Refusal {
    Refusal::bad_request(
        ErrorCode::InvalidRequest,
        "the target's path can be read in more than one way",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(routes: &[&str], method: &str, uri: &str) -> Result<Option<String>, ()> {
        let demand = |route: &&str| {
            let (method, path) = route.split_once(' ').unwrap();
            RouteDemand {
                method: (method != "*").then(|| method.to_owned()),
                path: path.parse().unwrap(),
                scope: None,
                audience: None,
            }
        };
        let routes: Vec<RouteDemand> = routes.iter().map(demand).collect();
        let targets = Targets::new(&routes);
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-method", method.parse().unwrap());
        headers.insert("x-forwarded-uri", uri.parse().unwrap());
        let target = Target::of(&headers).map_err(|_| ())?.ok_or(())?;
        Ok(targets.find(&target).map(|route| route.path.to_string()))
    }

    #[test]
    fn the_first_route_that_fits_counts() {
        let routes = [
            "GET /orders/{id}",
            "* /orders/{id}/{*rest}",
            "POST /",
            "GET /a b",
        ];
        for (method, uri, expected) in [
            ("GET", "/orders/1", Some("/orders/{id}")),
            ("GET", "/orders/1/?x=/y", Some("/orders/{id}")),
            ("GET", "/orders/%31", Some("/orders/{id}")),
            ("POST", "/orders/1", Some("/orders/{id}/{*rest}")),
            ("get", "/", None),
            ("DELETE", "/orders/1/lines/2", Some("/orders/{id}/{*rest}")),
            ("GET", "/orders", None),
            ("POST", "/", Some("/")),
            ("GET", "/a%20b", Some("/a b")),
        ] {
            let found = find(&routes, method, uri);
            assert_eq!(found, Ok(expected.map(str::to_owned)), "{method} {uri}");
        }
    }

    #[test]
    fn paths_that_servers_read_differently_are_refused() {
        for uri in [
            "/orders//1",
            "//",
            "//orders/1",
            "/orders/../admin",
            "/orders/./1",
            "/orders/%2e%2e/admin",
            "/orders%2f1",
            "/orders/%5c",
            "/orders/1;a=b",
            "/orders/%2531",
            "/orders/%zz",
            "/orders/%00",
            "orders/1",
            "http://x/orders/1",
        ] {
            assert_eq!(find(&["* /{*rest}"], "GET", uri), Err(()), "{uri}");
        }
    }

    #[test]
    fn contradicting_headers_are_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("x-original-method", "GET".parse().unwrap());
        headers.insert("x-original-uri", "/admin".parse().unwrap());
        assert!(Target::of(&headers).is_ok());
        headers.insert("x-forwarded-method", "GET".parse().unwrap());
        headers.insert("x-forwarded-uri", "/public".parse().unwrap());
        assert!(Target::of(&headers).is_err());
        headers.insert("x-forwarded-uri", "/admin".parse().unwrap());
        assert!(Target::of(&headers).is_ok());
        headers.append("x-forwarded-uri", "/admin".parse().unwrap());
        assert!(Target::of(&headers).is_err());
    }
}
