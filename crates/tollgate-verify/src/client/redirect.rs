//! Where a redirect leads, for clients that were told to follow some.

use http::{StatusCode, Uri};

use super::address::check_url_from;
use super::http::FetchError;

/// Whether an answer sends the asker of a GET elsewhere (RFC 9110 §15.4).
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The URL that `location` names, seen from `current`: absolute, or a path on the same host.
///
/// # Errors
/// [`FetchError::AddressRefused`] where nothing may be asked.
pub(crate) fn next_url(current: &Uri, location: &str) -> Result<Uri, FetchError> {
    let is_path = location.starts_with('/') && !location.starts_with("//");
    match (current.scheme_str(), current.authority()) {
        (Some(scheme), Some(authority)) if is_path => {
            check_url_from(current, &format!("{scheme}://{authority}{location}"))
        }
        _ => check_url_from(current, location),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_where_urls_may() {
        let check = |current: &str, location: &str, expected: Option<&str>| {
            let next = next_url(&current.parse().unwrap(), location);
            let next = next.map(|uri| uri.to_string());
            assert_eq!(next.ok().as_deref(), expected, "{current} {location}");
        };
        let public = "https://as.example:8443/keys";
        check(
            public,
            "/moved?v=1",
            Some("https://as.example:8443/moved?v=1"),
        );
        check(
            public,
            "https://cdn.example/k",
            Some("https://cdn.example/k"),
        );
        for refused in [
            "http://as.example/keys",
            "http://127.0.0.1/keys",
            "https://127.0.0.1/keys",
            "https://localhost/keys",
            "https://user@as.example/keys",
            "//evil.example/keys",
            "file:///etc/passwd",
            "moved",
            "",
            "/a b",
        ] {
            check(public, refused, None);
        }
        let local = "http://127.0.0.1:8080/keys";
        check(local, "/moved", Some("http://127.0.0.1:8080/moved"));
        check(
            local,
            "http://localhost:9090/k",
            Some("http://localhost:9090/k"),
        );
        check(local, "https://as.example/k", Some("https://as.example/k"));
    }
}
