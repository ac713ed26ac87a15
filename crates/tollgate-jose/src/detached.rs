//! Detached content (RFC 7515 appendix F) and unencoded payloads (RFC 7797).

use std::fmt;

use crate::compact::{Limits, Parts, check_signature};
use crate::error::{ParseError, VerifyError};
use crate::header::{Header, PayloadForm};
use crate::{VerifyingKey, b64};

/// A compact JWS whose payload travels beside it.
///
/// The one place where `b64` = `false` is understood: the caller brings the payload, so nobody
/// can mistake where it ends.
#[derive(Clone)]
pub struct Detached<'a> {
    header: Header,
    header_b64: &'a str,
    signature_b64: &'a str,
    is_plain: bool,
}

impl<'a> Detached<'a> {
    /// Takes `header..signature` apart and judges the header.
    ///
    /// # Errors
    /// [`ParseError::NotDetached`] when there is a payload between the dots, else as
    /// [`Compact::parse`](crate::Compact::parse).
    pub fn parse(token: &'a str, limits: &Limits) -> Result<Self, ParseError> {
        if token.len() > limits.token_bytes_max {
            return Err(ParseError::TooLarge);
        }
        let parts = Parts::split(token)?;
        if !parts.payload.is_empty() {
            return Err(ParseError::NotDetached);
        }
        let (header, is_plain) = Header::parse(
            parts.header,
            limits.header_bytes_max,
            PayloadForm::EncodedOrPlain,
        )?;
        Ok(Self {
            header,
            header_b64: parts.header,
            signature_b64: parts.signature,
            is_plain,
        })
    }

    /// The header: unverified.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Checks the signature over `payload`.
    ///
    /// # Errors
    /// As [`VerifyingKey::verify`], and [`VerifyError::Base64`] for a malformed signature.
    pub fn verify(&self, key: &VerifyingKey, payload: &[u8]) -> Result<(), VerifyError> {
        let mut signing_input =
            Vec::with_capacity(self.header_b64.len() + 1 + b64::encoded_len(payload.len()));
        signing_input.extend_from_slice(self.header_b64.as_bytes());
        signing_input.push(b'.');
        if self.is_plain {
            signing_input.extend_from_slice(payload);
        } else {
            b64::encode_vec(payload, &mut signing_input);
        }
        check_signature(
            key,
            self.header.algorithm(),
            &signing_input,
            self.signature_b64,
        )
    }
}

impl fmt::Debug for Detached<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detached")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
