//! Header fields that are read alike in several places.

use http::HeaderMap;
use http::header::HeaderName;

/// The members of a field that is a list without quoted strings, over all of its lines (RFC 9110
/// §5.6.1); empty ones too.
pub(crate) fn members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|line| {
        let members = line.as_bytes().split(|&byte| byte == b',');
        members.map(<[u8]>::trim_ascii)
    })
}

/// The length that a message claims to have, if it can be read. Not for framing it: that reads
/// strictly.
#[cfg(any(feature = "layers", all(feature = "cache", feature = "tower")))]
pub(crate) fn told_length(headers: &HeaderMap) -> Option<u64> {
    let told = headers.get(http::header::CONTENT_LENGTH)?;
    told.to_str().ok()?.parse().ok()
}

/// Whether an answer's `Cache-Control` has any of these directives, which take no value.
#[cfg(feature = "layers")]
pub(crate) fn cache_control_says(headers: &HeaderMap, wanted: &[&str]) -> bool {
    members(headers, http::header::CACHE_CONTROL).any(|directive| {
        let mut wanted = wanted.iter();
        wanted.any(|wanted| directive.eq_ignore_ascii_case(wanted.as_bytes()))
    })
}
