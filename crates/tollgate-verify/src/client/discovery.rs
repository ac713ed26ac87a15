//! Where a provider's keys are: OpenID Connect Discovery and RFC 8414 metadata.

use serde::Deserialize;

use super::address::{check_url, check_url_from};
use super::http::FetchError;

/// What is read of a metadata document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Metadata {
    issuer: String,
    pub(crate) jwks_uri: String,
}

/// The two places where an issuer's metadata may be, the more common one first.
pub(crate) fn metadata_urls(issuer: &str) -> Vec<String> {
    let base = issuer.trim_end_matches('/');
    let oidc = format!("{base}/.well-known/openid-configuration");
    // RFC 8414 §3.1: the well-known part goes between host and path.
    let host_end = base.find("://").map_or(0, |scheme| scheme + 3);
    let path_start = base
        .get(host_end..)
        .and_then(|rest| rest.find('/'))
        .map(|at| host_end + at);
    let (host, path) = base.split_at(path_start.unwrap_or(base.len()));
    vec![
        oidc,
        format!("{host}/.well-known/oauth-authorization-server{path}"),
    ]
}

/// Reads the document at `url` and holds it to the issuer that was asked for.
///
/// A document that names another issuer is a mix-up or an attack (RFC 8414 §3.3).
pub(crate) fn parse(json: &[u8], issuer: &str, url: &str) -> Result<Metadata, FetchError> {
    let metadata: Metadata = serde_json::from_slice(json).map_err(|_| MALFORMED)?;
    if metadata.issuer != issuer {
        let named = metadata
            .issuer
            .chars()
            .take(ISSUER_SHOWN_MAX)
            .collect::<String>();
        return Err(FetchError::OtherIssuer(named.into()));
    }
    check_url_from(&check_url(url)?, &metadata.jwks_uri)?;
    Ok(metadata)
}

/// Whether this failure means that the document may be at the other place: there is none here, or
/// a page for people. A document that names another issuer is no reason to go on looking.
pub(crate) fn may_be_elsewhere(error: &FetchError) -> bool {
    match error {
        FetchError::Status(429) => false,
        FetchError::Status(status) => *status < 500,
        other => *other == MALFORMED,
    }
}

/// How much of a foreign issuer's name goes to the log, in characters.
const ISSUER_SHOWN_MAX: usize = 200;
const MALFORMED: FetchError = FetchError::Invalid("malformed metadata");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_in_two_places() {
        let check = |issuer: &str, rfc_8414: &str| {
            let urls = metadata_urls(issuer);
            let base = issuer.trim_end_matches('/');
            assert_eq!(
                urls,
                [
                    format!("{base}/.well-known/openid-configuration"),
                    rfc_8414.into()
                ]
            );
        };
        let known = ".well-known/oauth-authorization-server";
        check("https://as.example", &format!("https://as.example/{known}"));
        check(
            "https://as.example/",
            &format!("https://as.example/{known}"),
        );
        check(
            "https://as.example/tenant/1",
            &format!("https://as.example/{known}/tenant/1"),
        );
    }

    #[test]
    fn documents_are_held_to_their_issuer() {
        let check = |json: &str, expected: bool| {
            let url = "https://as.example/metadata";
            let parsed = parse(json.as_bytes(), "https://as.example", url);
            assert_eq!(parsed.is_ok(), expected, "{json}");
        };
        check(
            r#"{"issuer":"https://as.example","jwks_uri":"https://as.example/jwks"}"#,
            true,
        );
        check(
            r#"{"issuer":"https://as.example/","jwks_uri":"https://as.example/jwks"}"#,
            false,
        );
        check(
            r#"{"issuer":"https://evil.example","jwks_uri":"https://as.example/jwks"}"#,
            false,
        );
        check(
            r#"{"issuer":"https://as.example","jwks_uri":"http://as.example/jwks"}"#,
            false,
        );
        check(
            r#"{"issuer":"https://as.example","jwks_uri":"file:///etc/passwd"}"#,
            false,
        );
        check(
            r#"{"issuer":"https://as.example","jwks_uri":"http://127.0.0.1:6379/"}"#,
            false,
        );
        check(
            r#"{"issuer":"https://as.example","jwks_uri":"https://localhost/jwks"}"#,
            false,
        );
        check(
            r#"{"issuer":"https://as.example","jwks_uri":"https://keys.example/jwks"}"#,
            true,
        );
        check(r#"{"issuer":"https://as.example"}"#, false);
        check(
            r#"{"issuer":"https://as.example","issuer":"x","jwks_uri":"https://a/"}"#,
            false,
        );
        check("<html>", false);

        let local = r#"{"issuer":"http://127.0.0.1:1","jwks_uri":"http://localhost:2/jwks"}"#;
        let at = |url| parse(local.as_bytes(), "http://127.0.0.1:1", url).is_ok();
        assert!(at("http://127.0.0.1:1/metadata") && !at("https://as.example/metadata"));
    }
}
