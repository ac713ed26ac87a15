//! Rate limits: the configured rules, and the one on failed client authentications that is always on.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, header::RETRY_AFTER};
use tollgate_limit::{Decision, KeyedLimiter, KeysMax, PolicyName, Quota};
use tollgate_web::{
    ip_key,
    metrics::{Buckets, CounterFamily, Histogram, Registry},
};

use crate::{
    router::Route,
    state::{ApiConfig, ConfigError, RuleConfig, RuleKey},
};

/// The most keys that a rule keeps buckets for; idle ones make room.
const KEYS_MAX: usize = 200_000;
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Every limit of the public API.
pub struct Limits {
    rules: Vec<Rule>,
    failures: KeyedLimiter<u128>,
    failures_name: PolicyName,
    failures_policy: HeaderValue,
    /// Turns names into keys that nobody outside can make collide.
    hashers: [RandomState; 2],
    /// Where the monotonic clock of the limiters begins.
    start: Instant,
    decisions: CounterFamily,
    duration: Histogram,
}

struct Rule {
    name: PolicyName,
    routes: Vec<Route>,
    key: RuleKey,
    limiter: KeyedLimiter<u128>,
    policy: HeaderValue,
}

/// What is known of a call when a rule is applied.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known<'a> {
    /// Where it came from and where it goes, before anything was read.
    Arrival(IpAddr),
    /// Which client it proved to be.
    Client(&'a str),
    /// Whom the token in question speaks of.
    Subject(&'a str),
}

/// A call's way through the limits: the time that counts for it, and the limit that it came closest
/// to, for the headers of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metered {
    now: Instant,
    closest: Option<Closest>,
}

#[derive(Clone, Copy, Debug)]
struct Closest {
    /// Which rule; one past the last are the failures.
    position: usize,
    decision: Decision,
}

impl Metered {
    /// For a call at `now`.
    pub(crate) const fn at(now: Instant) -> Self {
        Self { now, closest: None }
    }

    /// The call had to wait; it is later now.
    pub(crate) const fn later(&mut self, now: Instant) {
        self.now = now;
    }

    /// Keeps the decision if it left less than what is kept already.
    fn note(&mut self, position: usize, decision: Decision) {
        let remaining = decision.remaining();
        if self
            .closest
            .is_none_or(|closest| remaining <= closest.decision.remaining())
        {
            self.closest = Some(Closest { position, decision });
        }
    }
}

/// The call is refused until some seconds have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) retry_after_seconds: u64,
}

/// What a rule did so far, for the management API.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RuleStatistics {
    /// The rule's name.
    pub name: String,
    /// The paths that it covers.
    pub routes: Vec<&'static str>,
    /// What has a bucket of its own.
    pub key: &'static str,
    /// The size of a bucket.
    pub capacity: u32,
    /// Seconds in which an empty bucket fills.
    pub window_seconds: u64,
    /// How many keys have a bucket that is not full.
    pub keys: usize,
    /// How many may have one.
    pub keys_max: usize,
    /// Calls let through.
    pub allowed: u64,
    /// Calls refused.
    pub denied: u64,
}

/// The positions of the outcomes in `rate_limit_decisions_total`.
const OUTCOMES: [&str; 2] = ["allowed", "denied"];
/// How many decisions one is timed of, drawn by the last digits of the clock.
const TIMED_ONE_IN: u64 = 16;
/// The name of the rule on failed client authentications, which no other may have.
pub const FAILURES: &str = "failures";

impl Limits {
    pub(crate) fn new(config: &ApiConfig, registry: &Registry) -> Result<Self, ConfigError> {
        let mut names: Vec<&str> = config.rules.iter().map(|rule| rule.name.as_str()).collect();
        names.push(FAILURES);
        let decisions = registry.counter_family(
            "rate_limit_decisions_total",
            "Rate limit decisions, by rule.",
            &[("rule", &names), ("outcome", &OUTCOMES)],
        )?;
        let duration = registry.histogram(
            "rate_limit_check_duration_seconds",
            "How long the configured rules took to decide, in seconds; one decision in 16 is timed.",
            &Buckets::durations(&[1, 2, 5, 10, 50].map(Duration::from_micros)),
        )?;
        let keys_max = KeysMax::new(KEYS_MAX)?;
        let failures_name = PolicyName::new(FAILURES)?;
        Ok(Self {
            rules: config
                .rules
                .iter()
                .map(|rule| Rule::new(rule, keys_max))
                .collect::<Result<_, _>>()?,
            failures: KeyedLimiter::with_hasher(
                config.failures.quota,
                keys_max,
                RandomState::new(),
            ),
            failures_policy: policy(&failures_name, &config.failures.quota),
            failures_name,
            hashers: [RandomState::new(), RandomState::new()],
            start: Instant::now(),
            decisions,
            duration,
        })
    }

