//! The data directory: what stands in it beside the store, all for its owner alone.

use std::{
    fs::{self, DirBuilder},
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tollgate_api::SystemEntropy;
use tollgate_issuer::MasterKey;
use tollgate_protocol::entropy::random;
use tollgate_store::Store;
use zeroize::Zeroizing;

use super::clock_file::ClockFile;
use crate::{
    bounded,
    config::MasterKeySource,
    private_file::{AdminFile, DemoFile, PrivateFile},
};

const MASTER_KEY: &str = "master.key";
const CLOCK: &str = "clock";
/// The longest file that is read as a master key, in bytes.
const MASTER_KEY_BYTES_MAX: usize = 4096;

/// The data directory of a server.
pub(super) struct DataDir(PathBuf);

impl DataDir {
    /// Makes the directory where it is missing.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("failed to make the directory {}", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    /// The master key: the configured one, or that of the directory, made at the first start.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written. Also when it is missing and the store has keys already:
    /// a new one would open none of them.
    pub(super) async fn master_key<S: Store>(
        &self,
        source: &MasterKeySource,
        store: &S,
    ) -> anyhow::Result<MasterKey> {
        match source {
            MasterKeySource::Inline(text) => Ok(MasterKey::parse(text.expose().as_bytes())
                .context("failed to read TOLLGATE_KEYS__MASTER_KEY")?),
            MasterKeySource::File(path) => read_master_key(path),
            MasterKeySource::DataDir => {
                let path = self.0.join(MASTER_KEY);
                if path.exists() {
                    return read_master_key(&path);
                }
                let ring = store.key_ring().await.context("failed to read the store")?;
                if !ring.keys.is_empty() {
                    bail!(
                        "{} is missing, and the signing keys in the store are sealed under it; \
                         put it back",
                        path.display()
                    );
                }
                make_master_key(&path)
            }
        }
    }

    /// The administrator's token: that of the last start, or a new one.
    ///
    /// # Errors
    ///
    /// When the file of the last start is malformed, or there is no randomness.
    pub(super) fn admin_token(&self) -> anyhow::Result<Zeroizing<String>> {
        let path = self.0.join(AdminFile::NAME);
        if path.exists() {
            return Ok(AdminFile::read(&path)?.token);
        }
        random_text()
    }

    /// Tells commands on this machine where the management listener is.
    ///
    /// # Errors
    ///
    /// When the disk does not take it.
    pub(super) fn write_admin(
        &self,
        address: SocketAddr,
        token: Zeroizing<String>,
    ) -> anyhow::Result<()> {
        let url = format!("http://{}", reachable(address));
        AdminFile { url, token }.write(&self.0.join(AdminFile::NAME))
    }

    /// Where the latest time is noted.
    pub(super) fn clock_file(&self) -> ClockFile {
        ClockFile::new(self.0.join(CLOCK))
    }

    /// Where the demo client's secret is kept.
    pub(super) fn demo_file(&self) -> PathBuf {
        self.0.join(DemoFile::NAME)
    }
}

/// 32 random bytes as text that may stand in headers.
pub(super) fn random_text() -> anyhow::Result<Zeroizing<String>> {
    let bytes = Zeroizing::new(random::<32>(&SystemEntropy)?);
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// A listener on every address is reached on loopback.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        match address {
            SocketAddr::V4(_) => address.set_ip([127, 0, 0, 1].into()),
            SocketAddr::V6(_) => address.set_ip(std::net::Ipv6Addr::LOCALHOST.into()),
        }
    }
    address
}

fn read_master_key(path: &Path) -> anyhow::Result<MasterKey> {
    let name = path.display();
    let meta = fs::metadata(path).with_context(|| format!("failed to read {name}"))?;
    if meta.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %name, "others than its owner may read the master key");
    }
    let content = bounded::read_file(path, MASTER_KEY_BYTES_MAX);
    let content = content.with_context(|| format!("failed to read {name}"))?;
    MasterKey::parse(&content).with_context(|| format!("failed to use {name}"))
}

fn make_master_key(path: &Path) -> anyhow::Result<MasterKey> {
    let master = MasterKey::generate(&SystemEntropy)?;
    let mut file = PrivateFile::create(path)?;
    file.writer().write_all(master.to_hex().as_bytes())?;
    file.writer().write_all(b"\n")?;
    file.finish()?;
    tracing::info!(path = %path.display(), "made the master key; keep a copy elsewhere");
    Ok(master)
}
