//! The errors of OAuth as they are answered (RFC 6749 §5.2, RFC 8707 §2, RFC 6750 §3.1).

use std::borrow::Cow;

use serde::Serialize;

/// An error code of the IANA *OAuth Extensions Error Registry*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// A parameter is missing, repeated, malformed or unsupported.
    InvalidRequest,
    /// The client did not prove who it is.
    InvalidClient,
    /// The grant, or the one-time token, is unknown, expired, spent or somebody else's.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// The server does not know this grant.
    UnsupportedGrantType,
    /// The scope is malformed or more than the client has.
    InvalidScope,
    /// The resource is malformed or not one of the client's (RFC 8707).
    InvalidTarget,
    /// The access token is expired, revoked or malformed (RFC 6750).
    InvalidToken,
    /// The access token does not reach as far as the request (RFC 6750).
    InsufficientScope,
    /// The token type of a revocation is not supported (RFC 7009).
    UnsupportedTokenType,
    /// The server cannot answer now.
    TemporarilyUnavailable,
    /// The server failed; the log says why.
    ServerError,
}

impl ErrorCode {
    /// The code as it is sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

/// An error code with a sentence for the developer who reads the answer.
///
/// # Security
///
/// The description names what is wrong with the request, never a value out of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct OAuthError {
    /// What went wrong, for programs.
    #[serde(rename = "error")]
    pub code: ErrorCode,
    /// What went wrong, for people: printable ASCII without `"` and `\`.
    #[serde(rename = "error_description")]
    pub description: Cow<'static, str>,
}

impl OAuthError {
    /// An error of `code`, explained by `description`.
    #[must_use]
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            description: description.into(),
        }
    }
}
