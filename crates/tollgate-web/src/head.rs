//! Header fields that several layers read alike. Not what frames a message: that is read strictly,
//! where it is framed.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;

/// The length that a message claims to have, if it can be read.
pub(crate) fn told_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether an answer's `Cache-Control` has any of these directives, which take no value.
#[cfg(feature = "layers")]
pub(crate) fn cache_control_says(headers: &HeaderMap, wanted: &[&str]) -> bool {
    let mut lines = headers.get_all(http::header::CACHE_CONTROL).iter();
    lines.any(|line| {
        let mut directives = line.as_bytes().split(|&byte| byte == b',');
        directives.any(|directive| {
            let directive = directive.trim_ascii();
            let mut wanted = wanted.iter();
            wanted.any(|wanted| directive.eq_ignore_ascii_case(wanted.as_bytes()))
        })
    })
}
