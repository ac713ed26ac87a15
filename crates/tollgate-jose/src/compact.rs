//! JWS compact serialisation (RFC 7515 §7.1): parsed, then verified; nothing in between is trusted.

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;

use crate::error::{ParseError, Part, VerifyError};
use crate::header::{Header, PayloadForm, with_decoded};
use crate::{Algorithm, VerifyingKey, b64};

/// Room for the signature of a 2048-bit RSA key or any elliptic one, and of an 8192-bit RSA key;
/// the encoded length tells the size to three bytes.
const SIGNATURE_BYTES_USUAL: usize = 256 + 3;
const SIGNATURE_BYTES_MAX: usize = 1024 + 3;

/// Bounds on what is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest token, in bytes.
    pub token_bytes_max: usize,
    /// Longest decoded header, in bytes.
    pub header_bytes_max: usize,
}

impl Default for Limits {
    /// 16 KiB for the token, 4 KiB for its header.
    fn default() -> Self {
        Self {
            token_bytes_max: 16 * 1024,
            header_bytes_max: 4 * 1024,
        }
    }
}

/// A token that has the form of a compact JWS. Nothing in it has been verified.
#[derive(Clone)]
pub struct Compact<'a> {
    header: Header,
    header_b64: &'a str,
    payload_b64: &'a str,
    signature_b64: &'a str,
    signing_input: &'a [u8],
}

impl<'a> Compact<'a> {
    /// Takes a token apart and judges its header; up to here nothing is allocated unless the
    /// header is longer than 1 KiB or refused.
    ///
    /// # Errors
    /// [`ParseError`] by cause; no key is needed to find any of them.
    pub fn parse(token: &'a str, limits: &Limits) -> Result<Self, ParseError> {
        if token.len() > limits.token_bytes_max {
            return Err(ParseError::TooLarge);
        }
        let parts = Parts::split(token)?;
        let (header, _) =
            Header::parse(parts.header, limits.header_bytes_max, PayloadForm::Encoded)?;
        Ok(Self {
            header,
            header_b64: parts.header,
            payload_b64: parts.payload,
            signature_b64: parts.signature,
            signing_input: parts.signing_input,
        })
    }

    /// The header: unverified.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header as it stands in the token.
    #[must_use]
    pub fn header_b64(&self) -> &'a str {
        self.header_b64
    }

    /// The payload as it stands in the token: unverified, undecoded.
    #[must_use]
    pub fn payload_b64(&self) -> &'a str {
        self.payload_b64
    }

    /// What the signature covers: header, dot, payload.
    #[must_use]
    pub fn signing_input(&self) -> &'a [u8] {
        self.signing_input
    }

    /// Header members beyond those of [`Header`], such as the `jwk` of a DPoP proof.
    ///
    /// # Errors
    /// [`ParseError::Header`] when the header does not fit `T`.
    ///
    /// # Security
    /// Unverified. A key found here proves possession of that key, never who the sender is.
    pub fn unverified_header_as<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        with_decoded(self.header_b64, self.header_b64.len(), |json| {
            serde_json::from_slice(json).map_err(|_| ParseError::Header)
        })
    }

    /// The payload without any check of the signature, to choose a key by or to show in a debugger.
    ///
    /// # Errors
    /// [`ParseError::Base64`] when it is not canonical base64url.
    ///
    /// # Security
    /// Anybody can have written these bytes. Decide nothing on them but where to look for a key.
    pub fn unverified_payload(&self) -> Result<Vec<u8>, ParseError> {
        let mut out = Vec::new();
        b64::decode_vec(self.payload_b64, &mut out)
            .map_err(|_| ParseError::Base64(Part::Payload))?;
        Ok(out)
    }

    /// The same, decoded into `buffer` when it fits there and into heap memory otherwise.
    ///
    /// # Errors
    /// As [`Compact::unverified_payload`].
    ///
    /// # Security
    /// As there.
    pub fn unverified_payload_in<'b>(
        &self,
        buffer: &'b mut [u8],
    ) -> Result<Cow<'b, [u8]>, ParseError> {
        if buffer.len() < b64::decoded_len_max(self.payload_b64) {
            return self.unverified_payload().map(Cow::Owned);
        }
        let decoded = b64::decode_slice(self.payload_b64, buffer);
        decoded
            .map(Cow::Borrowed)
            .map_err(|_| ParseError::Base64(Part::Payload))
    }

    /// Checks the signature and hands out the payload.
    ///
    /// # Errors
    /// As [`Compact::verify_in`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<VerifiedPayload<'static>, VerifyError> {
        let verified = self.verify_in(key, &mut [])?;
        Ok(VerifiedPayload {
            bytes: Cow::Owned(verified.bytes.into_owned()),
            ..verified
        })
    }

    /// Checks the signature and hands out the payload, decoded into `buffer` when it fits there
    /// and into heap memory otherwise.
    ///
    /// # Errors
    /// [`VerifyError::Base64`] when payload or signature are not canonical base64url, else as
    /// [`VerifyingKey::verify`]. The contents of `buffer` are worthless then.
    pub fn verify_in<'b>(
        &self,
        key: &VerifyingKey,
        buffer: &'b mut [u8],
    ) -> Result<VerifiedPayload<'b>, VerifyError> {
        let bytes = if buffer.len() >= b64::decoded_len_max(self.payload_b64) {
            b64::decode_slice(self.payload_b64, buffer).map(Cow::Borrowed)
        } else {
            let mut heap = Vec::with_capacity(b64::decoded_len_max(self.payload_b64));
            b64::decode_vec(self.payload_b64, &mut heap).map(|()| Cow::Owned(heap))
        };
        let bytes = bytes.map_err(|_| VerifyError::Base64(Part::Payload))?;
        check_signature(
            key,
            self.header.algorithm(),
            self.signing_input,
            self.signature_b64,
        )?;
        Ok(VerifiedPayload {
            bytes,
            alg: self.header.algorithm(),
        })
    }
}

