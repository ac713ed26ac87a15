//! How long an answer may be kept (RFC 9111 §5.2).

use std::time::Duration;

use super::http::FetchResponse;

/// What the answer itself says about how long it stays fresh; `None` when it says nothing.
pub(crate) fn freshness(response: &FetchResponse) -> Option<Duration> {
    let directives = response.cache_control.as_deref()?.split(',').map(str::trim);
    let mut max_age = None;
    for directive in directives {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") {
            max_age = value.trim_matches('"').parse::<u64>().ok();
        }
    }
    let left = max_age?.saturating_sub(response.age_seconds.unwrap_or(0));
    Some(Duration::from_secs(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read() {
        let check = |header: Option<&str>, age: Option<u64>, expected: Option<u64>| {
            let response = FetchResponse {
                cache_control: header.map(str::to_owned),
                age_seconds: age,
                ..FetchResponse::default()
            };
            let seconds = freshness(&response).map(|fresh| fresh.as_secs());
            assert_eq!(seconds, expected, "{header:?}");
        };
        check(None, None, None);
        check(Some("max-age=900"), None, Some(900));
        check(Some("public, Max-Age=\"60\""), None, Some(60));
        check(Some("max-age=900"), Some(100), Some(800));
        check(Some("max-age=900"), Some(1000), Some(0));
        check(Some("no-store"), None, Some(0));
        check(Some("max-age=900, no-cache"), None, Some(0));
        check(Some("max-age=soon"), None, None);
        check(Some("private"), None, None);
    }
}
