//! Backup and restore: what a backup carries, how it is known to be whole, what a restore kills.
//!
//! ```text
//! magic "TGBACKUP" | version u8 | length u64 | JSON of that length | SHA-256 | HMAC-SHA-256
//! ```
//!
//! Both sums go over everything before them. The first tells a damaged file from one that the
//! second refuses: made under another master key, or forged.
//!
//! A restore brings no token back, and asks no clock which ones it must not bring back: every client
//! comes back in a life of its own, in which no token was issued yet. Keys that were revoked here
//! stay revoked, and assertions that were used here stay used.

use aws_lc_rs::{digest, hmac};
use tollgate_protocol::{UnixSeconds, entropy::EntropyUnavailable};
use tollgate_store::{KeyRing, Snapshot, Store};

use crate::{AdminError, Context, Issuer, IssuerError, MasterKey, clients};

/// The longest backup, in bytes: what a restore takes.
pub const FILE_BYTES_MAX: usize = 1024 * 1024 * 1024;
const MAGIC: &[u8; 8] = b"TGBACKUP";
const VERSION: u8 = 1;
const HEAD_LEN: usize = MAGIC.len() + 1 + 8;
const SUM_LEN: usize = 32;
const LABEL: &str = "backup";

/// What a restore did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreReport {
    /// How many clients there are now.
    pub clients: usize,
    /// How many signing keys there are now, without those that were revoked.
    pub keys: usize,
    /// Every token issued before the restore is refused from now on: which of them were revoked or
    /// consumed since the backup is not known any more.
    pub tokens_refused_before: UnixSeconds,
}

/// Why a file is not restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// It does not begin like one.
    #[error("this is not a Tollgate backup")]
    NotABackup,
    /// It was written by a later Tollgate.
    #[error("the backup is of a later version than this Tollgate reads")]
    Version,
    /// Bytes are missing, changed or too many.
    #[error("the backup is damaged: its checksum does not match")]
    Damaged,
    /// It was sealed under another master key, or somebody changed it.
    #[error("the backup was made under another master key, or was tampered with")]
    OtherMasterKey,
    /// What it holds makes no sense here.
    #[error("the backup's contents cannot be read")]
    Contents,
}

