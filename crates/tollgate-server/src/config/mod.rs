//! The configuration: flags, environment, file, profile and defaults merged into one value, or a
//! list of what is wrong, each with its key, its place and what is allowed.
//!
//! Each section is one file: a table of its keys and the struct that they fill. `key.rs` says what
//! a key can be; `render.rs` and `schema.rs` write the tables out for people and for editors.

mod admin;
mod audit;
mod batch;
mod cache;
mod cleanup;
mod cors;
mod document;
mod identity;
mod key;
mod layers;
mod log;
mod overload;
mod problem;
mod profile;
mod rate_limit;
mod reader;
mod render;
mod routes;
mod schema;
mod secret;
mod server;
mod signing_keys;
mod store;
mod telemetry;
mod tokens;
mod value;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::Zeroizing;

pub(crate) use self::{
    admin::Admin,
    audit::Audit,
    batch::Batch,
    cache::Cache,
    cleanup::Cleanup,
    cors::Cors,
    identity::Identity,
    layers::Flag,
    log::{Log, LogFormat},
    overload::Overload,
    problem::Problems,
    rate_limit::{Quota, RateLimit, Rule},
    render::{defaults, effective, show},
    routes::Route,
    schema::schema,
    server::Server,
    signing_keys::{MasterKeySource, SigningKeys},
    store::{Durability, Store},
    telemetry::Telemetry,
    tokens::Tokens,
};
use self::{
    key::Key,
    layers::Layers,
    problem::{Origin, Problem},
    reader::Reader,
    value::Raw,
};
use crate::bounded;

/// The largest configuration file, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The whole configuration, checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) identity: Identity,
    pub(crate) server: Server,
    pub(crate) admin: Admin,
    pub(crate) overload: Overload,
    pub(crate) store: Store,
    pub(crate) batch: Batch,
    pub(crate) cache: Cache,
    pub(crate) cleanup: Cleanup,
    pub(crate) tokens: Tokens,
    pub(crate) keys: SigningKeys,
    pub(crate) rate_limit: RateLimit,
    pub(crate) routes: Vec<Route>,
    pub(crate) cors: Cors,
    pub(crate) log: Log,
    pub(crate) telemetry: Telemetry,
    pub(crate) audit: Audit,
}

/// Whether the server runs for development on the machine of its developer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The issuer follows the listener, and everything is on loopback.
    Development,
    /// The issuer is configured.
    Production,
}

/// Where a configuration comes from.
pub(crate) struct Sources {
    /// The file, if any.
    pub(crate) file: Option<PathBuf>,
    /// Every environment variable, without a value where that is not UTF-8; those that are not ours
    /// are passed over. Some are secrets.
    pub(crate) environment: Vec<(String, Option<Zeroizing<String>>)>,
    /// What flags set.
    pub(crate) flags: Vec<Flag>,
    /// What it is for.
    pub(crate) mode: Mode,
}

/// A configuration and where each of its values was set.
pub(crate) struct Loaded {
    pub(crate) config: Config,
    layers: Layers,
}

