//! The parts of the service, put together: store, issuer, public API, management API, listeners.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use tokio::sync::watch;
use tollgate_api::{
    Api, ApiParts, Clock, SystemEntropy,
    admin::{AdminHandler, AdminParts, AdminState, AdminToken, ROUTE_TEMPLATES, RunToTheEnd},
    audit::{AuditEvent, AuditSink, NoAudit},
    route_templates,
};
use tollgate_issuer::{Context, Issuer, MasterKey, Settings, backup::end_every_token};
use tollgate_store::Store as _;
use tollgate_web::{
    Drained, HealthRegistry, HttpMetrics, Server, TlsReloader, TrustedProxies, metrics::Registry,
};

use super::{
    backend::Backend,
    background,
    clock_file::ClockFile,
    data_dir::{DataDir, reachable},
    dev, health,
    observed::Observed,
    scrape::Scraped,
    settings,
    signals::ended,
};
use crate::{
    audit::{AuditLog, CONTINUED},
    cli::{Failure, output},
    config::{self, Config, Loaded, Mode},
    private_file::DemoFile,
    telemetry::Traces,
};

/// The service, ready to run.
pub(super) struct Assembly {
    config: Config,
    issuer: Arc<Issuer<Backend>>,
    clock: Clock,
    clock_file: ClockFile,
    audit: Arc<dyn AuditSink>,
    /// The same, if it is a file.
    log: Option<Arc<AuditLog>>,
    public: (Server, Arc<Api<Backend>>),
    admin: (Server, AdminHandler),
    addresses: Addresses,
    demo: Option<DemoFile>,
    traces: Option<Traces>,
}

/// Where the listeners are, and what the public one calls itself.
struct Addresses {
    public: SocketAddr,
    admin: SocketAddr,
    scheme: &'static str,
    issuer: String,
}

/// What is left to do at the very end.
pub(super) struct Closer(Arc<Issuer<Backend>>);

/// What SIGHUP reaches.
pub(super) struct Reloader {
    tls: Option<TlsReloader>,
    audit: Option<Arc<AuditLog>>,
    clock: Clock,
}

impl Assembly {
    /// Opens the store, binds the listeners and puts everything together; nothing is served yet.
    ///
    /// # Errors
    ///
    /// When any part refuses; which one, says the error.
    pub(super) async fn open(
        loaded: Loaded,
        data: DataDir,
        mode: Mode,
        log: Option<Arc<AuditLog>>,
        traces: Option<Traces>,
    ) -> anyhow::Result<Self> {
        let effective = config::effective(&loaded);
        let config = loaded.config;
        let registry = Registry::new();
        registry.process_metrics()?;
        // The store locks the directory; whatever is written into it comes after.
        let store = Backend::open(&config, &registry, traces.clone())?;
        let metrics = http_metrics(&registry)?;
        let public = bind(
            settings::public_server(&config),
            config.server.listen,
            &metrics,
        )?;
        let admin = bind(
            settings::admin_server(&config),
            config.admin.listen,
            &metrics,
        )?;
        let addresses = Addresses::of(&public, &admin, &config)?;

        let master = data.master_key(&config.keys.master, &store).await?;
        let clock_file = data.clock_file();
        let clock = set_clock(&store, &clock_file).await?;
        let context = Context {
            now: clock.now(),
            entropy: &SystemEntropy,
        };
        let told = settings::issuer(&config, addresses.issuer.clone());
        let (issuer, kids) = open_issuer(store, told, master, &context).await?;
        let (audit, checks) = audit_and_checks(log.as_ref(), &issuer, &clock);
        background::tell_keys(&*audit, &issuer, &context, &kids);
        let parts = ApiParts {
            issuer: Arc::clone(&issuer),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            audit: Arc::clone(&audit),
            health: Arc::new(checks),
            registry: registry.clone(),
        };
        let api = Arc::new(Api::new(parts, &settings::api(&config)?)?);
        let token = data.admin_token()?;
        let parts = AdminParts {
            token: AdminToken::new(&token)?,
            registry,
            version: env!("CARGO_PKG_VERSION"),
            store: "embedded",
            config: effective,
        };
        let handler = AdminHandler::new(AdminState::new(Arc::clone(&api), parts), admin_routes());
        let demo = match mode {
            Mode::Development => {
                Some(dev::demo_client(&issuer, &data.demo_file(), &context).await?)
            }
            Mode::Production => None,
        };
        data.write_admin(addresses.admin, token)?;
        Ok(Self {
            config,
            issuer,
            clock,
            clock_file,
            audit,
            log,
            public: (public, api),
            admin: (admin, handler),
            addresses,
            demo,
            traces,
        })
    }

