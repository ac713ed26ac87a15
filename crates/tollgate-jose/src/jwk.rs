//! JSON Web Keys (RFC 7517): parsed, written and named by thumbprint; not yet trusted for anything.

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::KeyError;
use crate::{Algorithm, b64};

/// A public key, or a shared secret, in JWK form.
///
/// Unknown members are ignored. Private members of asymmetric keys (`d`, `p`, …) are dropped while
/// parsing, and the secret of an `oct` key is held wiped-on-drop and never serialised, so whatever
/// is written is fit for publication.
#[derive(Clone, PartialEq, Eq)]
pub struct Jwk {
    pub(crate) material: Material,
    kid: Option<String>,
    alg: Option<String>,
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
}

/// The numbers of a key, decoded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Material {
    Ec {
        curve: Curve,
        x: Vec<u8>,
        y: Vec<u8>,
    },
    Ed25519 {
        x: [u8; 32],
    },
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Oct(Zeroizing<Vec<u8>>),
}

/// The NIST curves of RFC 7518 §6.2.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Length of one coordinate in bytes; JWK coordinates are always of full length.
    pub(crate) const fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl Jwk {
    /// Parses one key.
    ///
    /// # Errors
    /// [`KeyError`] when the document is no JWK of a type known here. Whether the key is strong
    /// enough is decided by [`VerifyingKey::from_jwk`](crate::VerifyingKey::from_jwk).
    pub fn from_slice(json: &[u8]) -> Result<Self, KeyError> {
        let raw: RawJwk = serde_json::from_slice(json).map_err(|_| KeyError::Malformed)?;
        Self::from_raw(&raw)
    }

    pub(crate) fn from_material(material: Material) -> Self {
        Self {
            material,
            kid: None,
            alg: None,
            usage: None,
            key_ops: None,
        }
    }

    /// The same key under a key id.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = Some(kid.to_owned());
        self
    }

    /// The same key bound to one algorithm and to signatures (`use` = `sig`).
    #[must_use]
    pub fn with_algorithm(mut self, alg: Algorithm) -> Self {
        self.alg = Some(alg.name().to_owned());
        self.usage = Some("sig".to_owned());
        self
    }

    /// The key id, if the document gives one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// `kty`.
    #[must_use]
    pub fn key_type(&self) -> &'static str {
        match self.material {
            Material::Ec { .. } => "EC",
            Material::Ed25519 { .. } => "OKP",
            Material::Rsa { .. } => "RSA",
            Material::Oct(_) => "oct",
        }
    }

    /// Whether the key is a shared secret.
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        matches!(self.material, Material::Oct(_))
    }

    /// The SHA-256 thumbprint (RFC 7638).
    ///
    /// # Security
    /// The thumbprint of an `oct` key is a hash of the secret; do not publish it (RFC 7638 §7).
    #[must_use]
    pub fn thumbprint(&self) -> [u8; 32] {
        let canonical = Zeroizing::new(match &self.material {
            Material::Ec { curve, x, y } => format!(
                r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
                curve.name(),
                b64::encode(x),
                b64::encode(y)
            ),
            Material::Ed25519 { x } => {
                format!(
                    r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
                    b64::encode(x)
                )
            }
            Material::Rsa { n, e } => {
                format!(
                    r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
                    b64::encode(e),
                    b64::encode(n)
                )
            }
            Material::Oct(secret) => format!(r#"{{"k":"{}","kty":"oct"}}"#, b64::encode(secret)),
        });
        sha256(canonical.as_bytes())
    }

    /// [`Jwk::thumbprint`] in base64url, as `kid` and `jkt` have it.
    #[must_use]
    pub fn thumbprint_base64url(&self) -> String {
        b64::encode(&self.thumbprint())
    }

    /// The algorithm the key is bound to by `alg`, if any.
    pub(crate) fn bound_algorithm(&self) -> Result<Option<Algorithm>, KeyError> {
        let Some(name) = self.alg.as_deref() else {
            return Ok(None);
        };
        // A wide-spread misspelling of ES512, as if it were named after the curve.
        let name = if name == "ES521" { "ES512" } else { name };
        Algorithm::from_wire(name)
            .map(Some)
            .ok_or(KeyError::AlgorithmMismatch)
    }

    /// Refuses keys that `use` or `key_ops` reserve for something else (RFC 7517 §§4.2, 4.3).
    pub(crate) fn check_usage(&self) -> Result<(), KeyError> {
        let usage_fits = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let ops_fit = self
            .key_ops
            .as_ref()
            .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if usage_fits && ops_fit {
            Ok(())
        } else {
            Err(KeyError::NotForSignatures)
        }
    }

    fn from_raw(raw: &RawJwk) -> Result<Self, KeyError> {
        let material = match raw.kty.as_str() {
            "EC" => ec_material(raw)?,
            "OKP" => okp_material(raw)?,
            "RSA" => Material::Rsa {
                n: number("n", &raw.n)?,
                e: number("e", &raw.e)?,
            },
            "oct" => Material::Oct(
                b64::decode_secret(required("k", &raw.k)?)
                    .map_err(|_| KeyError::InvalidMember("k"))?,
            ),
            _ => return Err(KeyError::UnsupportedKeyType),
        };
        Ok(Self {
            material,
            kid: raw.kid.clone(),
            alg: raw.alg.clone(),
            usage: raw.usage.clone(),
            key_ops: raw.key_ops.clone(),
        })
    }
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwk")
            .field("kty", &self.key_type())
            .field("kid", &self.kid)
            .field("alg", &self.alg)
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawJwk::deserialize(deserializer)?;
        Self::from_raw(&raw).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = PublicJwk {
            kty: self.key_type(),
            kid: self.kid.as_deref(),
            alg: self.alg.as_deref(),
            usage: self.usage.as_deref(),
            key_ops: self.key_ops.as_deref(),
            ..PublicJwk::default()
        };
        match &self.material {
            Material::Ec { curve, x, y } => {
                wire.crv = Some(curve.name());
                wire.x = Some(b64::encode(x));
                wire.y = Some(b64::encode(y));
            }
            Material::Ed25519 { x } => {
                wire.crv = Some("Ed25519");
                wire.x = Some(b64::encode(x));
            }
            Material::Rsa { n, e } => {
                wire.n = Some(b64::encode(n));
                wire.e = Some(b64::encode(e));
            }
            Material::Oct(_) => {}
        }
        wire.serialize(serializer)
    }
}

