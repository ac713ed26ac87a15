//! Client credentials in the `Authorization: Basic` header (RFC 6749 §2.3.1, RFC 7617).

use base64_simd::STANDARD;
use zeroize::Zeroizing;

use crate::{ClientId, ClientSecret, form::decode_component};

/// What a client sent to prove who it is, well-formed but unverified.
#[derive(Debug)]
pub struct BasicCredentials {
    /// The user part.
    pub client_id: ClientId,
    /// The password part.
    pub secret: ClientSecret,
}

/// Why a header gave no credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BasicError {
    /// The header uses another authentication scheme.
    #[error("the authorization scheme is not Basic")]
    OtherScheme,
    /// Not base64, no colon, broken percent-encoding, or parts that no client can have.
    #[error("the basic credentials are malformed")]
    Malformed,
}

/// The longest id and secret, every byte percent-encoded, in base64.
const ENCODED_BYTES_MAX: usize = 4 * (ClientId::BYTES_MAX + ClientSecret::BYTES_MAX + 1);

impl BasicCredentials {
    /// The credentials out of the value of an `Authorization` header. Both parts are
    /// form-decoded, as RFC 6749 §2.3.1 demands of those who send them.
    ///
    /// # Errors
    ///
    /// When the scheme is not `Basic` or what follows is malformed.
    pub fn parse(header: &[u8]) -> Result<Self, BasicError> {
        let encoded = match header.split_at_checked(6) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"basic ") => rest.trim_ascii(),
            _ if header.eq_ignore_ascii_case(b"basic") => return Err(BasicError::Malformed),
            _ => return Err(BasicError::OtherScheme),
        };
        if encoded.len() > ENCODED_BYTES_MAX {
            return Err(BasicError::Malformed);
        }
        let decoded = STANDARD.decode_to_vec(encoded).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| BasicError::Malformed)?;
        let colon = memchr::memchr(b':', &decoded).ok_or(BasicError::Malformed)?;
        let (user, password) = decoded.split_at(colon);
        let password = password.get(1..).unwrap_or_default();
        let user = decode_component(user).map_err(|_| BasicError::Malformed)?;
        let password = decode_component(password).map_err(|_| BasicError::Malformed)?;
        Ok(Self {
            client_id: user.parse().map_err(|_| BasicError::Malformed)?,
            secret: ClientSecret::new(password.into_owned()).map_err(|_| BasicError::Malformed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(credentials: &str, expected: Option<(&str, &str)>) {
        let header = format!("Basic {}", STANDARD.encode_to_string(credentials));
        let parsed = BasicCredentials::parse(header.as_bytes());
        let parts = parsed
            .as_ref()
            .ok()
            .map(|parsed| (parsed.client_id.as_str(), parsed.secret.expose()));
        assert_eq!(parts, expected, "{credentials:?}");
    }

    #[test]
    fn both_parts_are_form_decoded() {
        check("demo:secret", Some(("demo", "secret")));
        check("demo:se:cret", Some(("demo", "se:cret")));
        check("https%3A%2F%2Fc:a%20b+c%2B", Some(("https://c", "a b c+")));
    }

    #[test]
    fn what_no_client_can_have_is_refused() {
        for credentials in [
            "demo",
            ":secret",
            "demo:",
            "de\tmo:s",
            "demo:a\0b",
            "demo:a%00b",
            "demo:%zz",
            "demo:%",
        ] {
            check(credentials, None);
        }
        check(&format!("demo:{}", "x".repeat(5000)), None);
        for header in [
            "Basic",
            "Basic ",
            "Basic ***",
            "Basic ZGVtbzpz=",
            "Basic ZGVtbzpz ZGVt",
        ] {
            assert!(
                BasicCredentials::parse(header.as_bytes()).is_err(),
                "{header}"
            );
        }
        assert_eq!(
            BasicCredentials::parse(b"Bearer x").map(|_| ()),
            Err(BasicError::OtherScheme)
        );
    }
}