    /// Applies the rules of `route` that go by what is `known`.
    pub(crate) fn check(
        &self,
        route: Route,
        known: Known<'_>,
        metered: &mut Metered,
    ) -> Result<(), Limited> {
        if self.rules.is_empty() {
            return Ok(());
        }
        let now = self.nanos(metered.now);
        // Reading the clock costs as much as deciding.
        let timed = now.is_multiple_of(TIMED_ONE_IN).then(Instant::now);
        let outcome = self.apply(route, known, now, metered);
        if let Some(begun) = timed {
            self.duration.observe(begun.elapsed());
        }
        outcome
    }

    fn apply(
        &self,
        route: Route,
        known: Known<'_>,
        now: u64,
        metered: &mut Metered,
    ) -> Result<(), Limited> {
        for (position, rule) in self.rules.iter().enumerate() {
            let Some(key) = self.key(rule, route, known) else {
                continue;
            };
            let decision = rule.limiter.check(&key, 1, now);
            self.decisions
                .increment([position, usize::from(!decision.is_allowed())]);
            metered.note(position, decision);
            if let Some(retry_after_seconds) = decision.retry_after_seconds() {
                return Err(Limited {
                    retry_after_seconds,
                });
            }
        }
        Ok(())
    }

    /// Whether `ip` has failed so often that it is not listened to.
    pub(crate) fn check_failures(&self, ip: IpAddr, metered: &mut Metered) -> Result<(), Limited> {
        let now = self.nanos(metered.now);
        self.borne(self.failures.peek(&ip_key(ip), now), metered)
    }

    /// Counts a failure against the address and the client that was named. Once the client's share
    /// is used up too, failures are answered like any other excess; the right secret still counts,
    /// or anyone who knows a client's name could lock it out.
    pub(crate) fn note_failure(
        &self,
        ip: IpAddr,
        client: Option<&str>,
        metered: &mut Metered,
    ) -> Result<(), Limited> {
        let now = self.nanos(metered.now);
        self.failures.charge(&ip_key(ip), 1, now);
        let Some(key) = client.map(|id| self.named(id)) else {
            return Ok(());
        };
        let before = self.failures.peek(&key, now);
        self.failures.charge(&key, 1, now);
        self.borne(before, metered)
    }

    /// What each rule did so far. Buckets that are full again by `now` are forgotten.
    #[must_use]
    pub fn statistics(&self, now: Instant) -> Vec<RuleStatistics> {
        let now = self.nanos(now);
        let statistics = |(position, rule): (usize, &Rule)| {
            rule.limiter.evict_idle(now);
            RuleStatistics {
                name: rule.name.as_str().to_owned(),
                routes: rule.routes.iter().map(|route| route.path()).collect(),
                key: rule.key.as_str(),
                capacity: rule.limiter.quota().capacity(),
                window_seconds: rule.limiter.quota().window_seconds(),
                keys: rule.limiter.keys(),
                keys_max: KEYS_MAX,
                allowed: self.decisions.value([position, 0]),
                denied: self.decisions.value([position, 1]),
            }
        };
        self.rules.iter().enumerate().map(statistics).collect()
    }

    fn borne(&self, decision: Decision, metered: &mut Metered) -> Result<(), Limited> {
        let denied = decision.retry_after_seconds();
        let position = self.rules.len();
        self.decisions
            .increment([position, usize::from(denied.is_some())]);
        let Some(retry_after_seconds) = denied else {
            return Ok(());
        };
        metered.closest = Some(Closest { position, decision });
        Err(Limited {
            retry_after_seconds,
        })
    }

