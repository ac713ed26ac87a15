//! `Cache-Control` as a request or an answer says it (RFC 9111 §5.2).

use std::time::Duration;

use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderValue};

/// Longer than this is for ever (RFC 9111 §1.2.2).
const SECONDS_MAX: u64 = 1 << 31;

/// What the lines of `Cache-Control` say together. Of two that contradict each other the more
/// careful counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) no_store: bool,
    pub(super) no_cache: bool,
    pub(super) private: bool,
    pub(super) public: bool,
    pub(super) must_revalidate: bool,
    pub(super) only_if_cached: bool,
    pub(super) max_age: Option<Duration>,
    pub(super) s_maxage: Option<Duration>,
    pub(super) min_fresh: Option<Duration>,
    pub(super) stale_while_revalidate: Option<Duration>,
}

impl Directives {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        let mut lines = headers.get_all(CACHE_CONTROL).iter().peekable();
        if lines.peek().is_none() {
            // What HTTP/1.0 had instead.
            let pragma = headers.get(PRAGMA).map(HeaderValue::as_bytes);
            directives.no_cache = pragma.is_some_and(|value| names(value, b"no-cache"));
        }
        for line in lines {
            let quotes = line.as_bytes().iter().filter(|&&byte| byte == b'"');
            // Of a quote that does not end nobody can tell what it hides.
            directives.no_store |= quotes.count() % 2 == 1;
            for (name, value) in parse(line.as_bytes()) {
                directives.take(name, value);
            }
        }
        directives
    }

    fn take(&mut self, name: &[u8], value: &[u8]) {
        match name.to_ascii_lowercase().as_slice() {
            b"no-store" => self.no_store = true,
            // With field names, too: those would have to be taken out, and nobody uses them.
            b"no-cache" => self.no_cache = true,
            b"private" => self.private = true,
            b"public" => self.public = true,
            b"must-revalidate" | b"proxy-revalidate" => self.must_revalidate = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => shorten(&mut self.max_age, value),
            b"s-maxage" => shorten(&mut self.s_maxage, value),
            b"min-fresh" => self.min_fresh = Some(seconds(value).unwrap_or(FOREVER)),
            b"stale-while-revalidate" => shorten(&mut self.stale_while_revalidate, value),
            _ => {}
        }
    }
}

const FOREVER: Duration = Duration::from_secs(SECONDS_MAX);

/// What is no number is no time at all.
fn shorten(slot: &mut Option<Duration>, value: &[u8]) {
    let told = seconds(value).unwrap_or_default();
    *slot = Some(slot.map_or(told, |before| before.min(told)));
}

pub(super) fn seconds(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = value.iter().fold(0_u64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(Duration::from_secs(number.min(SECONDS_MAX)))
}

fn names(line: &[u8], directive: &[u8]) -> bool {
    parse(line).any(|(name, _)| name.eq_ignore_ascii_case(directive))
}

/// The directives of one line with their arguments, quotes taken off.
fn parse(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut quoted = false;
    let parts = line.split(move |&byte| {
        quoted ^= byte == b'"';
        byte == b',' && !quoted
    });
    parts.map(|part| {
        let mut halves = part.splitn(2, |&byte| byte == b'=');
        let name = halves.next().unwrap_or_default().trim_ascii();
        let value = halves.next().unwrap_or_default().trim_ascii();
        let unquoted = value
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        (name, unquoted.unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_care() {
        let check = |lines: &[&'static str], expected: Directives| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
            }
            assert_eq!(Directives::of(&headers), expected, "{lines:?}");
        };
        let none = Directives::default();
        let age = |seconds| Directives {
            max_age: Some(Duration::from_secs(seconds)),
            ..none
        };
        check(&[], none);
        check(&[""], none);
        check(&["max-age=60"], age(60));
        check(&["Max-Age=\"60\""], age(60));
        check(&["max-age=60, max-age=5"], age(5));
        check(&["max-age=60", "max-age=5"], age(5));
        for broken in [
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=1.5",
            "max-age=x",
        ] {
            check(&[broken], age(0));
        }
        check(&["max-age=99999999999999999999999"], age(SECONDS_MAX));
        let no_store = Directives {
            no_store: true,
            ..none
        };
        check(&["unknown=\"a, no-store"], no_store);
        check(&["unknown=\"a, private\", b=\""], no_store);
        check(
            &["unknown=\"a, no-store\", public ,NO-CACHE"],
            Directives {
                public: true,
                no_cache: true,
                ..none
            },
        );
        check(
            &["private=\"set-cookie\", s-maxage=7, stale-while-revalidate=8"],
            Directives {
                private: true,
                s_maxage: Some(Duration::from_secs(7)),
                stale_while_revalidate: Some(Duration::from_secs(8)),
                ..none
            },
        );
        check(
            &["no-store, proxy-revalidate, only-if-cached, min-fresh=x"],
            Directives {
                no_store: true,
                must_revalidate: true,
                only_if_cached: true,
                min_fresh: Some(FOREVER),
                ..none
            },
        );
    }

    #[test]
    fn pragma_counts_where_there_is_nothing_newer() {
        let mut headers = HeaderMap::new();
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        assert!(Directives::of(&headers).no_cache);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=5"));
        assert!(!Directives::of(&headers).no_cache);
    }
}
