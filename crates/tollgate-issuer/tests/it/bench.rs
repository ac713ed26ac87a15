//! A workbench: issuers on a shared store, a clock moved by hand, randomness without surprise.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tollgate_issuer::{
    Context, Issuer, IssuerError, KeyPolicy, MasterKey, Settings, authenticate::Credentials,
    clients::NewClient, grant::TokenRequest, one_time::OneTimeRequest,
};
use tollgate_jose::{Algorithm, Compact, JwkSet, KeySet, Limits};
use tollgate_protocol::{
    ClientId, ClientSecret, Entropy, GrantType, Now, TokenFormat, UnixMillis, UnixSeconds,
    entropy::EntropyUnavailable,
};
use zeroize::Zeroizing;

use crate::store::SharedStore;

pub(crate) const START: u64 = 1_800_000_000;
pub(crate) const HOUR: u64 = 3600;
pub(crate) const DAY: u64 = 24 * HOUR;
/// How much longer than it must a key is published before it signs.
pub(crate) const SLACK: u64 = 1;

/// Numbers, scattered by multiplication; the same ones in each run.
pub(crate) struct Scattered(AtomicU64);

impl Entropy for Scattered {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        for byte in bytes {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            let scattered = count.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
            *byte = scattered.wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes()[0];
        }
        Ok(())
    }
}

/// The time in seconds, and the issuers that live in it.
pub(crate) struct Bench {
    pub(crate) store: SharedStore,
    pub(crate) settings: Settings,
    entropy: Scattered,
    seconds: AtomicU64,
    /// How far the wall clock is behind the one that never runs back.
    set_back_seconds: AtomicU64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let keys = KeyPolicy {
            signing_alg: Algorithm::ES256,
            rotate_every: Duration::from_secs(10 * DAY),
            publish_ahead: Duration::from_secs(DAY),
            retain_after: Duration::from_secs(HOUR),
        };
        let settings = Settings {
            issuer: "https://auth.example.com".into(),
            access_format: TokenFormat::Jwt,
            access_ttl: Duration::from_secs(HOUR),
            one_time_ttl: Duration::from_secs(120),
            active_max: 0,
            cache_entries_max: 1000,
            cache_ttl: Duration::from_secs(300),
            keys,
        };
        let (store, seconds) = (SharedStore::default(), AtomicU64::new(START));
        Self {
            store,
            settings,
            entropy: Scattered(AtomicU64::new(1)),
            seconds,
            set_back_seconds: AtomicU64::new(0),
        }
    }

    /// Another machine, at the same time: with a store and with random numbers of its own.
    pub(crate) fn elsewhere(&self) -> Self {
        let mut other = Self::new();
        other.entropy = Scattered(AtomicU64::new(1 << 32));
        other.set_now(self.now().0);
        other
    }

    pub(crate) fn context(&self) -> Context<'_> {
        let steady = self.now().0;
        let wall = steady - self.set_back_seconds.load(Ordering::Relaxed);
        Context {
            now: Now {
                wall: UnixMillis(wall * 1000),
                steady: UnixMillis(steady * 1000),
            },
            entropy: &self.entropy,
        }
    }

    pub(crate) fn now(&self) -> UnixSeconds {
        UnixSeconds(self.seconds.load(Ordering::Relaxed))
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sets the wall clock so far behind.
    pub(crate) fn set_wall_back(&self, seconds: u64) {
        self.set_back_seconds.store(seconds, Ordering::Relaxed);
    }

    pub(crate) fn set_now(&self, seconds: u64) {
        self.seconds.store(seconds, Ordering::Relaxed);
    }

    pub(crate) async fn open(&self) -> Issuer<SharedStore> {
        self.try_open(master(7)).await.unwrap()
    }

    pub(crate) async fn try_open(
        &self,
        master: MasterKey,
    ) -> Result<Issuer<SharedStore>, IssuerError> {
        let store = self.store.clone();
        Issuer::open(store, self.settings.clone(), master, &self.context()).await
    }

    /// Registers a client; its secret.
    pub(crate) async fn client(&self, issuer: &Issuer<SharedStore>, id: &str) -> ClientSecret {
        let new = NewClient {
            scope: "a b".parse().unwrap(),
            ..NewClient::new(self::id(id))
        };
        let created = issuer.create_client(new, &self.context()).await.unwrap();
        created.secret.unwrap()
    }

    pub(crate) async fn try_access_token(
        &self,
        issuer: &Issuer<SharedStore>,
        client: &str,
    ) -> Option<String> {
        let context = self.context();
        let client = issuer.find_client(&id(client), &context).await.unwrap()?;
        let request = TokenRequest::default();
        let grant = GrantType::ClientCredentials;
        let issued = issuer
            .grant(grant, &client, request, &context)
            .await
            .unwrap();
        Some(issued.token.to_string())
    }

    pub(crate) async fn access_token(&self, issuer: &Issuer<SharedStore>, client: &str) -> String {
        self.try_access_token(issuer, client).await.unwrap()
    }

    pub(crate) async fn one_time_token(
        &self,
        issuer: &Issuer<SharedStore>,
        client: &str,
        subject: &str,
    ) -> String {
        let context = self.context();
        let client = issuer
            .find_client(&id(client), &context)
            .await
            .unwrap()
            .unwrap();
        let request = OneTimeRequest {
            subject: Some(subject.parse().unwrap()),
            ..OneTimeRequest::default()
        };
        let issued = issuer
            .issue_one_time(&client, request, &context)
            .await
            .unwrap();
        issued.token.to_string()
    }

    pub(crate) async fn is_active(&self, issuer: &Issuer<SharedStore>, token: &str) -> bool {
        issuer
            .check_one(token, &self.context())
            .await
            .unwrap()
            .is_some()
    }

    pub(crate) async fn authenticates(
        &self,
        issuer: &Issuer<SharedStore>,
        client: &str,
        secret: &ClientSecret,
    ) -> bool {
        let credentials = Credentials::Secret {
            client_id: id(client),
            secret: secret.clone(),
        };
        issuer
            .authenticate(credentials, &self.context())
            .await
            .is_ok()
    }

    pub(crate) fn jwks(&self, issuer: &Issuer<SharedStore>) -> Jwks {
        let document = issuer.jwks(&self.context());
        Jwks(JwkSet::from_slice(&document.body).unwrap())
    }
}

/// A JWKS as a resource server holds it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Jwks(pub(crate) JwkSet);

impl Jwks {
    pub(crate) fn kids(&self) -> Vec<&str> {
        self.0.keys.iter().filter_map(|key| key.kid()).collect()
    }

    /// Whether a resource server with these keys takes the token's signature.
    pub(crate) fn verifies(&self, token: &str) -> bool {
        let (keys, refused) = KeySet::from_jwk_set(&self.0);
        assert!(refused.is_empty(), "{refused:?}");
        let token = Compact::parse(token, &Limits::default()).unwrap();
        let key = keys.find(token.header().algorithm(), token.header().kid());
        key.is_ok_and(|key| token.verify(key).is_ok())
    }
}

/// The `kid` that a token was signed under.
pub(crate) fn kid(token: &str) -> String {
    let token = Compact::parse(token, &Limits::default()).unwrap();
    token.header().kid().unwrap().to_owned()
}

pub(crate) fn id(text: &str) -> ClientId {
    text.parse().unwrap()
}

pub(crate) fn master(byte: u8) -> MasterKey {
    MasterKey::new(Zeroizing::new([byte; 32]))
}
