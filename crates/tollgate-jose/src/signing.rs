//! Private keys and shared secrets that sign, parsed once and held prepared.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding,
    RsaKeyPair,
};
use zeroize::Zeroizing;

use crate::error::{KeyError, SignError};
use crate::jwk::{Curve, Jwk, Material};
use crate::verifying::hmac_key;
use crate::{Algorithm, b64, spki};

/// Longest signature, that of an 8192-bit RSA key.
const SIGNATURE_BYTES_MAX: usize = 1024;

/// A private key in PKCS #8 form (RFC 5208, RFC 5958), wiped when dropped.
///
/// # Security
/// Whoever has these bytes signs as the issuer: seal them before they leave the process.
pub struct Pkcs8(Zeroizing<Vec<u8>>);

impl Pkcs8 {
    /// The DER bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Pkcs8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pkcs8(redacted)")
    }
}

/// RSA modulus sizes that may be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RsaBits {
    /// 2048 bits, the least that verifiers accept.
    #[default]
    Bits2048,
    /// 3072 bits.
    Bits3072,
    /// 4096 bits.
    Bits4096,
}

/// A key that signs with one algorithm.
pub struct SigningKey {
    alg: Algorithm,
    kid: Box<str>,
    public: Option<Jwk>,
    secret: Secret,
}

enum Secret {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Hmac(Box<hmac::Key>),
}

