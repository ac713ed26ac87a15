//! Public keys and shared secrets, checked, prepared once and bound to their algorithms.

use std::fmt;

use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters};
use aws_lc_rs::{hmac, signature::RsaPublicKeyComponents};

use crate::error::{KeyError, VerifyError, Weakness};
use crate::jwk::{Curve, Jwk, Material};
use crate::{Algorithm, spki, weak};

/// A key that signatures are checked with.
///
/// It exists only for keys that are strong enough and meant for signatures, and answers only to
/// the algorithms of its type, or to the one its JWK names (RFC 8725 §3.1): an RSA key never
/// becomes an HMAC secret, whatever a token's header says.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<Box<str>>,
    thumbprint: [u8; 32],
    prepared: Prepared,
}

/// The key in the library's own form, one entry for each algorithm it answers to.
#[derive(Clone)]
enum Prepared {
    Public(Box<[(Algorithm, ParsedPublicKey)]>),
    Secret(Box<[(Algorithm, hmac::Key)]>),
}

impl VerifyingKey {
    /// Checks and prepares a JWK.
    ///
    /// # Errors
    /// [`KeyError`] for keys that are weak, invalid, meant for something else, or whose `alg`
    /// contradicts their type or curve.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        jwk.check_usage()?;
        let bound = jwk.bound_algorithm()?;
        let prepared = match &jwk.material {
            Material::Ec { curve, x, y } => prepare_ec(*curve, x, y, bound)?,
            Material::Ed25519 { x } => prepare_ed25519(x, bound)?,
            Material::Rsa { n, e } => prepare_rsa(n, e, bound)?,
            Material::Oct(secret) => prepare_secret(secret, bound)?,
        };
        Ok(Self {
            kid: jwk.kid().map(Box::from),
            thumbprint: jwk.thumbprint(),
            prepared,
        })
    }

    /// Checks and prepares a DER `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
    ///
    /// # Errors
    /// As [`VerifyingKey::from_jwk`].
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        Self::from_jwk(&spki::jwk_from_der(der)?)
    }

    /// Checks and prepares a PEM `PUBLIC KEY` block (RFC 7468 §13).
    ///
    /// # Errors
    /// As [`VerifyingKey::from_jwk`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Self::from_jwk(&spki::jwk_from_pem(pem)?)
    }

    /// A shared secret for one HMAC algorithm.
    ///
    /// # Errors
    /// [`KeyError::Weak`] when it is shorter than the hash (RFC 7518 §3.2),
    /// [`KeyError::AlgorithmMismatch`] when `alg` is not an HMAC, and
    /// [`KeyError::SecretIsPublicKey`] for a PEM public key.
    pub fn hmac(alg: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let jwk = Jwk::from_material(Material::Oct(secret.to_vec().into()));
        Self::from_jwk(&jwk.with_algorithm(alg))
    }

    /// The same key under a key id.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The key id, if the key has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the key answers to `alg`.
    #[must_use]
    pub fn allows(&self, alg: Algorithm) -> bool {
        match &self.prepared {
            Prepared::Public(keys) => keys.iter().any(|(own, _)| *own == alg),
            Prepared::Secret(keys) => keys.iter().any(|(own, _)| *own == alg),
        }
    }

    /// Whether the key is a shared secret.
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        matches!(self.prepared, Prepared::Secret(_))
    }

    /// Whether both are the same key material, whatever their ids.
    pub(crate) fn is_same_material(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint
    }

    /// Checks `signature` over `signing_input`.
    ///
    /// # Errors
    /// [`VerifyError::AlgorithmNotAllowed`] when `alg` is none of the key's, before any
    /// cryptography; [`VerifyError::Signature`] when the signature does not match.
    pub fn verify(
        &self,
        alg: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        let outcome = match &self.prepared {
            Prepared::Public(keys) => {
                pick(keys, alg).map(|key| key.verify_sig(signing_input, signature))
            }
            Prepared::Secret(keys) => {
                pick(keys, alg).map(|key| hmac::verify(key, signing_input, signature))
            }
        };
        outcome
            .ok_or(VerifyError::AlgorithmNotAllowed(alg))?
            .map_err(|_| VerifyError::Signature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<Algorithm> = Algorithm::ALL
            .into_iter()
            .filter(|&alg| self.allows(alg))
            .collect();
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithms", &algorithms)
            .finish_non_exhaustive()
    }
}

