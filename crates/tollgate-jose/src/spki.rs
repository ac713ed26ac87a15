//! Public keys as DER or PEM, turned into JWKs so that one path judges them all.

use aws_lc_rs::signature::RsaSubjectPublicKey;

use crate::b64;
use crate::error::KeyError;
use crate::jwk::{Curve, Jwk, Material};

/// The one DER encoding of everything before the point, for an uncompressed point on each curve
/// (RFC 5480 §2); the point's own leading `04` included.
const P256_PREFIX: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\
    \x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
const P384_PREFIX: &[u8] = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\
    \x04\x00\x22\x03\x62\x00\x04";
const P521_PREFIX: &[u8] = b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\
    \x81\x04\x00\x23\x03\x81\x86\x00\x04";
/// Likewise for Ed25519 (RFC 8410 §4).
const ED25519_PREFIX: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_END: &str = "-----END PUBLIC KEY-----";

pub(crate) fn jwk_from_pem(pem: &str) -> Result<Jwk, KeyError> {
    let body = pem
        .trim()
        .strip_prefix(PEM_BEGIN)
        .and_then(|rest| rest.strip_suffix(PEM_END))
        .ok_or(KeyError::Malformed)?;
    jwk_from_der(&b64::decode_pem_body(body).map_err(|_| KeyError::Malformed)?)
}

pub(crate) fn jwk_from_der(der: &[u8]) -> Result<Jwk, KeyError> {
    let curves = [
        (Curve::P256, P256_PREFIX),
        (Curve::P384, P384_PREFIX),
        (Curve::P521, P521_PREFIX),
    ];
    for (curve, prefix) in curves {
        if let Some(point) = der.strip_prefix(prefix) {
            return ec_jwk(curve, point);
        }
    }
    if let Some(point) = der.strip_prefix(ED25519_PREFIX) {
        let x = point.try_into().map_err(|_| KeyError::Malformed)?;
        return Ok(Jwk::from_material(Material::Ed25519 { x }));
    }
    let rsa = RsaSubjectPublicKey::from_der(der).map_err(|_| KeyError::UnsupportedKeyType)?;
    Ok(rsa_jwk(&rsa))
}

/// An EC key from its coordinates, one after the other.
pub(crate) fn ec_jwk(curve: Curve, point: &[u8]) -> Result<Jwk, KeyError> {
    let (x, y) = point
        .split_at_checked(curve.coordinate_len())
        .ok_or(KeyError::Malformed)?;
    if x.len() != y.len() {
        return Err(KeyError::Malformed);
    }
    Ok(Jwk::from_material(Material::Ec {
        curve,
        x: x.to_vec(),
        y: y.to_vec(),
    }))
}

pub(crate) fn rsa_jwk(key: &RsaSubjectPublicKey) -> Jwk {
    Jwk::from_material(Material::Rsa {
        n: key.modulus().big_endian_without_leading_zero().to_vec(),
        e: key.exponent().big_endian_without_leading_zero().to_vec(),
    })
}
