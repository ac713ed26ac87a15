//! What the fuzz targets share.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What stands before the first line end, and what after it: two documents in one input.
#[must_use]
pub fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(data.len());
    let (first, rest) = data.split_at(end);
    (first, rest.get(1..).unwrap_or_default())
}

/// Base64url without padding.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
