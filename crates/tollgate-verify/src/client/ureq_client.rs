//! The default HTTP client: rustls with aws-lc-rs, no redirects, addresses judged as resolved.

use std::fmt;
use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Uri;
use http::header::LOCATION;
use rustls::RootCertStore;
use ureq::config::Config;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Proxy};

use super::address::AddressPolicy;
use super::http::{FetchError, FetchRequest, FetchResponse, HttpClient};
use super::redirect::{is_redirect, next_url};
use super::retry::retry_after;

/// Longer than anybody waits, and short enough to be added to any time.
const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The default [`HttpClient`].
pub struct DefaultHttpClient {
    agent: Agent,
    addresses: AddressPolicy,
    redirects_max: u32,
}

/// Settings of the [`DefaultHttpClient`]. Times longer than a day count as a day.
#[non_exhaustive]
pub struct HttpSettings {
    /// Which addresses may be asked.
    pub addresses: AddressPolicy,
    /// DER certificates to trust instead of the public roots.
    pub roots: Option<Vec<Vec<u8>>>,
    /// Proxy URL, for example `http://proxy.example:3128`. The environment is not consulted. The
    /// proxy then resolves names, so the address policy applies to the proxy itself and to URLs with
    /// an address in place of a name.
    pub proxy: Option<String>,
    /// How many redirects of a GET without credentials are followed; none by default. Each leads
    /// to https, or from loopback to loopback, and to addresses that may be asked.
    pub redirects_max: u32,
    /// Time for a connection to be there, within the time for the whole request.
    pub connect_timeout: Duration,
    /// Idle connections kept, in all and for one host.
    pub idle_connections_max: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What stands before the host may be a user and a password.
        let host = |proxy: &String| match proxy.rsplit_once('@') {
            Some((_, host)) => host.to_owned(),
            None => proxy.clone(),
        };
        f.debug_struct("HttpSettings")
            .field("addresses", &self.addresses)
            .field("roots", &self.roots.as_ref().map(Vec::len))
            .field("proxy", &self.proxy.as_ref().map(host))
            .field("redirects_max", &self.redirects_max)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_connections_max", &self.idle_connections_max)
            .field("idle_timeout", &self.idle_timeout)
            .finish()
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            addresses: AddressPolicy::default(),
            roots: None,
            proxy: None,
            redirects_max: 0,
            connect_timeout: Duration::from_secs(5),
            idle_connections_max: 10,
            idle_timeout: Duration::from_secs(15),
        }
    }
}