impl fmt::Debug for Compact<'_> {
    /// Shows the header alone: the whole is a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compact")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// Payload bytes whose signature has been verified; made in [`Compact::verify_in`] alone.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedPayload<'b> {
    bytes: Cow<'b, [u8]>,
    alg: Algorithm,
}

impl VerifiedPayload<'_> {
    /// The payload.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The algorithm that it was signed with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.alg
    }

    /// The payload, owned.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes.into_owned()
    }
}

impl fmt::Debug for VerifiedPayload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedPayload")
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The three parts of a compact JWS.
pub(crate) struct Parts<'a> {
    pub(crate) header: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) signature: &'a str,
    pub(crate) signing_input: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(crate) fn split(token: &'a str) -> Result<Self, ParseError> {
        // With vector instructions: a tenth of what the standard library takes.
        let mut dots = memchr::memchr_iter(b'.', token.as_bytes());
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(ParseError::NotThreeParts);
        };
        let part = |range| token.get(range).ok_or(ParseError::NotThreeParts);
        let (header, payload) = (part(0..first)?, part(first + 1..second)?);
        let (signing_input, signature) = (part(0..second)?, part(second + 1..token.len())?);
        Ok(Self {
            header,
            payload,
            signature,
            signing_input: signing_input.as_bytes(),
        })
    }
}

/// Decodes a signature on the stack and checks it.
pub(crate) fn check_signature(
    key: &VerifyingKey,
    alg: Algorithm,
    signing_input: &[u8],
    signature_b64: &str,
) -> Result<(), VerifyError> {
    let check = |room: &mut [u8]| {
        let signature = b64::decode_slice(signature_b64, room)
            .map_err(|_| VerifyError::Base64(Part::Signature))?;
        key.verify(alg, signing_input, signature)
    };
    let size = b64::decoded_len_max(signature_b64);
    if size <= SIGNATURE_BYTES_USUAL {
        // The smaller room is quicker to clear.
        check(&mut [0; SIGNATURE_BYTES_USUAL])
    } else if size <= SIGNATURE_BYTES_MAX {
        check(&mut [0; SIGNATURE_BYTES_MAX])
    } else {
        Err(VerifyError::Signature)
    }
}