fn pick<K>(keys: &[(Algorithm, K)], alg: Algorithm) -> Option<&K> {
    keys.iter().find(|(own, _)| *own == alg).map(|(_, key)| key)
}

/// The algorithms out of `possible` that a key bound to `bound` answers to.
fn allowed(possible: &[Algorithm], bound: Option<Algorithm>) -> Result<Vec<Algorithm>, KeyError> {
    match bound {
        None => Ok(possible.to_vec()),
        Some(alg) if possible.contains(&alg) => Ok(vec![alg]),
        Some(_) => Err(KeyError::AlgorithmMismatch),
    }
}

fn prepare_ec(
    curve: Curve,
    x: &[u8],
    y: &[u8],
    bound: Option<Algorithm>,
) -> Result<Prepared, KeyError> {
    let (alg, params): (_, &'static EcdsaVerificationAlgorithm) = match curve {
        Curve::P256 => (Algorithm::ES256, &signature::ECDSA_P256_SHA256_FIXED),
        Curve::P384 => (Algorithm::ES384, &signature::ECDSA_P384_SHA384_FIXED),
        Curve::P521 => (Algorithm::ES512, &signature::ECDSA_P521_SHA512_FIXED),
    };
    allowed(&[alg], bound)?;
    // SEC 1 §2.3.3: an uncompressed point is 0x04, x, y.
    let point = [&[0x04], x, y].concat();
    let key = ParsedPublicKey::new(params, point).map_err(|_| KeyError::Invalid)?;
    Ok(Prepared::Public(Box::new([(alg, key)])))
}

fn prepare_ed25519(x: &[u8; 32], bound: Option<Algorithm>) -> Result<Prepared, KeyError> {
    allowed(&[Algorithm::EdDSA], bound)?;
    weak::check_ed25519(x)?;
    let key = ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| KeyError::Invalid)?;
    Ok(Prepared::Public(Box::new([(Algorithm::EdDSA, key)])))
}

fn prepare_rsa(n: &[u8], e: &[u8], bound: Option<Algorithm>) -> Result<Prepared, KeyError> {
    const POSSIBLE: [(Algorithm, &RsaParameters); 6] = [
        (Algorithm::RS256, &signature::RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::RS384, &signature::RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::RS512, &signature::RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::PS256, &signature::RSA_PSS_2048_8192_SHA256),
        (Algorithm::PS384, &signature::RSA_PSS_2048_8192_SHA384),
        (Algorithm::PS512, &signature::RSA_PSS_2048_8192_SHA512),
    ];
    let allowed = allowed(&POSSIBLE.map(|(alg, _)| alg), bound)?;
    weak::check_rsa(n, e)?;
    let keys = POSSIBLE
        .into_iter()
        .filter(|(alg, _)| allowed.contains(alg))
        .map(|(alg, params)| {
            let key = RsaPublicKeyComponents { n, e }.to_parsed_public_key(params);
            key.map(|key| (alg, key)).map_err(|_| KeyError::Invalid)
        })
        .collect::<Result<Box<[_]>, _>>()?;
    Ok(Prepared::Public(keys))
}

fn prepare_secret(secret: &[u8], bound: Option<Algorithm>) -> Result<Prepared, KeyError> {
    const POSSIBLE: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
    let keys: Box<[_]> = allowed(&POSSIBLE, bound)?
        .into_iter()
        .filter_map(|alg| Some((alg, hmac_key(alg, secret).ok()?)))
        .collect();
    if secret.trim_ascii_start().starts_with(b"-----BEGIN ") {
        return Err(KeyError::SecretIsPublicKey);
    }
    if keys.is_empty() {
        Err(Weakness::HmacTooShort.into())
    } else {
        Ok(Prepared::Secret(keys))
    }
}

/// An HMAC key, unless the secret is too short or public, or `alg` is no HMAC.
pub(crate) fn hmac_key(alg: Algorithm, secret: &[u8]) -> Result<hmac::Key, KeyError> {
    let algorithm = match alg {
        Algorithm::HS256 => hmac::HMAC_SHA256,
        Algorithm::HS384 => hmac::HMAC_SHA384,
        Algorithm::HS512 => hmac::HMAC_SHA512,
        _ => return Err(KeyError::AlgorithmMismatch),
    };
    if secret.trim_ascii_start().starts_with(b"-----BEGIN ") {
        return Err(KeyError::SecretIsPublicKey);
    }
    if secret.len() < algorithm.tag_len() {
        return Err(Weakness::HmacTooShort.into());
    }
    Ok(hmac::Key::new(algorithm, secret))
}
