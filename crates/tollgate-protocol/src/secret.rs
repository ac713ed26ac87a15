//! A client secret in transit: from the request to its keyed hash, or from entropy to the reply.

use std::fmt;

use zeroize::Zeroizing;

/// A client secret in plain text.
///
/// # Security
///
/// Redacted in `Debug`, wiped when dropped, neither comparable nor serialisable: it is hashed, and
/// the hashes are compared in constant time.
#[derive(Clone)]
pub struct ClientSecret(Zeroizing<String>);

/// The text is no client secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client secret is 1 to 512 characters without control characters")]
pub struct InvalidSecret;

impl ClientSecret {
    /// The longest secret, in bytes.
    pub const BYTES_MAX: usize = 512;

    /// Takes `text` as a secret.
    ///
    /// # Errors
    ///
    /// When it is empty, too long or has control characters.
    pub fn new(text: String) -> Result<Self, InvalidSecret> {
        let text = Zeroizing::new(text);
        if (1..=Self::BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(Self(text))
        } else {
            Err(InvalidSecret)
        }
    }

    /// The secret in plain text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientSecret(…)")
    }
}
