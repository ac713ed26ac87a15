//! A private instance of the API: in-memory store, a clock that is moved by hand, a free port.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tollgate_api::{
    Api, ApiConfig, ApiParts, Clock, FailureLimit, SystemEntropy,
    audit::{AuditSink, NoAudit},
};
use tollgate_issuer::{Context, Issuer, KeyPolicy, MasterKey, Settings, clients::NewClient};
use tollgate_jose::Algorithm;
use tollgate_limit::Quota;
use tollgate_protocol::{Resources, TokenFormat};
use tollgate_web::{
    HealthRegistry, HttpMetrics, OverloadLimits, Server, ServerConfig, TrustedProxies,
    metrics::Registry,
};

use crate::gate::GatedStore;

/// The audience of the demo client, which the server `orders` is.
pub(crate) const ORDERS: &str = "https://orders.example.com";
pub(crate) const BILLING: &str = "https://billing.example.com";
pub(crate) const ISSUER: &str = "https://auth.example.com";

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) issuer: Arc<Issuer<GatedStore>>,
    pub(crate) registry: Registry,
    hand: Arc<AtomicU64>,
    runtime: tokio::runtime::Runtime,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Client ids and secrets, as they were registered.
    pub(crate) demo: Credentials,
    pub(crate) orders: Credentials,
    pub(crate) stranger: Credentials,
}

#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Asserts an error of RFC 6749 §5.2.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.json()["error"].as_str()),
            (status, Some(code)),
            "{self:?}"
        );
        assert!(self.json()["error_description"].is_string(), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert!(self.header("x-request-id").is_some(), "{self:?}");
    }
}

impl Service {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(configure: impl FnOnce(&mut ApiConfig)) -> Self {
        Self::audited_by(Arc::new(NoAudit), configure)
    }