impl From<BackupError> for AdminError {
    fn from(error: BackupError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl<S: Store> Issuer<S> {
    /// Everything that a backup carries, in one file: clients, sealed signing keys, used assertions.
    ///
    /// # Errors
    ///
    /// When the store does not answer, and [`AdminError::Invalid`] when the file would be longer than
    /// [`FILE_BYTES_MAX`].
    ///
    /// # Security
    ///
    /// Signing keys are sealed and secrets are hashed, both under the master key, which is *not* in
    /// the file. Keep the two apart.
    pub async fn backup(&self) -> Result<Vec<u8>, AdminError> {
        let snapshot = self.store.export().await?;
        let file = encode(&snapshot, self.keys.master())
            .map_err(|error| IssuerError::Corrupt(error.to_string()))?;
        restorable(file, FILE_BYTES_MAX)
    }

    /// Replaces everything by what `file` holds. No token issued before counts afterwards, and a
    /// key that was revoked here since the backup stays revoked.
    ///
    /// # Errors
    ///
    /// [`AdminError::Invalid`] when the file is not a whole backup made under this master key;
    /// nothing is changed then.
    ///
    /// # Security
    ///
    /// What else was changed since the backup is as the file has it: secrets that were rotated count
    /// again, clients that were disabled or deleted are back. On a new store nothing is known of keys
    /// that were revoked since the backup: they must be revoked again.
    pub async fn restore(
        &self,
        file: &[u8],
        context: &Context<'_>,
    ) -> Result<RestoreReport, AdminError> {
        let mut snapshot = decode(file, self.keys.master())?;
        begin_anew(&mut snapshot, context)?;
        let clients = snapshot.clients.len();
        let import = async |ring: KeyRing| {
            snapshot.key_ring = carry_revocations(snapshot.key_ring, ring);
            self.store.import(snapshot).await
        };
        let outcome = self.keys.replaced_by(&self.store, import, context).await;
        self.caches.clear();
        outcome?;
        let now = context.now.steady.to_seconds();
        Ok(RestoreReport {
            clients,
            keys: self.keys.count(),
            tokens_refused_before: UnixSeconds(now.0.saturating_add(1)),
        })
    }
}

/// Makes every token dead that was ever issued on `store`, for a service that has lost the time: it
/// cannot tell any more which of them have expired, and of which expired ones the revocation is
/// forgotten. Called before an [`Issuer`] is opened on it.
///
/// # Errors
///
/// When the store does not answer.
pub async fn end_every_token<S: Store>(
    store: &S,
    context: &Context<'_>,
) -> Result<(), IssuerError> {
    let mut snapshot = store.export().await?;
    begin_anew(&mut snapshot, context)?;
    Ok(store.import(snapshot).await?)
}

fn begin_anew(snapshot: &mut Snapshot, context: &Context<'_>) -> Result<(), EntropyUnavailable> {
    let clients = &mut snapshot.clients;
    clients
        .iter_mut()
        .try_for_each(|client| clients::begin_anew(client, context))
}

/// `restored`, later than `present`, and with the keys that were revoked here, in it or not: whoever
/// stole one of them could sign again otherwise, after this restore or after another.
fn carry_revocations(mut restored: KeyRing, present: KeyRing) -> KeyRing {
    for own in present.keys {
        if own.revoked_at.is_none() {
            continue;
        }
        match restored.keys.iter_mut().find(|key| key.kid == own.kid) {
            Some(key) => *key = own,
            None => restored.keys.push(own),
        }
    }
    restored.keys.sort_by_key(|key| key.created_at);
    restored.revision = restored.revision.max(present.revision).saturating_add(1);
    restored
}

/// `file`, unless it is longer than a restore would take.
fn restorable(file: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>, AdminError> {
    if file.len() > bytes_max {
        let message = format!(
            "the backup would have {} bytes, and no more than {bytes_max} could be restored",
            file.len()
        );
        return Err(AdminError::Invalid(message));
    }
    Ok(file)
}

fn encode(snapshot: &Snapshot, master: &MasterKey) -> serde_json::Result<Vec<u8>> {
    let mut file = MAGIC.to_vec();
    file.push(VERSION);
    file.extend_from_slice(&[0; 8]);
    serde_json::to_writer(&mut file, snapshot)?;
    let length = u64::try_from(file.len().saturating_sub(HEAD_LEN)).unwrap_or(u64::MAX);
    if let Some(place) = file.get_mut(MAGIC.len() + 1..HEAD_LEN) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    let sum = digest::digest(&digest::SHA256, &file);
    file.extend_from_slice(sum.as_ref());
    let tag = hmac::sign(&key(master), &file);
    file.extend_from_slice(tag.as_ref());
    Ok(file)
}

fn decode(file: &[u8], master: &MasterKey) -> Result<Snapshot, BackupError> {
    let rest = file.strip_prefix(MAGIC).ok_or(BackupError::NotABackup)?;
    let (&version, rest) = rest.split_first().ok_or(BackupError::Damaged)?;
    if version != VERSION {
        return Err(BackupError::Version);
    }
    let (length, rest) = rest.split_first_chunk::<8>().ok_or(BackupError::Damaged)?;
    let length = usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let (json, sums) = rest.split_at_checked(length).ok_or(BackupError::Damaged)?;
    let (sum, tag) = sums.split_at_checked(SUM_LEN).ok_or(BackupError::Damaged)?;
    let (summed, _) = file.split_at(HEAD_LEN.saturating_add(length));
    let (signed, _) = file.split_at(summed.len().saturating_add(SUM_LEN));
    if tag.len() != SUM_LEN || digest::digest(&digest::SHA256, summed).as_ref() != sum {
        return Err(BackupError::Damaged);
    }
    hmac::verify(&key(master), signed, tag).map_err(|_| BackupError::OtherMasterKey)?;
    serde_json::from_slice(json).map_err(|_| BackupError::Contents)
}

fn key(master: &MasterKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, master.derive(LABEL).as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_restored_is_no_backup() {
        assert_eq!(restorable(vec![7; 4], 4).unwrap(), [7; 4]);
        let refused = restorable(vec![7; 5], 4).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the backup would have 5 bytes, and no more than 4 could be restored"
        );
    }
}