impl SigningKey {
    /// Makes a fresh key pair with the library's own generator; RSA keys get 2048 bits.
    ///
    /// An RSA key takes tens to hundreds of milliseconds: do this away from requests.
    ///
    /// # Errors
    /// [`KeyError::AlgorithmMismatch`] for HMAC, whose secrets the caller provides, and
    /// [`KeyError::Generate`] when the generator fails.
    pub fn generate(alg: Algorithm) -> Result<(Pkcs8, Self), KeyError> {
        if alg.is_rsa() {
            return Self::generate_rsa(alg, RsaBits::default());
        }
        let der = match (ecdsa_params(alg), alg) {
            (Some((params, _)), _) => {
                let pair = EcdsaKeyPair::generate(params).map_err(|_| KeyError::Generate)?;
                pair.to_pkcs8v1().map_err(|_| KeyError::Generate)?
            }
            (None, Algorithm::EdDSA) => {
                let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Generate)?;
                pair.to_pkcs8v1().map_err(|_| KeyError::Generate)?
            }
            _ => return Err(KeyError::AlgorithmMismatch),
        };
        let key = Self::from_pkcs8(alg, der.as_ref())?;
        Ok((Pkcs8(der.as_ref().to_vec().into()), key))
    }

    /// Makes a fresh RSA key pair of the given size.
    ///
    /// # Errors
    /// [`KeyError::AlgorithmMismatch`] when `alg` is not an RSA algorithm.
    pub fn generate_rsa(alg: Algorithm, bits: RsaBits) -> Result<(Pkcs8, Self), KeyError> {
        if !alg.is_rsa() {
            return Err(KeyError::AlgorithmMismatch);
        }
        let size = match bits {
            RsaBits::Bits2048 => KeySize::Rsa2048,
            RsaBits::Bits3072 => KeySize::Rsa3072,
            RsaBits::Bits4096 => KeySize::Rsa4096,
        };
        let pair = RsaKeyPair::generate(size).map_err(|_| KeyError::Generate)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Generate)?;
        let der = Pkcs8(der.as_ref().to_vec().into());
        let key = Self::from_pkcs8(alg, der.as_bytes())?;
        Ok((der, key))
    }

    /// Parses an unencrypted PKCS #8 document, version 1 or 2.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] when the document holds no sound key for `alg`,
    /// [`KeyError::Weak`] when no verifier should accept it.
    pub fn from_pkcs8(alg: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let (secret, public) = if let Some((params, curve)) = ecdsa_params(alg) {
            let pair = EcdsaKeyPair::from_pkcs8(params, der).map_err(|_| KeyError::Invalid)?;
            let point = pair.public_key().as_ref().strip_prefix(&[0x04]);
            let public = spki::ec_jwk(curve, point.ok_or(KeyError::Invalid)?)?;
            (Secret::Ecdsa(pair), public)
        } else if let Some(padding) = rsa_padding(alg) {
            let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| KeyError::Invalid)?;
            let public = spki::rsa_jwk(pair.public_key());
            (Secret::Rsa(pair, padding), public)
        } else if alg == Algorithm::EdDSA {
            let pair =
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| KeyError::Invalid)?;
            let x = pair
                .public_key()
                .as_ref()
                .try_into()
                .map_err(|_| KeyError::Invalid)?;
            (
                Secret::Ed25519(pair),
                Jwk::from_material(Material::Ed25519 { x }),
            )
        } else {
            return Err(KeyError::AlgorithmMismatch);
        };
        let public = public.with_algorithm(alg);
        // What would be refused by verifiers shall not sign either.
        crate::VerifyingKey::from_jwk(&public)?;
        let kid = b64::encode(&public.thumbprint());
        Ok(Self {
            alg,
            public: Some(public.with_kid(&kid)),
            kid: kid.into(),
            secret,
        })
    }

    /// A shared secret. It has no key id unless given one by [`SigningKey::with_kid`], since a
    /// thumbprint would be a hash of the secret.
    ///
    /// # Errors
    /// [`KeyError::Weak`] when the secret is shorter than the hash (RFC 7518 §3.2),
    /// [`KeyError::AlgorithmMismatch`] when `alg` is not an HMAC.
    pub fn hmac(alg: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let secret = Secret::Hmac(Box::new(hmac_key(alg, secret)?));
        Ok(Self {
            alg,
            kid: Box::default(),
            public: None,
            secret,
        })
    }

    /// The same key under a key id of the caller's choice.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = kid.into();
        self.public = self.public.map(|public| public.with_kid(kid));
        self
    }

    /// The algorithm it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.alg
    }

    /// The key id: the base64url thumbprint (RFC 7638) unless another was given; empty for a
    /// shared secret without one.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, with `kid`, `alg` and `use`; `None` for a shared secret.
    #[must_use]
    pub fn public_jwk(&self) -> Option<Jwk> {
        self.public.clone()
    }

    /// Signs and appends the base64url signature to `out`.
    ///
    /// ECDSA signatures have the fixed length of RFC 7518 §3.4; PSS salts are as long as the hash.
    ///
    /// # Errors
    /// [`SignError`] when the library fails; `out` is unchanged then.
    pub fn sign(&self, signing_input: &[u8], out: &mut Vec<u8>) -> Result<(), SignError> {
        self.sign_with(signing_input, |signature| b64::encode_vec(signature, out))
    }

    /// Signs and hands the raw signature to `sink`.
    pub(crate) fn sign_with(
        &self,
        signing_input: &[u8],
        sink: impl FnOnce(&[u8]),
    ) -> Result<(), SignError> {
        match &self.secret {
            Secret::Ecdsa(pair) => {
                let signature = pair
                    .sign(&SystemRandom::new(), signing_input)
                    .map_err(|_| SignError)?;
                sink(signature.as_ref());
            }
            Secret::Ed25519(pair) => {
                sink(
                    pair.try_sign(signing_input)
                        .map_err(|_| SignError)?
                        .as_ref(),
                );
            }
            Secret::Rsa(pair, padding) => {
                let mut buffer = [0; SIGNATURE_BYTES_MAX];
                let signature = buffer
                    .get_mut(..pair.public_modulus_len())
                    .ok_or(SignError)?;
                pair.sign(*padding, &SystemRandom::new(), signing_input, signature)
                    .map_err(|_| SignError)?;
                sink(signature);
            }
            Secret::Hmac(key) => sink(hmac::sign(key, signing_input).as_ref()),
        }
        Ok(())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("alg", &self.alg)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

fn ecdsa_params(alg: Algorithm) -> Option<(&'static EcdsaSigningAlgorithm, Curve)> {
    match alg {
        Algorithm::ES256 => Some((&signature::ECDSA_P256_SHA256_FIXED_SIGNING, Curve::P256)),
        Algorithm::ES384 => Some((&signature::ECDSA_P384_SHA384_FIXED_SIGNING, Curve::P384)),
        Algorithm::ES512 => Some((&signature::ECDSA_P521_SHA512_FIXED_SIGNING, Curve::P521)),
        _ => None,
    }
}

fn rsa_padding(alg: Algorithm) -> Option<&'static dyn RsaEncoding> {
    match alg {
        Algorithm::RS256 => Some(&signature::RSA_PKCS1_SHA256),
        Algorithm::RS384 => Some(&signature::RSA_PKCS1_SHA384),
        Algorithm::RS512 => Some(&signature::RSA_PKCS1_SHA512),
        Algorithm::PS256 => Some(&signature::RSA_PSS_SHA256),
        Algorithm::PS384 => Some(&signature::RSA_PSS_SHA384),
        Algorithm::PS512 => Some(&signature::RSA_PSS_SHA512),
        _ => None,
    }
}
