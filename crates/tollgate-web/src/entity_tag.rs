//! Entity tags and the lists of them that requests carry (RFC 9110 §8.8.3, §13.1).

use http::HeaderValue;

/// Whether a request names not one tag but any.
pub(crate) fn is_any<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>) -> bool {
    let mut lines = lines.into_iter();
    let first = lines.next().map(|line| line.as_bytes().trim_ascii());
    first == Some(b"*") && lines.next().is_none()
}

/// Whether a tag for which this holds stands in a list, which may be spread over several lines.
pub(crate) fn is_listed<'a>(
    lines: impl IntoIterator<Item = &'a HeaderValue>,
    is: impl Fn(&[u8]) -> bool,
) -> bool {
    let mut lines = lines.into_iter();
    lines.any(|line| Tags(line.as_bytes().trim_ascii()).any(&is))
}

/// Weak comparison (RFC 9110 §8.8.3.2).
pub(crate) fn same_weakly(one: &[u8], other: &[u8]) -> bool {
    strip_weak(one) == strip_weak(other)
}

/// Strong comparison: weak tags do not promise the same bytes.
#[cfg(feature = "layers")]
pub(crate) fn same_strongly(one: &[u8], other: &[u8]) -> bool {
    one == other && one.starts_with(b"\"")
}

fn strip_weak(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The tags of one line; ends at what is none.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let quoted = strip_weak(self.0);
        // An opaque tag may hold commas; it ends with its second quote.
        let opaque = quoted.strip_prefix(b"\"")?;
        let end = opaque.iter().position(|&byte| byte == b'"')?;
        let length = self.0.len() - opaque.len() + end + 1;
        let (tag, after) = self.0.split_at_checked(length)?;
        let after = after.trim_ascii_start();
        self.0 = after
            .strip_prefix(b",")
            .unwrap_or_default()
            .trim_ascii_start();
        Some(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let check = |lines: &[&'static str], tag: &str, listed: bool| {
            let lines: Vec<HeaderValue> = lines
                .iter()
                .copied()
                .map(HeaderValue::from_static)
                .collect();
            let found = is_listed(&lines, |one| one == tag.as_bytes());
            assert_eq!(found, listed, "{lines:?} {tag}");
        };
        check(&["\"a\""], "\"a\"", true);
        check(&["\"a\""], "\"b\"", false);
        check(&["W/\"a\" ,\"b\",  \"c\""], "W/\"a\"", true);
        check(&["W/\"a\" ,\"b\",  \"c\""], "\"b\"", true);
        check(&["W/\"a\" ,\"b\",  \"c\""], "\"c\"", true);
        check(&["\"a\"", "\"b\""], "\"b\"", true);
        check(&["\"a,*,b\""], "*", false);
        check(&["\"a,\"b\",c\""], "\"b\"", false);
        check(&["garbage \"a\""], "\"a\"", false);
        check(&["w/\"a\""], "w/\"a\"", false);
        check(&["\"a"], "\"a", false);
        check(&[""], "", false);
    }

    #[test]
    fn any_stands_alone() {
        let check = |lines: &[&'static str], any: bool| {
            let lines: Vec<HeaderValue> = lines
                .iter()
                .copied()
                .map(HeaderValue::from_static)
                .collect();
            assert_eq!(is_any(&lines), any, "{lines:?}");
        };
        check(&["*"], true);
        check(&[" * "], true);
        check(&[], false);
        check(&["*", "*"], false);
        check(&["\"*\""], false);
        check(&["\"a,*,b\""], false);
        check(&["*, \"a\""], false);
    }
}
