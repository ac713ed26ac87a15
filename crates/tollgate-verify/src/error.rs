//! Why a token was refused, by cause.

use crate::dpop::ProofError;
use tollgate_jose::{Algorithm, LookupError, ParseError, VerifyError};

/// A token that was not accepted.
///
/// [`Error::code`] names the cause for logs and metrics. Do not send it to whoever presented the
/// token: a resource server answers every cause alike (RFC 6750 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a compact JWS with a JSON object inside, or a member of either occurs twice.
    #[error("verify token: malformed: {0}")]
    Malformed(&'static str),
    /// Longer than the limit.
    #[error("verify token: too large")]
    TooLarge,
    /// `alg` is unknown; `none` is.
    #[error("verify token: unsupported algorithm")]
    UnsupportedAlgorithm,
    /// `alg` is known, but policy or key do not allow it.
    #[error("verify token: algorithm {0} not allowed")]
    AlgorithmNotAllowed(Algorithm),
    /// No trusted key has the token's `kid`, or more than one could be meant.
    #[error("verify token: key not found")]
    KeyNotFound,
    /// The key was found and refused for its weakness.
    #[error("verify token: key too weak")]
    WeakKey,
    /// The signature does not match.
    #[error("verify token: signature mismatch")]
    Signature,
    /// `exp` has come, or the token is older than the maximum age.
    #[error("verify token: expired")]
    Expired,
    /// `nbf` or `iat` lie in the future.
    #[error("verify token: not yet valid")]
    NotYetValid,
    /// `iss` is none of the trusted issuers, character by character.
    #[error("verify token: issuer not trusted")]
    Issuer,
    /// `aud` names none of the accepted audiences.
    #[error("verify token: audience mismatch")]
    Audience,
    /// A required claim is absent.
    #[error("verify token: claim `{0}` missing")]
    MissingClaim(Box<str>),
    /// A claim has the wrong type or an impossible value.
    #[error("verify token: claim `{0}` invalid")]
    InvalidClaim(Box<str>),
    /// The claims do not fit the type that the caller reads them into.
    ///
    /// Where in the claims is all that is said: what they hold is not for a log.
    #[error("verify token: claims of another form at line {line}, column {column}")]
    OwnClaims {
        /// The line, from 1.
        line: usize,
        /// The column in it.
        column: usize,
    },
    /// `crit` names something not understood (RFC 7515 §4.1.11).
    #[error("verify token: critical header not understood")]
    CriticalHeader,
    /// `typ` says that this is another kind of token (RFC 8725 §3.11).
    #[error("verify token: wrong token type")]
    TokenType,
    /// The token is bound to a key (`cnf`), and possession of it was not shown.
    #[error("verify token: key binding not proven")]
    KeyBinding,
    /// The token is bound to a key, and the proof of possession that came with it does not count.
    #[error("verify token: proof of possession: {0}")]
    Proof(#[from] ProofError),
    /// The trusted keys could not be had.
    #[error("verify token: keys unavailable")]
    KeysUnavailable,
    /// The provider says that an opaque token is not active (RFC 7662 §2.2).
    #[error("verify token: not active")]
    Inactive,
    /// A validator of the caller's refused the token.
    #[error("verify token: refused by validator: {0}")]
    Rejected(Box<str>),
    /// A validator of the caller's could not find out whether to let the token pass.
    #[error("verify token: undecided by validator: {0}")]
    Undecided(Box<str>),
}

impl Error {
    /// A stable word for the cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::TooLarge => "too_large",
            Self::UnsupportedAlgorithm => "unsupported_alg",
            Self::AlgorithmNotAllowed(_) => "alg_not_allowed",
            Self::KeyNotFound => "key_not_found",
            Self::WeakKey => "weak_key",
            Self::Signature => "signature",
            Self::Expired | Self::Inactive => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::MissingClaim(_) => "missing_claim",
            Self::InvalidClaim(_) | Self::OwnClaims { .. } | Self::Rejected(_) => "invalid_claim",
            Self::CriticalHeader => "critical_header",
            Self::TokenType => "token_type",
            Self::KeyBinding | Self::Proof(_) => "key_binding",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Undecided(_) => "undecided",
        }
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::TooLarge => Self::TooLarge,
            ParseError::UnsupportedAlgorithm => Self::UnsupportedAlgorithm,
            ParseError::CriticalHeader | ParseError::UnencodedPayload => Self::CriticalHeader,
            ParseError::NotThreeParts => Self::Malformed("not three parts"),
            ParseError::Base64(_) => Self::Malformed("base64url"),
            ParseError::DuplicateMember => Self::Malformed("duplicate header member"),
            ParseError::MissingAlgorithm => Self::Malformed("`alg` missing"),
            _ => Self::Malformed("header"),
        }
    }
}

impl From<VerifyError> for Error {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::AlgorithmNotAllowed(alg) => Self::AlgorithmNotAllowed(alg),
            VerifyError::Base64(_) => Self::Malformed("base64url"),
            _ => Self::Signature,
        }
    }
}

/// Why a verifier could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An issuer or audience is empty.
    #[error("build verifier: empty {0}")]
    Empty(&'static str),
    /// An issuer is named twice: which keys are its own would be a matter of order.
    #[error("build verifier: issuer named twice")]
    IssuerTwice,
    /// A source finds the keys of one issuer, and was given to vouch for another.
    ///
    /// Where a provider signs under a name that its metadata does not have,
    /// [`jwks_url`](crate::VerifierBuilder::jwks_url) says whose keys to trust.
    #[error("build verifier: keys of another issuer")]
    OtherIssuer,
    /// The URL of a provider is one that may never be asked: neither https nor loopback, or with a user,
    /// a fragment or a link-local address in it.
    #[error(
        "build verifier: {0:?} may not be asked: it has to be https, or http at 127.0.0.1, [::1] or localhost"
    )]
    Url(Box<str>),
    /// The origin for DPoP is no http or https URL, so that no proof could be made for it.
    #[error("build verifier: origin is no URL")]
    Origin,
    /// The leeway exceeds five minutes.
    #[error("build verifier: leeway above five minutes")]
    Leeway,
    /// The algorithm list is empty, or mixes shared secrets with public keys.
    ///
    /// A verifier for both could be handed a token made with a public key as the secret.
    #[error("build verifier: algorithms empty or symmetric and asymmetric mixed")]
    Algorithms,
    /// The secret for DPoP nonces is shorter than 32 bytes.
    #[error("build verifier: nonce secret too short")]
    NonceSecret,
    /// A validator was added before the claims type that it was meant to look at was chosen.
    ///
    /// [`claims`](crate::VerifierBuilder::claims) comes first, so that no check is lost.
    #[error("build verifier: validator added before the claims type")]
    ValidatorLost,
    /// More than 64 claims are required.
    #[error("build verifier: too many required claims")]
    RequiredClaims,
}

/// What went wrong with a type of the caller's. The parser's own words may quote the token; the name of
/// a field is the caller's.
pub(crate) fn from_own_claims(error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let missing = text.strip_prefix("missing field `");
    match missing.and_then(|rest| rest.split_once('`')) {
        Some((name, _)) => Error::MissingClaim(name.into()),
        None => Error::OwnClaims { line, column },
    }
}

/// A look-up that found nothing says why in two words; here they become one cause.
pub(crate) fn from_lookup(error: LookupError, alg: Algorithm) -> Error {
    match error {
        LookupError::AlgorithmNotAllowed => Error::AlgorithmNotAllowed(alg),
        _ => Error::KeyNotFound,
    }
}