impl Sources {
    /// The sources of this process.
    pub(crate) fn of_process(file: Option<PathBuf>, flags: Vec<Flag>, mode: Mode) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            let value = value.into_string().ok().map(Zeroizing::new);
            Some((name.into_string().ok()?, value))
        };
        Self {
            file,
            environment: std::env::vars_os().filter_map(text).collect(),
            flags,
            mode,
        }
    }

    /// Reads, merges and checks.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once.
    pub(crate) fn load(self) -> Result<Loaded, Problems> {
        let file = self.file.as_deref().map(ConfigFile::read);
        let mut layers = self.layers(None, file.as_ref());
        if let Some(Raw::Text(profile)) = layers.setting("profile").map(|set| set.raw.clone()) {
            layers = self.layers(Some(&profile), file.as_ref());
        }
        layers.flags(self.flags);
        if layers
            .problems
            .iter()
            .any(|problem| problem.key == problem::FILE)
        {
            // What it would have set is not missing.
            return Err(Problems(layers.problems));
        }
        let config = Config::read(&mut Reader(&mut layers), self.mode);
        if layers.problems.is_empty() {
            Ok(Loaded { config, layers })
        } else {
            layers.problems.sort_by_key(Problem::line);
            Err(Problems(layers.problems))
        }
    }

    /// Everything but the flags, none of which sets the profile.
    fn layers(&self, profile: Option<&str>, file: Option<&ConfigFile>) -> Layers {
        let mut layers = Layers::default();
        layers.defaults();
        if let Some(profile) = profile {
            layers.profile(profile);
        }
        if let Some(file) = file {
            match &file.text {
                Ok(text) => layers.file(&file.path, text),
                Err(problem) => layers.problems.push(problem.clone()),
            }
        }
        layers.environment(&self.environment);
        layers
    }
}

/// The configuration file as it was read, once: a pipe would be empty the second time, and an
/// editor may write in between.
struct ConfigFile {
    path: Arc<Path>,
    text: Result<String, Problem>,
}

impl ConfigFile {
    fn read(path: &Path) -> Self {
        let path: Arc<Path> = Arc::from(path);
        let read = || {
            let content = bounded::read_file(&path, FILE_BYTES_MAX)?;
            bounded::text(&content).map(str::to_owned)
        };
        let text = read().map_err(|error| Problem {
            key: problem::FILE.to_owned(),
            origin: Origin::File(Arc::clone(&path), 1),
            what: error.to_string(),
            allowed: "the path of a readable TOML file of at most 1 MiB".to_owned(),
        });
        Self { path, text }
    }
}

impl Config {
    fn read(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let config = Self {
            identity: Identity::read(reader, mode),
            server: Server::read(reader),
            admin: Admin::read(reader),
            overload: Overload::read(reader),
            store: Store::read(reader),
            batch: Batch::read(reader),
            cache: Cache::read(reader),
            cleanup: Cleanup::read(reader),
            tokens: Tokens::read(reader),
            keys: SigningKeys::read(reader),
            rate_limit: RateLimit::read(reader),
            routes: routes::read(reader),
            cors: Cors::read(reader),
            log: Log::read(reader),
            telemetry: Telemetry::read(reader),
            audit: Audit::read(reader),
        };
        config.check_listeners(reader, mode);
        config
    }

    fn check_listeners(&self, reader: &mut Reader<'_>, mode: Mode) {
        let (public, admin) = (self.server.listen, self.admin.listen);
        if public == admin && public.port() != 0 {
            let what = format!("{admin} is the public listener already");
            reader.refuse(
                "admin.listen",
                what,
                "another address or port than server.listen",
            );
        }
        if mode == Mode::Production {
            return;
        }
        for (name, address) in [("server.listen", public), ("admin.listen", admin)] {
            if !address.ip().is_loopback() {
                let what = format!("with --dev {address} would be open to others");
                reader.refuse(
                    name,
                    what,
                    "a loopback address; or drop --dev and set issuer",
                );
            }
        }
    }
}

/// Every key, section by section.
fn keys() -> impl Iterator<Item = &'static Key> {
    [
        identity::KEYS,
        server::KEYS,
        admin::KEYS,
        overload::KEYS,
        store::KEYS,
        batch::KEYS,
        cache::KEYS,
        cleanup::KEYS,
        tokens::KEYS,
        signing_keys::KEYS,
        rate_limit::KEYS,
        routes::KEYS,
        cors::KEYS,
        log::KEYS,
        telemetry::KEYS,
        audit::KEYS,
    ]
    .into_iter()
    .flatten()
}

/// The word of `words` that `text` was probably meant to be.
fn suggest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |word: &str| strsim::normalized_damerau_levenshtein(text, word);
    words
        .filter(|word| likeness(word) >= 0.6)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}
