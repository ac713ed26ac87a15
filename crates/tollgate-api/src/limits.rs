//! Rate limits: the configured rules, and the one on failed client authentications that is always on.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, header::RETRY_AFTER};
use tollgate_limit::{Decision, KeyedLimiter, KeysMax, PolicyName};
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

/// The limit that a call came closest to, for the headers of its answer.
#[derive(Clone, Debug)]
pub(crate) struct Closest {
    limit: HeaderValue,
    policy: HeaderValue,
    remaining: u32,
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
/// The name of the rule on failed client authentications.
const FAILURES: &str = "failures";

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
            "How long the configured rules took to decide, in seconds.",
            &Buckets::durations(&[1, 2, 5, 10, 50].map(Duration::from_micros)),
        )?;
        let keys_max = KeysMax::new(KEYS_MAX)?;
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
            failures_name: PolicyName::new(FAILURES)?,
            hashers: [RandomState::new(), RandomState::new()],
            start: Instant::now(),
            decisions,
            duration,
        })
    }

    /// Applies the rules of `route` that go by what is `known`; keeps the closest in `closest`.
    pub(crate) fn check(
        &self,
        route: Route,
        known: Known<'_>,
        closest: &mut Option<Closest>,
    ) -> Result<(), Limited> {
        if self.rules.is_empty() {
            return Ok(());
        }
        let now = self.now_nanos();
        let mut outcome = Ok(());
        for (position, rule) in self.rules.iter().enumerate() {
            let Some(key) = self.key(rule, route, known) else {
                continue;
            };
            let decision = rule.limiter.check(&key, 1, now);
            self.decisions
                .increment([position, usize::from(!decision.is_allowed())]);
            rule.note(&decision, closest);
            if let Some(retry_after_seconds) = decision.retry_after_seconds() {
                outcome = Err(Limited {
                    retry_after_seconds,
                });
                break;
            }
        }
        self.duration
            .observe(Duration::from_nanos(self.now_nanos().saturating_sub(now)));
        outcome
    }

    /// Whether `ip` has failed so often that it is not listened to.
    pub(crate) fn check_failures(
        &self,
        ip: IpAddr,
        closest: &mut Option<Closest>,
    ) -> Result<(), Limited> {
        self.borne(&self.failures.peek(&ip_key(ip), self.now_nanos()), closest)
    }

    /// Counts a failure against the address and the client that was named. Once the client's share
    /// is used up too, failures are answered like any other excess; the right secret still counts,
    /// or anyone who knows a client's name could lock it out.
    pub(crate) fn note_failure(
        &self,
        ip: IpAddr,
        client: Option<&str>,
        closest: &mut Option<Closest>,
    ) -> Result<(), Limited> {
        let now = self.now_nanos();
        self.failures.charge(&ip_key(ip), 1, now);
        let Some(key) = client.map(|id| self.named(id)) else {
            return Ok(());
        };
        let before = self.failures.peek(&key, now);
        self.failures.charge(&key, 1, now);
        self.borne(&before, closest)
    }

    /// What each rule did so far.
    #[must_use]
    pub fn statistics(&self) -> Vec<RuleStatistics> {
        let statistics = |(position, rule): (usize, &Rule)| RuleStatistics {
            name: rule.name.as_str().to_owned(),
            routes: rule.routes.iter().map(|route| route.path()).collect(),
            key: rule.key.as_str(),
            capacity: rule.limiter.quota().capacity(),
            window_seconds: rule.limiter.quota().window_seconds(),
            keys: rule.limiter.keys(),
            keys_max: KEYS_MAX,
            allowed: self.decisions.value([position, 0]),
            denied: self.decisions.value([position, 1]),
        };
        self.rules.iter().enumerate().map(statistics).collect()
    }

    fn borne(&self, decision: &Decision, closest: &mut Option<Closest>) -> Result<(), Limited> {
        let denied = decision.retry_after_seconds();
        self.decisions
            .increment([self.rules.len(), usize::from(denied.is_some())]);
        let Some(retry_after_seconds) = denied else {
            return Ok(());
        };
        let name = &self.failures_name;
        let limit = HeaderValue::try_from(name.rate_limit(decision));
        let policy = HeaderValue::try_from(name.rate_limit_policy(self.failures.quota()));
        if let (Ok(limit), Ok(policy)) = (limit, policy) {
            *closest = Some(Closest {
                limit,
                policy,
                remaining: 0,
            });
        }
        Err(Limited {
            retry_after_seconds,
        })
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

    fn now_nanos(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Rule {
    fn new(config: &RuleConfig, keys_max: KeysMax) -> Result<Self, ConfigError> {
        let route = |path: &String| {
            Route::of(path).ok_or_else(|| ConfigError::UnknownRoute {
                rule: config.name.as_str().to_owned(),
                route: path.clone(),
                allowed: Route::ALL.map(Route::path).join(", "),
            })
        };
        let policy = config.name.rate_limit_policy(&config.quota);
        Ok(Self {
            name: config.name.clone(),
            routes: config.routes.iter().map(route).collect::<Result<_, _>>()?,
            key: config.key,
            limiter: KeyedLimiter::with_hasher(config.quota, keys_max, RandomState::new()),
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("")),
        })
    }

    /// Keeps the decision if it left less than what is kept already.
    fn note(&self, decision: &Decision, closest: &mut Option<Closest>) {
        let remaining = decision.remaining();
        if closest
            .as_ref()
            .is_none_or(|closest| remaining <= closest.remaining)
            && let Ok(limit) = HeaderValue::try_from(self.name.rate_limit(decision))
        {
            *closest = Some(Closest {
                limit,
                policy: self.policy.clone(),
                remaining,
            });
        }
    }
}

impl Closest {
    /// Adds the headers of draft-ietf-httpapi-ratelimit-headers.
    pub(crate) fn decorate(self, headers: &mut HeaderMap) {
        headers.insert(RATE_LIMIT, self.limit);
        headers.insert(RATE_LIMIT_POLICY, self.policy);
    }
}

/// Adds `Retry-After`.
pub(crate) fn retry_after(seconds: u64, headers: &mut HeaderMap) {
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
}
