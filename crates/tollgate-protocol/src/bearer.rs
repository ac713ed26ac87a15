//! Bearer tokens in the `Authorization` header and the challenge that refuses them (RFC 6750).

use std::fmt::Write as _;

use crate::{ErrorCode, Scope};

/// The `b64token` of an `Authorization: Bearer` header, unverified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BearerToken<'a>(&'a str);

/// Why a header gave no bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BearerError {
    /// The header uses another authentication scheme.
    #[error("the authorization scheme is not Bearer")]
    OtherScheme,
    /// Nothing, or more than a `b64token`, follows the scheme.
    #[error("the bearer token is malformed")]
    Malformed,
}

impl<'a> BearerToken<'a> {
    /// The token out of the value of an `Authorization` header (RFC 6750 §2.1).
    ///
    /// # Errors
    ///
    /// When the scheme is not `Bearer` or what follows is not one `b64token`.
    pub fn parse(header: &'a [u8]) -> Result<Self, BearerError> {
        let token = match header.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest.trim_ascii(),
            _ if header.eq_ignore_ascii_case(b"bearer") => return Err(BearerError::Malformed),
            _ => return Err(BearerError::OtherScheme),
        };
        let unpadded = token
            .iter()
            .rposition(|byte| *byte != b'=')
            .map_or(0, |last| last + 1);
        let (body, _padding) = token.split_at(unpadded);
        if body.is_empty() || !body.iter().fold(true, |all, byte| all & is_symbol(*byte)) {
            return Err(BearerError::Malformed);
        }
        std::str::from_utf8(token)
            .map(Self)
            .map_err(|_| BearerError::Malformed)
    }

    /// The token as sent.
    #[must_use]
    pub const fn expose(&self) -> &'a str {
        self.0
    }
}

/// Whether `byte` may stand in a `b64token`; without branches, so that the processor looks at many
/// bytes at once.
const fn is_symbol(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // From `-` over `.` and `/` to the last digit.
    let is_in_range = byte.wrapping_sub(b'-') <= b'9' - b'-';
    is_letter | is_in_range | (byte == b'+') | (byte == b'_') | (byte == b'~')
}

impl std::fmt::Debug for BearerToken<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("BearerToken(…)")
    }
}

/// The value of a `WWW-Authenticate` header (RFC 6750 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// What the token failed by; none when there was no token at all.
    pub error: Option<(ErrorCode, &'static str)>,
    /// The scope that would have been enough.
    pub scope: Option<Scope>,
}

impl Challenge {
    /// The header's value for `realm`, which must be free of `"` and `\`.
    #[must_use]
    pub fn to_header(&self, realm: &str) -> String {
        let mut value = format!("Bearer realm=\"{realm}\"");
        if let Some((code, description)) = self.error {
            let code = code.as_str();
            // Writing to a string cannot fail.
            let _ = write!(
                value,
                ", error=\"{code}\", error_description=\"{description}\""
            );
        }
        if let Some(scope) = &self.scope {
            let _ = write!(value, ", scope=\"{scope}\"");
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        for (header, expected) in [
            ("Bearer abc", Ok("abc")),
            ("bEARER a-._~+/9==", Ok("a-._~+/9==")),
            ("Bearer  abc ", Ok("abc")),
            ("Bearer", Err(BearerError::Malformed)),
            ("Bearer ", Err(BearerError::Malformed)),
            ("Bearer =", Err(BearerError::Malformed)),
            ("Bearer a b", Err(BearerError::Malformed)),
            ("Bearer a,b", Err(BearerError::Malformed)),
            ("Bearer a=b", Err(BearerError::Malformed)),
            ("Bearer \u{e9}", Err(BearerError::Malformed)),
            ("Basic abc", Err(BearerError::OtherScheme)),
            ("Bearerabc", Err(BearerError::OtherScheme)),
            ("", Err(BearerError::OtherScheme)),
        ] {
            let parsed = BearerToken::parse(header.as_bytes()).map(|token| token.expose());
            assert_eq!(parsed, expected, "{header:?}");
        }
    }
}