    /// Says where the listeners are; in development also what to do with them.
    ///
    /// # Errors
    ///
    /// When stdout is closed.
    pub(super) fn announce(&self) -> Result<(), Failure> {
        let Addresses {
            public,
            admin,
            issuer,
            scheme,
        } = &self.addresses;
        tracing::info!(%public, %admin, issuer, version = env!("CARGO_PKG_VERSION"), "serving");
        if !admin.ip().is_loopback() {
            tracing::warn!(%admin, "the management listener is in the clear and not on loopback");
        }
        let (public, admin) = (reachable(*public), reachable(*admin));
        output::line(&format!("issuer         {issuer}"))?;
        output::line(&format!("public         {scheme}://{public}"))?;
        output::line(&format!("admin          http://{admin}"))?;
        match &self.demo {
            Some(demo) => dev::print(&format!("{scheme}://{public}"), demo),
            None => Ok(()),
        }
    }

    /// What closes the store once nothing is served any more.
    pub(super) fn closer(&self) -> Closer {
        Closer(Arc::clone(&self.issuer))
    }

    pub(super) fn reloader(&self) -> Reloader {
        Reloader {
            tls: self.public.0.tls_reloader(),
            audit: self.log.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Serves until `end` says so, and finishes what is in flight then.
    ///
    /// # Errors
    ///
    /// When a listener cannot be served.
    pub(super) async fn run(self, end: watch::Receiver<bool>) -> anyhow::Result<()> {
        let tasks = [
            tokio::spawn(background::keys(
                Arc::clone(&self.issuer),
                self.clock.clone(),
                self.audit,
            )),
            tokio::spawn(background::cleanup(
                Arc::clone(&self.issuer),
                self.clock.clone(),
                self.config.cleanup,
            )),
            tokio::spawn(background::clock(self.clock, self.clock_file)),
        ];
        let (server, api) = self.public;
        let trusted = TrustedProxies::new(self.config.server.trusted_proxies);
        let traces = self.traces.map(|traces| (traces, trusted));
        let public = server.run(
            Observed::new(api, all_routes(), traces.clone()),
            ended(end.clone()),
        );
        let (server, inner) = self.admin;
        let handler = Scraped {
            inner,
            issuer: self.issuer,
        };
        let admin = server.run(
            // Outermost, so that what is logged and traced of a change belongs to its request.
            RunToTheEnd::new(Observed::new(handler, all_routes(), traces)),
            ended(end),
        );
        let drained = tokio::try_join!(public, admin);
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        let (public, admin) = drained?;
        let Drained {
            connections_aborted,
        } = public;
        let aborted = connections_aborted.saturating_add(admin.connections_aborted);
        if aborted > 0 {
            tracing::warn!(aborted, "connections were cut off at server.drain_timeout");
        }
        Ok(())
    }
}

impl Addresses {
    fn of(public: &Server, admin: &Server, config: &Config) -> anyhow::Result<Self> {
        let public = public
            .local_addr()
            .context("the public listener has no address")?;
        let admin = admin
            .local_addr()
            .context("the management listener has no address")?;
        let scheme = if config.server.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let issuer = match &config.identity.issuer {
            Some(issuer) => issuer.clone(),
            None => format!("{scheme}://{}", reachable(public)),
        };
        Ok(Self {
            public,
            admin,
            scheme,
            issuer,
        })
    }
}

impl Closer {
    /// Writes what is left and lets go of the files.
    ///
    /// # Errors
    ///
    /// When the disk did not take the last writes; none of them was acknowledged.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.0
            .store()
            .close()
            .await
            .context("failed to close the store")
    }
}

impl Reloader {
    /// Reads the TLS files again; bad ones leave the old ones in place.
    pub(super) fn tls(&self) {
        match self.tls.as_ref().map(TlsReloader::reload) {
            None => {}
            Some(Ok(())) => tracing::info!("took the TLS files"),
            Some(Err(error)) => tracing::error!(%error, "kept the old TLS files"),
        }
    }