/// SHA-256 in base64url, as `ath` (RFC 9449), `x5t#S256` (RFC 8705) and PKCE's `S256` have it.
#[must_use]
pub fn sha256_base64url(bytes: &[u8]) -> String {
    b64::encode(&sha256(bytes))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// The members read; everything else in the document is ignored.
#[derive(Deserialize)]
struct RawJwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    k: Option<String>,
}

impl Drop for RawJwk {
    fn drop(&mut self) {
        self.k.zeroize();
    }
}

/// The members written.
#[derive(Serialize, Default)]
struct PublicJwk<'a> {
    kty: &'static str,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_ops: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

fn ec_material(raw: &RawJwk) -> Result<Material, KeyError> {
    let name = required("crv", &raw.crv)?;
    let curve = Curve::ALL
        .into_iter()
        .find(|curve| curve.name() == name)
        .ok_or(KeyError::UnsupportedKeyType)?;
    let coordinate = |member, text| {
        let bytes = octets(member, text)?;
        let fits = bytes.len() == curve.coordinate_len();
        if fits {
            Ok(bytes)
        } else {
            Err(KeyError::InvalidMember(member))
        }
    };
    Ok(Material::Ec {
        curve,
        x: coordinate("x", &raw.x)?,
        y: coordinate("y", &raw.y)?,
    })
}

fn okp_material(raw: &RawJwk) -> Result<Material, KeyError> {
    if required("crv", &raw.crv)? != "Ed25519" {
        return Err(KeyError::UnsupportedKeyType);
    }
    let x = octets("x", &raw.x)?
        .try_into()
        .map_err(|_| KeyError::InvalidMember("x"))?;
    Ok(Material::Ed25519 { x })
}

/// A big-endian number. Leading zero octets, which several encoders emit against RFC 7518 §2, are
/// dropped, so that equal keys have equal thumbprints.
fn number(member: &'static str, text: &Option<String>) -> Result<Vec<u8>, KeyError> {
    let mut bytes = octets(member, text)?;
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    bytes.drain(..zeros);
    if bytes.is_empty() {
        Err(KeyError::InvalidMember(member))
    } else {
        Ok(bytes)
    }
}

fn octets(member: &'static str, text: &Option<String>) -> Result<Vec<u8>, KeyError> {
    let mut bytes = Vec::new();
    b64::decode_vec(required(member, text)?, &mut bytes)
        .map_err(|_| KeyError::InvalidMember(member))?;
    Ok(bytes)
}

fn required<'a>(member: &'static str, text: &'a Option<String>) -> Result<&'a str, KeyError> {
    text.as_deref().ok_or(KeyError::MissingMember(member))
}
