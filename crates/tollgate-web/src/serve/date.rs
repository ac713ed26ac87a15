//! The `Date` of answers, written once a second.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderValue;
use rustls::pki_types::UnixTime;

thread_local! {
    static LAST: RefCell<(u64, HeaderValue)> = const { RefCell::new((0, HeaderValue::from_static(""))) };
}

/// What the clock says now (RFC 9110 §6.6.1).
pub(super) fn now() -> HeaderValue {
    let seconds = UnixTime::now().as_secs();
    LAST.with_borrow_mut(|(second, value)| {
        if *second != seconds {
            let moment = UNIX_EPOCH + Duration::from_secs(seconds);
            let text = httpdate::fmt_http_date(moment);
            *value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
            *second = seconds;
        }
        value.clone()
    })
}