    /// Goes on in a new audit log if the present one was moved away.
    pub(super) fn audit(&self) {
        if let Some(audit) = &self.audit {
            audit.reopen(&AuditEvent::new(self.clock.now().wall, CONTINUED));
        }
    }
}

/// The issuer, and the ids of the signing keys that were there before it.
async fn open_issuer(
    store: Backend,
    told: Settings,
    master: MasterKey,
    context: &Context<'_>,
) -> anyhow::Result<(Arc<Issuer<Backend>>, Vec<String>)> {
    let ring = store.key_ring().await.context("failed to read the store")?;
    let kids = ring.keys.into_iter().map(|key| key.kid).collect();
    let issuer = Issuer::open(store, told, master, context).await;
    let issuer = issuer.context("failed to open the token service")?;
    Ok((Arc::new(issuer), kids))
}

/// The clock, set to no earlier than it was ever seen on this directory.
///
/// # Security
///
/// Where nobody knows what time it was, which tokens have expired is not known either, nor which
/// revocations were forgotten with them: none of them counts any more.
async fn set_clock(store: &Backend, file: &ClockFile) -> anyhow::Result<Clock> {
    let failed = "failed to set the clock by the store";
    let clock = Clock::system();
    let clock = match file.read()? {
        Some(noted) => {
            let cut = store.latest_cut().await.context(failed)?;
            let earliest = ClockFile::earliest(noted, clock.now().wall);
            clock.not_before(earliest.max(cut.unwrap_or_default()))
        }
        None => {
            if !store.key_ring().await.context(failed)?.keys.is_empty() {
                tracing::warn!("the time of before is not noted: every token issued so far ends");
                let context = Context {
                    now: clock.now(),
                    entropy: &SystemEntropy,
                };
                let ended = end_every_token(store, &context).await;
                ended.context("failed to end the tokens of before")?;
            }
            clock
        }
    };
    background::note_time(&clock, file);
    Ok(clock)
}

fn bind(
    config: tollgate_web::ServerConfig,
    address: SocketAddr,
    metrics: &HttpMetrics,
) -> anyhow::Result<Server> {
    Ok(Server::bind(config, &[address], metrics.clone())?)
}

/// Requests of both listeners are counted together; a path that both have gets a name for each.
fn http_metrics(registry: &Registry) -> anyhow::Result<HttpMetrics> {
    let public = route_templates();
    let admin = ROUTE_TEMPLATES.map(|template| match public.contains(&template) {
        true => format!("admin:{template}"),
        false => template.to_owned(),
    });
    let routes: Vec<&str> = public
        .iter()
        .copied()
        .chain(admin.iter().map(String::as_str))
        .collect();
    Ok(HttpMetrics::register(registry, &routes)?)
}

/// The path templates of both listeners, in the order in which requests are counted by them.
fn all_routes() -> Vec<&'static str> {
    let public = route_templates().into_iter();
    public.chain(ROUTE_TEMPLATES).collect()
}

/// The place of the first management route among all.
fn admin_routes() -> u16 {
    u16::try_from(route_templates().len()).unwrap_or(u16::MAX)
}

fn audit_and_checks(
    audit: Option<&Arc<AuditLog>>,
    issuer: &Arc<Issuer<Backend>>,
    clock: &Clock,
) -> (Arc<dyn AuditSink>, HealthRegistry) {
    let checks = HealthRegistry::new();
    health::store(&checks, issuer);
    health::signing_keys(&checks, issuer, clock);
    health::clock(&checks, clock);
    match audit {
        Some(audit) => {
            health::audit(&checks, audit);
            (Arc::clone(audit) as Arc<dyn AuditSink>, checks)
        }
        None => (Arc::new(NoAudit), checks),
    }
}
