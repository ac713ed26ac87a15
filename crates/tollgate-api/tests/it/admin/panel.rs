//! The management API of a private instance, with a clock moved by hand and an audit log to read.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode, request::Builder},
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tollgate_api::{
    Api, ApiConfig, ApiParts, Clock, FailureLimit, RuleConfig, RuleKey, SystemEntropy,
    admin::{AdminParts, AdminState, AdminToken, router},
    audit::{AuditEvent, AuditSink, AuditUnavailable},
};
use tollgate_issuer::{Issuer, KeyPolicy, MasterKey, Settings};
use tollgate_jose::Algorithm;
use tollgate_limit::{PolicyName, Quota};
use tollgate_protocol::TokenFormat;
use tollgate_store::MemoryStore;
use tollgate_web::{HealthRegistry, OverloadLimits, TrustedProxies, metrics::Registry};
use tower::ServiceExt as _;

pub(crate) const TOKEN: &str = "fzG4uR5fJ8qk0S2m-admin-token-of-tests";
pub(crate) const START: u64 = 1_800_000_000;

/// The management API, and what a test looks at beside it.
pub(crate) struct Panel {
    pub(crate) state: AdminState<MemoryStore>,
    pub(crate) registry: Registry,
    pub(crate) health: Arc<HealthRegistry>,
    pub(crate) audit: Arc<Log>,
    router: Router,
    hand: Arc<AtomicU64>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        assert_eq!(self.headers["cache-control"], "no-store", "{self:?}");
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// Asserts an error, and that its explanation says so.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, why: &str) {
        let error = self.expect(status);
        assert_eq!(error["error"], code, "{error}");
        let description = error["error_description"].as_str().unwrap();
        assert!(description.contains(why), "{description}");
    }
}

/// The audit log as lines of JSON.
#[derive(Default)]
pub(crate) struct Log {
    lines: Mutex<Vec<Value>>,
    is_full: std::sync::atomic::AtomicBool,
}

impl Log {
    pub(crate) fn fill(&self) {
        self.is_full.store(true, Ordering::Relaxed);
    }

    /// What was noted since last asked, as `event outcome target`.
    pub(crate) fn take(&self) -> Vec<String> {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or("-").to_owned();
        let line = |line: &Value| {
            ["event", "outcome", "target"]
                .map(|name| text(line, name))
                .join(" ")
        };
        lines.iter().map(line).collect()
    }
}

impl AuditSink for Log {
    fn is_enabled(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), AuditUnavailable> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(AuditUnavailable);
        }
        Ok(())
    }

    fn record(&self, events: &[AuditEvent<'_>]) -> Result<(), AuditUnavailable> {
        let lines = events
            .iter()
            .map(|event| serde_json::to_value(event).unwrap());
        self.lines.lock().unwrap().extend(lines);
        Ok(())
    }
}

impl Panel {
    pub(crate) async fn new() -> Self {
        let hand = Arc::new(AtomicU64::new(START * 1000));
        let clock = Clock::manual(Arc::clone(&hand));
        let (registry, health) = (Registry::new(), Arc::new(HealthRegistry::new()));
        let audit = Arc::new(Log::default());
        let parts = ApiParts {
            issuer: issuer(&clock).await,
            clock,
            entropy: Arc::new(SystemEntropy),
            audit: Arc::clone(&audit) as Arc<dyn AuditSink>,
            health: Arc::clone(&health),
            registry: registry.clone(),
        };
        let api = Arc::new(Api::new(parts, &config()).unwrap());
        let parts = AdminParts {
            token: AdminToken::new(TOKEN).unwrap(),
            registry: registry.clone(),
            version: "1.2.3",
            store: "memory",
            config: json!({"issuer": "https://auth.example.com", "admin": {"token": "***"}}),
        };
        let state = AdminState::new(api, parts);
        let router = router(state.clone());
        Self {
            state,
            registry,
            health,
            audit,
            router,
            hand,
        }
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.hand.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self
            .router
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(authorized(Method::GET, path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(
            authorized(Method::DELETE, path)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send_json(Method::POST, path, &body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send_json(Method::PATCH, path, &body.to_string()).await
    }

    pub(crate) async fn send_json(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = authorized(method, path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    /// Registers a client that may ask for tokens of two scopes and one audience.
    pub(crate) async fn client(&self, id: &str, format: &str) -> Value {
        let client = json!({
            "client_id": id,
            "scope": "read write",
            "audiences": ["https://orders.example.com"],
            "token_format": format,
        });
        self.post("/admin/clients", client).await.expect(201)
    }

    pub(crate) async fn access_token(&self, client: &str) -> String {
        let answer = self
            .post("/admin/tokens", json!({"client_id": client}))
            .await
            .expect(200);
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn one_time_token(&self, client: &str, subject: &str) -> String {
        let wish = json!({"client_id": client, "kind": "one_time", "subject": subject});
        let answer = self.post("/admin/tokens", wish).await.expect(200);
        answer["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn is_active(&self, token: &str) -> bool {
        let answer = self
            .post("/admin/tokens/introspect", json!({"token": token}))
            .await;
        answer.expect(200)["active"].as_bool().unwrap()
    }
}

pub(crate) fn authorized(method: Method, path: &str) -> Builder {
    let bearer = format!("Bearer {TOKEN}");
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", bearer)
}

async fn issuer(clock: &Clock) -> Arc<Issuer<MemoryStore>> {
    let day = Duration::from_secs(86400);
    let settings = Settings {
        issuer: "https://auth.example.com".into(),
        access_format: TokenFormat::Jwt,
        access_ttl: Duration::from_secs(3600),
        one_time_ttl: Duration::from_secs(120),
        active_max: 10_000,
        cache_entries_max: 1000,
        cache_ttl: Duration::from_secs(300),
        keys: KeyPolicy {
            signing_alg: Algorithm::ES256,
            rotate_every: 90 * day,
            publish_ahead: day,
            retain_after: day,
        },
    };
    let context = tollgate_issuer::Context {
        now: clock.now(),
        entropy: &SystemEntropy,
    };
    let master = MasterKey::generate(&SystemEntropy).unwrap();
    Arc::new(
        Issuer::open(MemoryStore::new(), settings, master, &context)
            .await
            .unwrap(),
    )
}

fn config() -> ApiConfig {
    let rule = RuleConfig {
        name: PolicyName::new("token-per-client").unwrap(),
        routes: vec!["/oauth/token".into()],
        key: RuleKey::Client,
        quota: Quota::new(100, 20.0).unwrap(),
    };
    ApiConfig {
        overload: OverloadLimits {
            in_flight_max: 10,
            queue_max: 10,
            queue_wait: Duration::from_millis(100),
        },
        rules: vec![rule],
        failures: FailureLimit {
            quota: Quota::new(100, 0.001).unwrap(),
        },
        routes: Vec::new(),
        cors_origins: Vec::new(),
        jwks_max_age: Duration::from_secs(900),
        body_bytes_max: 65_536,
        trusted_proxies: TrustedProxies::default(),
    }
}
