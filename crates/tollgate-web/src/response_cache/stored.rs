//! An answer as it is kept, and as it is given again.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AGE, CONNECTION, CONTENT_LENGTH, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Response, StatusCode, response};

use super::directives::Directives;
use super::rules::Kept;
use crate::RouteId;
use crate::cache::millis_of;
use crate::entity_tag::{is_any, is_listed, same_weakly};
use crate::head::members;
#[cfg(feature = "layers")]
use crate::layers::SecretAnswer;
use crate::weigh::{Weigh, allocation_bytes};

/// What stands under a key.
pub(super) enum Node {
    /// Answers differ by these fields of the request; they stand under keys with this number.
    Varies(u64, Box<[HeaderName]>),
    Answer(Stored),
}

pub(super) struct Stored {
    status: StatusCode,
    headers: HeaderMap,
    said: Said,
    body: Bytes,
    /// When it would have been made, were it made here.
    made_millis: i64,
    fresh: Duration,
    stale: Duration,
}

/// Whether a request may have a stored answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Fresh {
        age: Duration,
    },
    /// While a newer one is fetched.
    Stale {
        age: Duration,
    },
    Not,
}

/// What an answer says to the layers further out.
#[derive(Clone, Copy, Default)]
struct Said {
    route: Option<RouteId>,
    #[cfg(feature = "layers")]
    secret: Option<SecretAnswer>,
}

impl Said {
    fn of(said: &Extensions) -> Self {
        Self {
            route: said.get().copied(),
            #[cfg(feature = "layers")]
            secret: said.get().copied(),
        }
    }

    fn again(self, extensions: &mut Extensions) {
        if let Some(route) = self.route {
            extensions.insert(route);
        }
        #[cfg(feature = "layers")]
        if let Some(secret) = self.secret {
            extensions.insert(secret);
        }
    }
}

impl Stored {
    /// The time that its making and sending took counts to its age (RFC 9111 §4.2.3), so that it
    /// is dated from when it was asked for.
    pub(super) fn new(head: &response::Parts, body: &[u8], kept: &Kept, asked_millis: u64) -> Self {
        let age = i64::try_from(kept.age.as_millis()).unwrap_or(i64::MAX);
        let asked_millis = i64::try_from(asked_millis).unwrap_or(i64::MAX);
        let mut headers = head.headers.clone();
        strip(&mut headers);
        Self {
            status: head.status,
            headers,
            said: Said::of(&head.extensions),
            // Its own buffer, not a slice of one that is larger.
            body: Bytes::copy_from_slice(body),
            made_millis: asked_millis.saturating_sub(age),
            fresh: kept.fresh,
            stale: kept.stale,
        }
    }

    /// When it can no longer be of use to anybody.
    pub(super) fn expires_millis(&self) -> u64 {
        let life = millis_of(self.fresh + self.stale);
        self.made_millis
            .saturating_add_unsigned(life)
            .max(0)
            .unsigned_abs()
    }

    fn age(&self, now_millis: u64) -> Duration {
        let now_millis = i64::try_from(now_millis).unwrap_or(i64::MAX);
        let millis = now_millis.saturating_sub(self.made_millis);
        Duration::from_millis(u64::try_from(millis).unwrap_or_default())
    }

    /// Of `age`, how much freshness is left.
    pub(super) fn left(&self, age: Duration) -> Duration {
        self.fresh.saturating_sub(age)
    }

    /// What a request with these directives may have of it (RFC 9111 §4.2, §5.2.1).
    pub(super) fn of_use(&self, told: &Directives, now_millis: u64) -> Use {
        let age = self.age(now_millis);
        let too_old = told.max_age.is_some_and(|max| age > max);
        let wanted = told.min_fresh.unwrap_or_default();
        if !too_old && age + wanted < self.fresh {
            return Use::Fresh { age };
        }
        let wants_fresh = told.max_age.is_some() || told.min_fresh.is_some();
        match !wants_fresh && age < self.fresh + self.stale {
            true => Use::Stale { age },
            false => Use::Not,
        }
    }

    /// The answer, or that the client has it already (RFC 9111 §4.3.2).
    pub(super) fn answer(&self, request: &HeaderMap, age: Duration) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        response.headers_mut().clone_from(&self.headers);
        self.said.again(response.extensions_mut());
        response
            .headers_mut()
            .insert(AGE, HeaderValue::from(age.as_secs()));
        if self.status == StatusCode::OK && self.is_known_to(request) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(CONTENT_LENGTH);
            return response;
        }
        *response.status_mut() = self.status;
        *response.body_mut() = self.body.clone();
        response
    }

    pub(super) fn length(&self) -> usize {
        self.body.len()
    }

    fn is_known_to(&self, request: &HeaderMap) -> bool {
        if request.contains_key(IF_NONE_MATCH) {
            let theirs = || request.get_all(IF_NONE_MATCH);
            let ours = self.headers.get(ETAG).map(HeaderValue::as_bytes);
            let same = |ours| is_listed(theirs(), |tag| same_weakly(tag, ours));
            return is_any(theirs()) || ours.is_some_and(same);
        }
        let date = |value: Option<&HeaderValue>| {
            let value = value?.to_str().ok()?;
            httpdate::parse_http_date(value).ok()
        };
        let since = date(request.get(IF_MODIFIED_SINCE));
        let modified = date(self.headers.get(LAST_MODIFIED));
        since
            .zip(modified)
            .is_some_and(|(since, modified)| modified <= since)
    }
}

/// Takes out what was meant for one connection, and what is counted anew (RFC 9111 §3.1).
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = members(headers, CONNECTION)
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .collect();
    let ours = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, AGE];
    for name in ours.into_iter().chain(named) {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("cache-status");
}

/// What a header map takes for one field beside name and value.
const FIELD_BYTES: usize = 128;

impl Weigh for Node {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Varies(_, names) => allocation_bytes(size_of_val::<[HeaderName]>(names)) + 128,
            Self::Answer(stored) => {
                let fields = stored.headers.iter().map(|(name, value)| {
                    FIELD_BYTES
                        + allocation_bytes(name.as_str().len())
                        + allocation_bytes(value.len())
                });
                stored.body.heap_bytes() + fields.sum::<usize>()
            }
        }
    }
}
