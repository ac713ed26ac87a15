//! The `jti` of the JWTs made here: unique, and enough to tell whether the token was revoked.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tollgate_protocol::{Entropy, UnixMillis, entropy::EntropyUnavailable};
use tollgate_store::{ClientEpoch, TokenKey};

/// A `jti`: the client's epoch (64 bits), the millisecond of issue (48) and randomness (80), as 32
/// characters of base64url.
///
/// The epoch and the millisecond let a revocation of a whole client or subject reach signed tokens
/// that were never stored. They are trusted because they stand under the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jti {
    /// The life of the client in which the token was issued.
    pub epoch: ClientEpoch,
    /// Milliseconds and randomness: under what the token is revoked.
    pub key: TokenKey,
}

/// The text is no `jti` made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a jti of this issuer")]
pub struct ForeignJti;

impl Jti {
    /// The length of the text.
    pub const LEN: usize = 32;

    /// A new identifier.
    ///
    /// # Errors
    ///
    /// When the generator does not deliver.
    pub fn new(
        epoch: ClientEpoch,
        issued_at: UnixMillis,
        entropy: &dyn Entropy,
    ) -> Result<Self, EntropyUnavailable> {
        let mut key = [0; 16];
        let (date, random) = key.split_at_mut(6);
        let [_, _, millis @ ..] = issued_at.0.to_be_bytes();
        date.copy_from_slice(&millis);
        entropy.fill(random)?;
        Ok(Self {
            epoch,
            key: TokenKey(key),
        })
    }

    /// When the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> UnixMillis {
        let [a, b, c, d, e, f, ..] = self.key.0;
        UnixMillis(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// Appends the text to `out`.
    pub fn write(&self, out: &mut String) {
        let mut bytes = [0; 24];
        let (epoch, key) = bytes.split_at_mut(8);
        epoch.copy_from_slice(&self.epoch.0.to_be_bytes());
        key.copy_from_slice(&self.key.0);
        URL_SAFE_NO_PAD.encode_string(bytes, out);
    }

    /// Reads the text.
    ///
    /// # Errors
    ///
    /// When it was not written by [`Jti::write`].
    pub fn parse(text: &str) -> Result<Self, ForeignJti> {
        // The decoder wants room for what the length could at most decode to.
        let mut bytes = [0; 24];
        if text.len() != Self::LEN || URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) != Ok(24) {
            return Err(ForeignJti);
        }
        let (epoch, key) = bytes.split_at(8);
        match (epoch.try_into(), key.try_into()) {
            (Ok(epoch), Ok(key)) => Ok(Self {
                epoch: ClientEpoch(u64::from_be_bytes(epoch)),
                key: TokenKey(key),
            }),
            _ => Err(ForeignJti),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
            bytes.fill(7);
            Ok(())
        }
    }

    #[test]
    fn text_and_value_are_one() {
        let issued_at = UnixMillis(1_800_000_000_123);
        let jti = Jti::new(ClientEpoch(u64::MAX - 1), issued_at, &Sevens).unwrap();
        let mut text = String::new();
        jti.write(&mut text);
        assert_eq!(text.len(), Jti::LEN);
        assert_eq!(Jti::parse(&text), Ok(jti));
        assert_eq!(jti.issued_at(), issued_at);
        for foreign in [
            "",
            "abc",
            &text[1..],
            &format!("{text}A"),
            &text.replace('B', "+"),
        ] {
            if foreign != text {
                assert_eq!(Jti::parse(foreign), Err(ForeignJti), "{foreign}");
            }
        }
    }
}
