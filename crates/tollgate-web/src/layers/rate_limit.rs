//! Token buckets before the service; one process counts for itself.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Instant;

use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tollgate_limit::{Decision, KeyedLimiter, KeysMax, PolicyName, Quota};

use super::policy::{Policy, Refusal, policy_layer, refusal};
use crate::{RequestInfo, ip_key};

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Refuses with 429 what goes beyond a quota, and tells every client where it stands
/// (`RateLimit` and `RateLimit-Policy`, draft-ietf-httpapi-ratelimit-headers).
///
/// ```
/// use axum::{Router, routing::get};
/// use tollgate_limit::{KeysMax, PolicyName, Quota};
/// use tollgate_web::layers::RateLimit;
///
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let quota = Quota::new(100, 10.0)?; // bursts of 100, ten a second
/// let limit = RateLimit::per_client(PolicyName::new("api")?, quota, KeysMax::new(100_000)?);
/// let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(limit);
/// # Ok(())
/// # }
/// # run().unwrap();
/// ```
#[derive(Clone)]
pub struct RateLimit(Arc<Limit>);

struct Limit {
    name: PolicyName,
    policy: HeaderValue,
    limiter: KeyedLimiter<u128>,
    /// Where the clock of the buckets begins.
    origin: Instant,
}

impl RateLimit {
    /// A bucket for each client address, for at most `keys_max` of them; IPv6 addresses count by
    /// their /64. Clones share the buckets.
    ///
    /// # Security
    /// The address is [`RequestInfo::client_ip`](crate::RequestContext::client_ip). Requests
    /// without a `RequestInfo` share one bucket.
    #[must_use]
    pub fn per_client(name: PolicyName, quota: Quota, keys_max: KeysMax) -> Self {
        let limiter = KeyedLimiter::with_hasher(quota, keys_max, RandomState::new());
        let policy = header(&name.rate_limit_policy(limiter.quota()));
        Self(Arc::new(Limit {
            name,
            policy,
            limiter,
            origin: Instant::now(),
        }))
    }

    fn tell(&self, decision: &Decision, headers: &mut HeaderMap) {
        // Several limits may stand one behind the other: each adds its item to the list.
        headers.append(&RATE_LIMIT, header(&self.0.name.rate_limit(decision)));
        headers.append(&RATE_LIMIT_POLICY, self.0.policy.clone());
    }
}

/// A policy's name holds nothing that a header could not.
fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

impl Policy for RateLimit {
    type Kept = Decision;

    fn before<B>(&self, request: &mut Request<B>) -> Result<Decision, Refusal> {
        let Limit {
            limiter, origin, ..
        } = &*self.0;
        let info = request.extensions().get::<RequestInfo>();
        let key = info.map_or(0, |info| ip_key(info.client_ip()));
        let now_nanos = u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let decision = limiter.check(&key, 1, now_nanos);
        let Some(seconds) = decision.retry_after_seconds() else {
            return Ok(decision);
        };
        let mut refused = refusal(StatusCode::TOO_MANY_REQUESTS);
        let headers = refused.headers_mut();
        self.tell(&decision, headers);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        Err(refused)
    }

    fn after<B>(&self, decision: Decision, response: &mut Response<B>) {
        self.tell(&decision, response.headers_mut());
    }
}

policy_layer!(RateLimit);