    pub(crate) fn audited_by(
        audit: Arc<dyn AuditSink>,
        configure: impl FnOnce(&mut ApiConfig),
    ) -> Self {
        let hand = Arc::new(AtomicU64::new(1_800_000_000_000));
        let clock = Clock::manual(Arc::clone(&hand));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let issuer = runtime.block_on(open(&clock));
        let mut config = defaults();
        configure(&mut config);
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry, &tollgate_api::route_templates()).unwrap();
        let parts = ApiParts {
            issuer: Arc::clone(&issuer),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            audit,
            health: Arc::new(HealthRegistry::new()),
            registry: registry.clone(),
        };
        let api = Api::new(parts, &config).unwrap();
        let server = ServerConfig {
            threads: 2,
            trusted_proxies: config.trusted_proxies.clone(),
            drain_timeout: Duration::from_millis(100),
            ..ServerConfig::default()
        };
        let server = Server::bind(server, &["127.0.0.1:0".parse().unwrap()], metrics).unwrap();
        let address = server.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let _ = runtime.block_on(server.run(api, async {
                let _ = stopped.await;
            }));
        });
        let create = |id: &str, serves: &[&str], format| {
            runtime.block_on(create(&issuer, &clock, id, serves, format))
        };
        let demo = create("demo", &[], None);
        let orders = create("orders", &[ORDERS], None);
        let stranger = create("stranger", &[], Some(TokenFormat::Opaque));
        let (stop, thread) = (Some(stop), Some(thread));
        Self {
            address,
            issuer,
            registry,
            hand,
            runtime,
            stop,
            thread,
            demo,
            orders,
            stranger,
        }
    }

    /// Moves the wall clock by so many seconds.
    pub(crate) fn step_clock(&self, seconds: i64) {
        let millis = self.hand.load(Ordering::Relaxed);
        self.hand.store(
            millis.saturating_add_signed(seconds * 1000),
            Ordering::Relaxed,
        );
    }

    /// Asks the issuer directly, as an administrator would.
    pub(crate) fn administer<T>(
        &self,
        work: impl AsyncFnOnce(&Issuer<GatedStore>, &Context<'_>) -> T,
    ) -> T {
        let clock = Clock::manual(Arc::clone(&self.hand));
        let context = Context {
            now: clock.now(),
            entropy: &SystemEntropy,
        };
        self.runtime.block_on(work(&self.issuer, &context))
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        Self::without_body(agent().get(self.url(path)), headers)
    }

    pub(crate) fn options(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        Self::without_body(agent().options(self.url(path)), headers)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn without_body(
        mut request: ureq::RequestBuilder<ureq::typestate::WithoutBody>,
        headers: &[(&str, &str)],
    ) -> Answer {
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.call())
    }

    /// Posts a form, authenticated as `client`.
    pub(crate) fn post(&self, path: &str, client: &Credentials, form: &[(&str, &str)]) -> Answer {
        self.post_raw(path, &[("authorization", &basic(client))], &encode(form))
    }

    /// Posts a form body as it is.
    pub(crate) fn post_raw(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let typed = [("content-type", "application/x-www-form-urlencoded")];
        self.send(path, &[&typed, headers].concat(), body)
    }

    pub(crate) fn post_json(&self, path: &str, client: &Credentials, body: &str) -> Answer {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &basic(client)),
        ];
        self.send(path, &headers, body)
    }

    pub(crate) fn send(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = agent().post(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.send(body))
    }

    pub(crate) fn access_token(&self, client: &Credentials) -> String {
        let answer = self.post(
            "/oauth/token",
            client,
            &[("grant_type", "client_credentials")],
        );
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn one_time_token(&self, client: &Credentials, form: &[(&str, &str)]) -> String {
        let answer = self.post("/oauth/ott", client, form);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn introspect(&self, client: &Credentials, token: &str) -> Value {
        let answer = self.post("/oauth/introspect", client, &[("token", token)]);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) fn is_active(&self, client: &Credentials, token: &str) -> bool {
        self.introspect(client, token)["active"].as_bool().unwrap()
    }

    pub(crate) fn validate(&self, token: &str, query: &str, headers: &[(&str, &str)]) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [&[("authorization", bearer.as_str())], headers].concat();
        self.get(&format!("/oauth/validate{query}"), &headers)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Bounds that no test reaches by accident.
fn defaults() -> ApiConfig {
    ApiConfig {
        overload: OverloadLimits {
            in_flight_max: 100,
            queue_max: 100,
            queue_wait: Duration::from_millis(100),
        },
        rules: Vec::new(),
        failures: FailureLimit {
            quota: Quota::new(100, 0.001).unwrap(),
        },
        routes: Vec::new(),
        cors_origins: vec!["https://app.example.com".to_owned()],
        jwks_max_age: Duration::from_secs(900),
        body_bytes_max: 65_536,
        trusted_proxies: TrustedProxies::default(),
    }
}

async fn open(clock: &Clock) -> Arc<Issuer<GatedStore>> {
    let settings = Settings {
        issuer: ISSUER.to_owned(),
        access_format: TokenFormat::Jwt,
        access_ttl: Duration::from_secs(3600),
        one_time_ttl: Duration::from_secs(120),
        active_max: 10_000,
        cache_entries_max: 1000,
        cache_ttl: Duration::from_secs(300),
        keys: KeyPolicy {
            signing_alg: Algorithm::ES256,
            rotate_every: Duration::from_secs(90 * 86400),
            publish_ahead: Duration::from_secs(86400),
            retain_after: Duration::from_secs(86400),
        },
    };
    let context = Context {
        now: clock.now(),
        entropy: &SystemEntropy,
    };
    let master = MasterKey::generate(&SystemEntropy).unwrap();
    let issuer = Issuer::open(GatedStore::new(), settings, master, &context).await;
    Arc::new(issuer.unwrap())
}

async fn create(
    issuer: &Issuer<GatedStore>,
    clock: &Clock,
    id: &str,
    serves: &[&str],
    token_format: Option<TokenFormat>,
) -> Credentials {
    let context = Context {
        now: clock.now(),
        entropy: &SystemEntropy,
    };
    let resources =
        |list: &[&str]| Resources::new(list.iter().map(|one| one.parse().unwrap())).unwrap();
    let new = NewClient {
        scope: "orders:read orders:write".parse().unwrap(),
        audiences: if id == "demo" {
            resources(&[ORDERS, BILLING])
        } else {
            resources(&[])
        },
        serves: resources(serves),
        token_format,
        ..NewClient::new(id.parse().unwrap())
    };
    let created = issuer.create_client(new, &context).await.unwrap();
    let secret = created.secret.unwrap().expose().to_owned();
    Credentials {
        id: id.to_owned(),
        secret,
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    config
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into()
}

fn answer(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut answer = answer.unwrap();
    Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: answer.body_mut().read_to_string().unwrap(),
    }
}

pub(crate) fn basic(client: &Credentials) -> String {
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", client.id, client.secret))
    )
}

/// A form body, every byte that could matter percent-encoded.
pub(crate) fn encode(form: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        let escaped = text.bytes().map(|byte| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'-' | b'.' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        });
        escaped.collect::<String>()
    };
    let pairs = form
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}
