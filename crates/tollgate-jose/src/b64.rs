//! Strict base64url (RFC 7515 §2): no padding, no whitespace, no stray trailing bits.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// The text is not canonical unpadded base64url, or does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Invalid;

/// Bytes that `text` decodes to at most.
pub(crate) const fn decoded_len_max(text: &str) -> usize {
    text.len() / 4 * 3 + 3
}

/// Decodes into `out` and returns the part of it that was filled.
pub(crate) fn decode_slice<'o>(text: &str, out: &'o mut [u8]) -> Result<&'o [u8], Invalid> {
    // An RSA signature alone is 342 characters: with vector instructions a tenth of the cost.
    let room = base64_simd::Out::from_slice(out);
    let decoded = base64_simd::URL_SAFE_NO_PAD.decode(text.as_bytes(), room);
    decoded.map(|filled| &*filled).map_err(|_| Invalid)
}

/// Appends the decoded bytes to `out`.
pub(crate) fn decode_vec(text: &str, out: &mut Vec<u8>) -> Result<(), Invalid> {
    URL_SAFE_NO_PAD.decode_vec(text, out).map_err(|_| Invalid)
}

/// Decodes secret bytes, which are wiped when dropped.
pub(crate) fn decode_secret(text: &str) -> Result<Zeroizing<Vec<u8>>, Invalid> {
    // One allocation of full size, so that growing leaves no copies behind.
    let mut out = Zeroizing::new(Vec::with_capacity(decoded_len_max(text)));
    decode_vec(text, &mut out)?;
    Ok(out)
}

/// Decodes padded standard base64 with line breaks, as inside PEM.
pub(crate) fn decode_pem_body(body: &str) -> Result<Vec<u8>, Invalid> {
    let joined: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(joined).map_err(|_| Invalid)
}

/// Appends base64url of `bytes` to `out`.
pub(crate) fn encode_string(bytes: &[u8], out: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, out);
}

/// Base64url of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Bytes that `len` raw bytes become.
pub(crate) const fn encoded_len(len: usize) -> usize {
    len.div_ceil(3) * 4
}

/// Appends base64url of `bytes` to a byte buffer that holds ASCII or UTF-8.
pub(crate) fn encode_vec(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + encoded_len(bytes.len()), 0);
    let written = out
        .get_mut(start..)
        .map_or(0, |room| encode_slice(bytes, room));
    out.truncate(start + written);
}

/// Base64url of `bytes` into `out`; the length written, nothing when it does not fit.
pub(crate) fn encode_slice(bytes: &[u8], out: &mut [u8]) -> usize {
    URL_SAFE_NO_PAD.encode_slice(bytes, out).unwrap_or(0)
}
