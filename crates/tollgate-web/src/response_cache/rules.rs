//! What may be stored, for how long, and what of it a request may have (RFC 9111 §3, §4).

use std::time::{Duration, SystemTime};

use http::header::{
    AGE, AUTHORIZATION, CONTENT_RANGE, DATE, EXPIRES, IF_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    RANGE, SET_COOKIE, VARY,
};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, response};
use http_body::Body;

use super::directives::{Directives, seconds};
use super::{Authorized, ResponseCacheConfig, SetCookie};
use crate::head::members;

/// Header fields that a `Vary` may name before its answer counts as unlike any other.
const VARY_MAX: usize = 8;

/// Whether a request may be answered from the cache, and its answer stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Both.
    Usual,
    /// Its answer may be stored, but it wants a new one.
    Anew,
    /// Neither; the word says why (RFC 9211 §2.2).
    Nothing(&'static str),
}

pub(super) fn asks<B: Body>(
    request: &Request<B>,
    told: &Directives,
    config: &ResponseCacheConfig,
) -> Asks {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Asks::Nothing("method");
    }
    let headers = request.headers();
    let unusual = [RANGE, IF_RANGE, IF_MATCH, IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| headers.contains_key(name));
    // Nothing says that answers to such requests do not depend on it.
    let has_body = !request.body().is_end_stream();
    let authorized = config.authorized == Authorized::Never && headers.contains_key(AUTHORIZATION);
    if unusual || has_body || authorized || told.no_store {
        return Asks::Nothing("bypass");
    }
    match told.no_cache || told.max_age == Some(Duration::ZERO) {
        true => Asks::Anew,
        false => Asks::Usual,
    }
}

/// How an answer is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// How old it was when it came.
    pub(super) age: Duration,
    /// How old it may become.
    pub(super) fresh: Duration,
    /// How long past that it is given while a newer one is fetched.
    pub(super) stale: Duration,
    /// What it depends on in the request, in order.
    pub(super) vary: Box<[HeaderName]>,
}

/// `None` for what must not be stored.
pub(super) fn keeps(
    authorized: bool,
    head: &response::Parts,
    config: &ResponseCacheConfig,
    now: SystemTime,
) -> Option<Kept> {
    let headers = &head.headers;
    let told = Directives::of(headers);
    let cookie = config.set_cookie == SetCookie::Never && headers.contains_key(SET_COOKIE);
    if told.no_store || told.private || told.no_cache || cookie || !is_final(head.status) {
        return None;
    }
    if headers.contains_key(CONTENT_RANGE) {
        return None;
    }
    // RFC 9111 §3.5.
    let shared = told.public || told.must_revalidate || told.s_maxage.is_some();
    if authorized && !shared {
        return None;
    }
    let age = headers.get(AGE).map(|age| seconds(age.as_bytes()));
    let age = age.map_or(Duration::ZERO, |age| age.unwrap_or(Duration::MAX));
    let fresh = told
        .s_maxage
        .or(told.max_age)
        .or_else(|| expires(headers, now))?
        .min(config.ttl_max);
    // A shared answer that must be asked for again is never given stale (§5.2.2.10).
    let never_stale = told.must_revalidate || told.s_maxage.is_some();
    let stale = match never_stale {
        true => Duration::ZERO,
        false => told.stale_while_revalidate.unwrap_or_default(),
    };
    let kept = Kept {
        age,
        fresh,
        stale: stale.min(config.ttl_max),
        vary: vary(headers)?,
    };
    (kept.age < kept.fresh + kept.stale).then_some(kept)
}

/// The statuses whose answers stand for themselves. Ranges and conditions do not.
fn is_final(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 302 | 307 | 308 | 404 | 405 | 410 | 414 | 451 | 501
    )
}

/// What cannot be read is in the past (§5.3).
fn expires(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date = |name| {
        let value = headers.get(name)?.to_str().ok()?;
        httpdate::parse_http_date(value).ok()
    };
    headers.get(EXPIRES)?;
    let expires = date(EXPIRES)?;
    Some(
        expires
            .duration_since(date(DATE).unwrap_or(now))
            .unwrap_or_default(),
    )
}

