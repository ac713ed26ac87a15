//! What can be wrong with a key, a token or a signature, by cause.

use crate::Algorithm;

/// A key that will not be used, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key document is not JSON, or a member has the wrong type.
    #[error("parse key: malformed document")]
    Malformed,
    /// The key document exceeds a bound on bytes or keys.
    #[error("parse key: document too large")]
    TooLarge,
    /// A member that this key type needs is absent.
    #[error("use key: member `{0}` missing")]
    MissingMember(&'static str),
    /// A member is not canonical base64url or has the wrong length.
    #[error("use key: member `{0}` malformed")]
    InvalidMember(&'static str),
    /// The key type or the curve is unknown here.
    #[error("use key: unsupported key type or curve")]
    UnsupportedKeyType,
    /// `alg` is unknown, or is no algorithm for this key type and curve.
    #[error("use key: algorithm does not belong to the key")]
    AlgorithmMismatch,
    /// `use` or `key_ops` says that the key does not serve to verify signatures.
    #[error("use key: not a signature key")]
    NotForSignatures,
    /// The point is not on its curve, or the parts contradict each other.
    #[error("use key: invalid key")]
    Invalid,
    /// The key exists but is too weak to trust.
    #[error("use key: {0}")]
    Weak(#[from] Weakness),
    /// A public key in PEM form was offered as an HMAC secret.
    ///
    /// Whoever knows the public key, that is everybody, could then sign.
    #[error("use key: HMAC secret is a public key")]
    SecretIsPublicKey,
    /// A shared secret stands beside public keys in one set, so it has been published.
    #[error("use key: shared secret in a public key set")]
    SecretIsPublic,
    /// The random generator or the library failed.
    #[error("generate key")]
    Generate,
}

/// Why a well-formed key is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Weakness {
    /// RSA modulus below 2048 bits.
    #[error("RSA modulus too short")]
    RsaTooShort,
    /// RSA modulus above 8192 bits: verification would be a denial of service.
    #[error("RSA modulus too long")]
    RsaTooLong,
    /// RSA exponent even, below 3 or above 33 bits.
    #[error("RSA exponent out of range")]
    RsaExponent,
    /// RSA modulus divisible by a small prime.
    #[error("RSA modulus has a small factor")]
    RsaSmallFactor,
    /// RSA modulus made by the broken Infineon generator (CVE-2017-15361).
    #[error("RSA modulus bears the ROCA fingerprint")]
    RsaRoca,
    /// HMAC secret shorter than the hash (RFC 7518 §3.2).
    #[error("HMAC secret too short")]
    HmacTooShort,
    /// Ed25519 point of small order: one signature would fit any message.
    #[error("Ed25519 point of small order")]
    SmallOrder,
}

/// Signing failed inside the library; nothing was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sign")]
pub struct SignError;

/// A token that cannot be a compact JWS that is understood here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The token or its header exceeds the limit.
    #[error("parse token: too large")]
    TooLarge,
    /// Not three parts joined by two dots. A JWE, with five, ends here.
    #[error("parse token: not three parts")]
    NotThreeParts,
    /// A part is not canonical unpadded base64url.
    #[error("parse token: {0} is not base64url")]
    Base64(Part),
    /// The header is not a JSON object, a known member has the wrong type or there are too many.
    #[error("parse token: malformed header")]
    Header,
    /// A header member occurs twice: two readers could disagree about which one counts.
    #[error("parse token: duplicate header member")]
    DuplicateMember,
    /// `alg` is absent.
    #[error("parse token: `alg` missing")]
    MissingAlgorithm,
    /// `alg` is unknown; `none` in any spelling is.
    #[error("parse token: unsupported algorithm")]
    UnsupportedAlgorithm,
    /// `crit` is empty, no list of strings, or names something not understood (RFC 7515 §4.1.11).
    #[error("parse token: critical header not understood")]
    CriticalHeader,
    /// `b64` is false (RFC 7797) where a plain payload is not expected.
    #[error("parse token: unencoded payload")]
    UnencodedPayload,
    /// The detached form was expected but the token carries a payload, or the other way round.
    #[error("parse token: payload not detached")]
    NotDetached,
}

/// A part of a compact JWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Before the first dot.
    Header,
    /// Between the dots.
    Payload,
    /// After the second dot.
    Signature,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// A signature that does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token's algorithm is none of the key's (RFC 8725 §3.1).
    #[error("verify signature: algorithm {0} does not belong to the key")]
    AlgorithmNotAllowed(Algorithm),
    /// The signature does not match, or has the wrong length.
    #[error("verify signature: mismatch")]
    Signature,
    /// Payload or signature are not canonical base64url.
    #[error("verify signature: {0} is not base64url")]
    Base64(Part),
}
