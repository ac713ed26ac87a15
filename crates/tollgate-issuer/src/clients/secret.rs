//! The secrets of clients: made here of 256 random bits, kept as keyed hashes, rotated with overlap.

use std::time::Duration;

use tollgate_protocol::{ClientId, ClientSecret, Entropy, UnixSeconds, entropy::random};
use tollgate_store::{ClientRecord, SecretHash, Store};
use zeroize::Zeroizing;

use super::invalid;
use crate::{AdminError, Context, Issuer};

/// The fewest characters of a secret that is brought along: those that 128 random bits take in
/// base64. One fast hash protects it, so it must not be guessable (RFC 6749 §10.10).
pub const SECRET_CHARS_MIN: usize = 22;
/// The most secrets that count at the same time.
pub const SECRETS_MAX: usize = 8;
/// The longest time that an old secret may go on.
pub const OVERLAP_MAX: Duration = Duration::from_secs(90 * 24 * 3600);
/// The fewest different characters of a secret that is brought along.
const DIFFERENT_CHARS_MIN: usize = 10;

/// A new secret in place of an old one.
#[derive(Debug)]
pub struct RotatedSecret {
    /// The new secret, shown this once.
    pub secret: ClientSecret,
    /// When the previous one stops; none when it has stopped already.
    pub previous_expires_at: Option<UnixSeconds>,
}

impl<S: Store> Issuer<S> {
    /// Gives a client a new secret: `secret`, or one made here. The one before goes on for
    /// `keep_old`; without it every earlier secret stops at once. Tokens are not touched.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] when there is no such client, [`AdminError::Invalid`] when the
    /// overlap is too long, too many secrets overlap or the secret is too weak.
    pub async fn rotate_secret(
        &self,
        id: &ClientId,
        keep_old: Option<Duration>,
        secret: Option<ClientSecret>,
        context: &Context<'_>,
    ) -> Result<RotatedSecret, AdminError> {
        let keep_old = keep_old.unwrap_or_default();
        if keep_old > OVERLAP_MAX {
            return Err(invalid("keep_old is at most 90d".into()));
        }
        let secret = match secret {
            Some(secret) => imported(secret)?,
            None => fresh(context.entropy)?,
        };
        let hash = self.secret_hash(&secret, context);
        let now = context.now.steady.to_seconds();
        let change = |record: &mut ClientRecord| rotate(record, &hash, keep_old, now);
        let record = self.change_client(id, context, change).await?;
        let previous_expires_at = record
            .secrets
            .get(1)
            .and_then(|previous| previous.expires_at);
        Ok(RotatedSecret {
            secret,
            previous_expires_at,
        })
    }

    pub(super) fn secret_hash(&self, secret: &ClientSecret, context: &Context<'_>) -> SecretHash {
        let created_at = context.now.steady.to_seconds();
        SecretHash {
            hash: self.hasher.secret(secret),
            created_at,
            expires_at: None,
        }
    }
}

fn rotate(
    record: &mut ClientRecord,
    hash: &SecretHash,
    keep_old: Duration,
    now: UnixSeconds,
) -> Result<(), AdminError> {
    let until = now.plus(keep_old);
    for old in &mut record.secrets {
        // One that stops earlier already is not given more time.
        old.expires_at = Some(old.expires_at.map_or(until, |end| end.min(until)));
    }
    record
        .secrets
        .retain(|old| old.expires_at.is_none_or(|end| end > now));
    if record.secrets.len() >= SECRETS_MAX {
        return Err(invalid(format!("at most {SECRETS_MAX} secrets overlap")));
    }
    record.secrets.insert(0, hash.clone());
    Ok(())
}

/// A secret that nobody can guess.
pub(super) fn fresh(entropy: &dyn Entropy) -> Result<ClientSecret, AdminError> {
    let bytes = Zeroizing::new(random::<32>(entropy)?);
    Ok(ClientSecret::from_random(&bytes))
}

/// `secret`, unless it can be guessed.
pub(super) fn imported(secret: ClientSecret) -> Result<ClientSecret, AdminError> {
    let text = secret.expose();
    let mut different: Vec<char> = text.chars().collect();
    different.sort_unstable();
    different.dedup();
    if text.chars().count() < SECRET_CHARS_MIN || different.len() < DIFFERENT_CHARS_MIN {
        return Err(invalid(format!(
            "client_secret has at least {SECRET_CHARS_MIN} characters, \
             {DIFFERENT_CHARS_MIN} of them different"
        )));
    }
    Ok(secret)
}