/// `None` for an answer that is like no other.
fn vary(headers: &HeaderMap) -> Option<Box<[HeaderName]>> {
    let mut names = Vec::new();
    for name in members(headers, VARY).filter(|name| !name.is_empty()) {
        // `*` is no name.
        names.push(HeaderName::from_bytes(name).ok().filter(|_| name != b"*")?);
    }
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    (names.len() <= VARY_MAX).then(|| names.into())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CACHE_CONTROL;

    use super::*;
    use crate::ResponseBody;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn head(status: u16, lines: &[(&'static str, &'static str)]) -> response::Parts {
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = StatusCode::from_u16(status).unwrap();
        for (name, value) in lines {
            head.headers.append(*name, HeaderValue::from_static(value));
        }
        head
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table")]
    fn answers_are_stored_as_they_say() {
        let config = ResponseCacheConfig::default();
        let check =
            |status, lines: &[(&'static str, &'static str)], times: Option<(u64, u64, u64)>| {
                let kept = keeps(false, &head(status, lines), &config, NOW);
                let seconds = |kept: Kept| {
                    (
                        kept.age.as_secs(),
                        kept.fresh.as_secs(),
                        kept.stale.as_secs(),
                    )
                };
                assert_eq!(kept.map(seconds), times, "{status} {lines:?}");
            };
        let fresh = ("cache-control", "max-age=60");
        for status in [
            200, 203, 204, 300, 301, 302, 307, 308, 404, 405, 410, 414, 451, 501,
        ] {
            check(status, &[fresh], Some((0, 60, 0)));
        }
        for status in [201, 206, 303, 304, 400, 401, 403, 416, 429, 500, 503] {
            check(status, &[fresh], None);
        }
        check(200, &[], None);
        check(200, &[("cache-control", "public")], None);
        for no in [
            "no-store",
            "no-cache",
            "private",
            "private=\"x\"",
            "max-age=0",
            "max-age=x",
        ] {
            check(200, &[fresh, ("cache-control", no)], None);
        }
        check(
            200,
            &[("cache-control", "max-age=60, s-maxage=5")],
            Some((0, 5, 0)),
        );
        check(200, &[("cache-control", "max-age=60, s-maxage=0")], None);
        check(200, &[fresh, ("age", "7")], Some((7, 60, 0)));
        for old in ["60", "-1", "x"] {
            check(200, &[fresh, ("age", old)], None);
        }
        let stale = ("cache-control", "max-age=60, stale-while-revalidate=30");
        check(200, &[stale], Some((0, 60, 30)));
        check(200, &[stale, ("age", "89")], Some((89, 60, 30)));
        check(
            200,
            &[stale, ("cache-control", "must-revalidate")],
            Some((0, 60, 0)),
        );
        check(
            200,
            &[stale, ("cache-control", "s-maxage=60")],
            Some((0, 60, 0)),
        );
        check(
            200,
            &[("cache-control", "max-age=99999999")],
            Some((0, 86_400, 0)),
        );
        check(200, &[fresh, ("set-cookie", "a=b")], None);
        check(200, &[fresh, ("content-range", "bytes 0-1/2")], None);
        check(200, &[fresh, ("vary", "*")], None);
        check(200, &[fresh, ("vary", "accept, *")], None);
        check(200, &[fresh, ("vary", "a, b, c, d, e, f, g, h, i")], None);
        let date = ("date", "Thu, 01 Jan 1970 00:00:10 GMT");
        let expires = ("expires", "Thu, 01 Jan 1970 00:00:30 GMT");
        check(200, &[expires], Some((0, 30, 0)));
        check(200, &[expires, date], Some((0, 20, 0)));
        check(200, &[expires, fresh], Some((0, 60, 0)));
        check(200, &[("expires", "0")], None);
        check(
            200,
            &[("expires", "Thu, 01 Jan 1970 00:00:05 GMT"), date],
            None,
        );
    }

    #[test]
    fn answers_to_the_authorized_need_leave() {
        let config = ResponseCacheConfig::default();
        let check = |line, stored| {
            let head = head(200, &[("cache-control", line)]);
            let kept = keeps(true, &head, &config, NOW);
            assert_eq!(kept.is_some(), stored, "{line}");
        };
        check("max-age=60", false);
        check("max-age=60, public", true);
        check("max-age=60, must-revalidate", true);
        check("s-maxage=60", true);
        check("public, private, max-age=60", false);
    }

    #[test]
    fn vary_is_one_list() {
        let head = head(200, &[("vary", "B, a"), ("vary", "a,,c")]);
        let names = vary(&head.headers).unwrap();
        assert_eq!(*names, ["a", "b", "c"]);
    }

    #[test]
    fn requests_get_what_they_may() {
        let check = |method: Method, name: &'static str, value: &'static str, expected| {
            let mut request = Request::new(ResponseBody::empty());
            *request.method_mut() = method;
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
            let told = Directives::of(request.headers());
            let config = ResponseCacheConfig::default();
            assert_eq!(asks(&request, &told, &config), expected, "{name}: {value}");
        };
        let control = CACHE_CONTROL.as_str().to_owned();
        assert_eq!(control, "cache-control");
        check(Method::GET, "accept", "*/*", Asks::Usual);
        check(Method::HEAD, "accept", "*/*", Asks::Usual);
        check(Method::POST, "accept", "*/*", Asks::Nothing("method"));
        check(Method::GET, "cache-control", "no-cache", Asks::Anew);
        check(Method::GET, "cache-control", "max-age=0", Asks::Anew);
        check(Method::GET, "cache-control", "max-age=1", Asks::Usual);
        check(Method::GET, "pragma", "no-cache", Asks::Anew);
        for (name, value) in [
            ("cache-control", "no-store"),
            ("authorization", "Bearer x"),
            ("range", "bytes=0-1"),
            ("if-range", "\"x\""),
            ("if-match", "\"x\""),
            ("if-unmodified-since", "x"),
        ] {
            check(Method::GET, name, value, Asks::Nothing("bypass"));
        }
    }
}