impl DefaultHttpClient {
    /// A client.
    ///
    /// # Errors
    /// [`FetchError::Invalid`] for an unusable proxy URL or root certificate.
    pub fn new(settings: HttpSettings) -> Result<Self, FetchError> {
        let proxy = settings.proxy.as_deref().map(Proxy::new).transpose();
        let proxy = proxy.map_err(|_| FetchError::Invalid("proxy URL"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
        if let Some(roots) = settings.roots {
            // One that cannot be read would be left out, and nothing would be trusted in its place.
            let mut store = RootCertStore::empty();
            for der in &roots {
                let added = store.add(der.as_slice().into());
                added.map_err(|_| FetchError::Invalid("root certificate"))?;
            }
            let certificates: Vec<Certificate<'static>> = roots
                .iter()
                .map(|der| Certificate::from_der(der).to_owned())
                .collect();
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(tls.build())
            .timeout_connect(Some(settings.connect_timeout.min(TIME_MAX)))
            .max_idle_connections(settings.idle_connections_max)
            .max_idle_connections_per_host(settings.idle_connections_max)
            .max_idle_age(settings.idle_timeout.min(TIME_MAX))
            .user_agent(concat!("tollgate-verify/", env!("CARGO_PKG_VERSION")))
            .build();
        let resolver = JudgingResolver {
            inner: DefaultResolver::default(),
            policy: settings.addresses,
        };
        Ok(Self {
            agent: Agent::with_parts(config, DefaultConnector::default(), resolver),
            addresses: settings.addresses,
            redirects_max: settings.redirects_max,
        })
    }

    /// Sends a GET, and follows where it leads as often as allowed.
    fn get(&self, request: &FetchRequest) -> Result<http::Response<ureq::Body>, FetchError> {
        let deadline = Instant::now() + request.timeout.min(TIME_MAX);
        let is_anonymous = request.authorization.is_none();
        let mut left = if is_anonymous { self.redirects_max } else { 0 };
        let mut url = self.judged(&request.url)?;
        loop {
            let mut get = self.agent.get(&url).header("accept", request.accept);
            if let Some(authorization) = &request.authorization {
                get = get.header("authorization", authorization.as_str());
            }
            let timeout = deadline.saturating_duration_since(Instant::now());
            let sent = get.config().timeout_global(Some(timeout)).build().call();
            let response = sent.map_err(|error| describe(&error))?;
            let location = response.headers().get(LOCATION);
            match location.and_then(|location| location.to_str().ok()) {
                Some(location) if left > 0 && is_redirect(response.status()) => {
                    url = self.judged(&next_url(&url, location)?.to_string())?;
                    left -= 1;
                }
                _ => return Ok(response),
            }
        }
    }

    /// The URL, unless its very text says that it may not be asked.
    fn judged(&self, url: &str) -> Result<Uri, FetchError> {
        let url: Uri = url.parse().map_err(|_| FetchError::AddressRefused)?;
        if url
            .host()
            .is_some_and(|host| self.addresses.allows_host(host))
        {
            Ok(url)
        } else {
            Err(FetchError::AddressRefused)
        }
    }

    fn post(
        &self,
        request: &FetchRequest,
        body: &str,
        content_type: &str,
    ) -> Result<http::Response<ureq::Body>, FetchError> {
        let mut post = self
            .agent
            .post(self.judged(&request.url)?)
            .header("accept", request.accept);
        if let Some(authorization) = &request.authorization {
            post = post.header("authorization", authorization.as_str());
        }
        let sent = post
            .config()
            .timeout_global(Some(request.timeout.min(TIME_MAX)))
            .build()
            .content_type(content_type)
            .send(body);
        sent.map_err(|error| describe(&error))
    }
}

impl fmt::Debug for DefaultHttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DefaultHttpClient")
    }
}

impl HttpClient for DefaultHttpClient {
    fn fetch(&self, request: &FetchRequest) -> Result<FetchResponse, FetchError> {
        const FORM: &str = "application/x-www-form-urlencoded";
        let response = match (&request.form, &request.json) {
            (Some(form), _) => self.post(request, form, FORM)?,
            (None, Some(json)) => self.post(request, json, "application/json")?,
            (None, None) => self.get(request)?,
        };
        read(response, request.bytes_max)
    }
}

fn read(
    response: http::Response<ureq::Body>,
    bytes_max: usize,
) -> Result<FetchResponse, FetchError> {
    let (head, body) = response.into_parts();
    let header = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
    // One list, however many lines it is spread over (RFC 9110 §5.2).
    let directives = head.headers.get_all("cache-control").iter();
    let directives: Vec<&str> = directives.filter_map(|line| line.to_str().ok()).collect();
    let seconds = |name: &str| header(name)?.trim().parse::<u64>().ok();
    // One byte more than allowed tells a body that fits from one that was cut.
    let limit = u64::try_from(bytes_max)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut bytes = Vec::new();
    let mut reader = body.into_with_config().limit(u64::MAX).reader().take(limit);
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| FetchError::Failed(error.to_string().into()))?;
    if bytes.len() > bytes_max {
        return Err(FetchError::TooLarge);
    }
    Ok(FetchResponse {
        status: head.status.as_u16(),
        cache_control: (!directives.is_empty()).then(|| directives.join(", ")),
        age_seconds: seconds("age"),
        content_type: header("content-type"),
        retry_after: header("retry-after")
            .and_then(|value| retry_after(&value, header("date").as_deref())),
        body: bytes,
    })
}

fn describe(error: &ureq::Error) -> FetchError {
    match error {
        ureq::Error::Timeout(_) => FetchError::TimedOut,
        ureq::Error::HostNotFound => FetchError::AddressRefused,
        other => FetchError::Failed(other.to_string().into()),
    }
}

/// Resolves names and leaves out the addresses that may not be asked. The connection is made to
/// an address judged here, so a name cannot resolve to another one in between.
#[derive(Debug)]
struct JudgingResolver {
    inner: DefaultResolver,
    policy: AddressPolicy,
}

impl Resolver for JudgingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let resolved = self.inner.resolve(uri, config, timeout)?;
        let host = uri.host().unwrap_or_default();
        let mut allowed = self.empty();
        for address in resolved
            .iter()
            .filter(|address| self.policy.allows(host, address.ip()))
        {
            allowed.push(*address);
        }
        if allowed.is_empty() {
            Err(ureq::Error::HostNotFound)
        } else {
            Ok(allowed)
        }
    }
}