    /// Adds the headers of draft-ietf-httpapi-ratelimit-headers for the limit that the call came
    /// closest to, if it met one.
    pub(crate) fn decorate(&self, metered: &Metered, headers: &mut HeaderMap) {
        let Some(Closest { position, decision }) = &metered.closest else {
            return;
        };
        let (name, policy) = match self.rules.get(*position) {
            Some(rule) => (&rule.name, &rule.policy),
            None => (&self.failures_name, &self.failures_policy),
        };
        if let Ok(limit) = HeaderValue::try_from(name.rate_limit(decision)) {
            headers.insert(RATE_LIMIT, limit);
            headers.insert(RATE_LIMIT_POLICY, policy.clone());
        }
    }

    fn key(&self, rule: &Rule, route: Route, known: Known<'_>) -> Option<u128> {
        if !rule.routes.contains(&route) {
            return None;
        }
        match (rule.key, known) {
            (RuleKey::Ip, Known::Arrival(ip)) => Some(ip_key(ip)),
            (RuleKey::Route, Known::Arrival(_)) => Some(route as u128),
            (RuleKey::Global, Known::Arrival(_)) => Some(0),
            (RuleKey::Client, Known::Client(name)) | (RuleKey::Subject, Known::Subject(name)) => {
                Some(self.named(name))
            }
            _ => None,
        }
    }

    fn named(&self, name: &str) -> u128 {
        let [high, low] = &self.hashers;
        u128::from(high.hash_one(name)) << 64 | u128::from(low.hash_one(name))
    }

    fn nanos(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Rule {
    fn new(config: &RuleConfig, keys_max: KeysMax) -> Result<Self, ConfigError> {
        let counts = |route: &Route| route.is_limited_by(config.key);
        let route = |path: &String| {
            let route = Route::of(path).filter(counts);
            route.ok_or_else(|| ConfigError::UncountedRoute {
                rule: config.name.as_str().to_owned(),
                route: path.clone(),
                allowed: config.key.paths().join(", "),
            })
        };
        let routes = match config.routes.as_slice() {
            [] => config.key.routes().collect(),
            named => named.iter().map(route).collect::<Result<_, _>>()?,
        };
        Ok(Self {
            name: config.name.clone(),
            routes,
            key: config.key,
            limiter: KeyedLimiter::with_hasher(config.quota, keys_max, RandomState::new()),
            policy: policy(&config.name, &config.quota),
        })
    }
}

fn policy(name: &PolicyName, quota: &Quota) -> HeaderValue {
    HeaderValue::try_from(name.rate_limit_policy(quota)).unwrap_or(HeaderValue::from_static(""))
}

/// Adds `Retry-After`.
pub(crate) fn retry_after(seconds: u64, headers: &mut HeaderMap) {
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
}

#[cfg(test)]
mod tests {
    use tollgate_web::{OverloadLimits, TrustedProxies};

    use super::*;
    use crate::state::FailureLimit;

    fn limits() -> Limits {
        let quota = Quota::new(2, 1.0).unwrap();
        let rule = RuleConfig {
            name: PolicyName::new("few").unwrap(),
            routes: Vec::new(),
            key: RuleKey::Client,
            quota,
        };
        let config = ApiConfig {
            overload: OverloadLimits::default(),
            rules: vec![rule],
            failures: FailureLimit { quota },
            routes: Vec::new(),
            cors_origins: Vec::new(),
            jwks_max_age: Duration::from_secs(900),
            body_bytes_max: 1000,
            trusted_proxies: TrustedProxies::default(),
        };
        Limits::new(&config, &Registry::new()).unwrap()
    }

    #[test]
    fn buckets_that_are_full_again_are_not_counted() {
        let limits = limits();
        let route = Route::of("/oauth/token").unwrap();
        let at = |seconds| limits.start + Duration::from_secs(seconds);
        for (client, seconds) in [("one", 0), ("other", 0), ("other", 1)] {
            let mut metered = Metered::at(at(seconds));
            let known = Known::Client(client);
            assert_eq!(limits.check(route, known, &mut metered), Ok(()));
        }
        for (seconds, keys) in [(0, 2), (1, 1), (2, 0)] {
            let told = limits.statistics(at(seconds));
            assert_eq!(told[0].keys, keys, "after {seconds} s");
            assert_eq!(told[0].allowed, 3);
        }
    }
}
