//! `issuer`, `profile`: who the server says it is, and which presets it runs on.

use tollgate_protocol::Resource;

use super::{
    Mode,
    key::{Empty, Key, Kind},
    profile,
    reader::Reader,
};

pub(super) const KEYS: &[Key] = &[
    Key::required(
        "issuer",
        Kind::Url(Empty::Refused),
        "\"https://auth.example.com\"",
        "`iss` of every token: https, or on loopback http; without a final slash",
    ),
    Key::new(
        "profile",
        Kind::Choice(profile::NAMES),
        "\"balanced\"",
        "presets of what follows; a key that is set wins over its preset",
    ),
];

/// Who the server says it is.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The issuer; none in development, where it follows the listener.
    pub(crate) issuer: Option<String>,
}

impl Identity {
    pub(super) fn read(reader: &mut Reader<'_>, mode: Mode) -> Self {
        // Read for its check alone: the presets were merged before.
        let _ = reader.text("profile");
        if mode == Mode::Development && reader.0.setting("issuer").is_none() {
            return Self { issuer: None };
        }
        let issuer = reader.text("issuer");
        let in_the_clear = issuer.starts_with("http://") && !is_loopback(&issuer);
        // With --dev nobody but this machine reaches the listeners, whatever they are called.
        if in_the_clear && mode == Mode::Production {
            reader.refuse(
                "issuer",
                format!("{issuer:?} would send tokens and secrets in the clear"),
                "an https URL, or an http URL of localhost, 127.0.0.0/8 or [::1]",
            );
        }
        if issuer.ends_with('/') {
            reader.refuse(
                "issuer",
                format!("{issuer:?} ends with a slash"),
                "the same URL without it: validators compare issuers byte by byte",
            );
        } else if !issuer.is_empty() && !is_comparable(&issuer) {
            reader.refuse(
                "issuer",
                format!("{issuer:?} would not be the same to every validator"),
                "at most 512 bytes; after the host letters, digits and -._~:/[]@!$&'()*+,;= alone, \
                 and no part that is . or ..",
            );
        }
        Self {
            issuer: Some(issuer),
        }
    }
}

/// Whether nothing that reads URLs would write this one otherwise (WHATWG URL, RFC 3986 §6.2.2), so
/// that validators find the metadata beneath it and the same `iss` there.
fn is_comparable(url: &str) -> bool {
    let is_dots = |part: &str| matches!(part, "." | "..");
    // What is percent-encoded has several spellings.
    url.parse::<Resource>().is_ok() && !url.contains('%') && !url.split('/').any(is_dots)
}

/// Whether the URL names this machine itself.
fn is_loopback(url: &str) -> bool {
    let authority = url
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .unwrap_or("");
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #[test]
    fn loopback_is_what_cannot_leave_the_machine() {
        let check =
            |url: &str, expected: bool| assert_eq!(super::is_loopback(url), expected, "{url}");
        check("http://localhost:8080", true);
        check("http://127.0.0.1:8080/tenant", true);
        check("http://127.9.9.9", true);
        check("http://[::1]:8080", true);
        check("http://localhost.example.com", false);
        check("http://127.0.0.1.example.com", false);
        check("http://10.0.0.1", false);
        check("http://[::2]", false);
        check("http://", false);
    }
}
