//! Writing tokens: the header once per key, the rest into one buffer.

use crate::error::SignError;
use crate::{Algorithm, SigningKey, b64};

/// The base64url header for [`compact`], to be computed once per key; an empty `kid` is left out.
///
/// # Examples
/// ```
/// use tollgate_jose::{Algorithm, encode_header};
///
/// assert_eq!(
///     encode_header(Algorithm::ES256, "k1", "at+jwt"),
///     "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiYXQrand0In0"
/// );
/// ```
#[must_use]
pub fn encode_header(alg: Algorithm, kid: &str, typ: &str) -> String {
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    let mut json = format!(r#"{{"alg":"{alg}""#);
    for (name, value) in [("kid", kid), ("typ", typ)] {
        if !value.is_empty() {
            json.push_str(&format!(r#","{name}":{}"#, quote(value)));
        }
    }
    json.push('}');
    b64::encode(json.as_bytes())
}

/// Appends `header_b64.payload.signature` to `out`.
///
/// # Errors
/// [`SignError`] when the library fails; `out` is as before then.
pub fn compact(
    header_b64: &str,
    payload: &[u8],
    key: &SigningKey,
    out: &mut String,
) -> Result<(), SignError> {
    /// Room for an RSA-2048 signature, the longest usual one.
    const SIGNATURE_ROOM: usize = 342;
    let start = out.len();
    out.reserve(header_b64.len() + b64::encoded_len(payload.len()) + SIGNATURE_ROOM + 2);
    out.push_str(header_b64);
    out.push('.');
    b64::encode_string(payload, out);
    let end = out.len();
    out.push('.');
    let mut signature = SignatureText::default();
    let signed = match out.as_bytes().get(start..end) {
        Some(signing_input) => key.sign_with(signing_input, |raw| signature.fill(raw)),
        None => Err(SignError),
    };
    if signed.is_err() {
        out.truncate(start);
        return signed;
    }
    out.push_str(signature.as_str());
    Ok(())
}

/// A signature in base64url, on the stack while its input is still borrowed.
struct SignatureText {
    bytes: [u8; b64::encoded_len(1024)],
    len: usize,
}

impl Default for SignatureText {
    fn default() -> Self {
        Self {
            bytes: [0; b64::encoded_len(1024)],
            len: 0,
        }
    }
}

impl SignatureText {
    fn fill(&mut self, raw: &[u8]) {
        self.len = b64::encode_slice(raw, &mut self.bytes);
    }

    fn as_str(&self) -> &str {
        self.bytes
            .get(..self.len)
            .and_then(|text| std::str::from_utf8(text).ok())
            .unwrap_or("")
    }
}
