//! A client secret in transit: from the request to its keyed hash, or from entropy to the reply.

use std::fmt;

use zeroize::Zeroizing;

use crate::base62;

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
        if (1..=Self::BYTES_MAX).contains(&text.len()) && !has_control(&text) {
            Ok(Self(text))
        } else {
            Err(InvalidSecret)
        }
    }

    /// The secret made of 256 random bits: 43 characters of base62, which need no escaping in
    /// headers, forms, URLs and shells.
    #[must_use]
    pub fn from_random(random: &[u8; 32]) -> Self {
        let mut digits = Zeroizing::new([0; 43]);
        base62::encode_256(random, &mut digits);
        Self(Zeroizing::new(
            digits.iter().map(|digit| char::from(*digit)).collect(),
        ))
    }

    /// The secret in plain text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Looks at every byte of plain ASCII without branching, so that it is quick.
fn has_control(text: &str) -> bool {
    if text.is_ascii() {
        let control = |seen, byte: &u8| seen | (*byte < b' ') | (*byte == 0x7f);
        text.as_bytes().iter().fold(false, control)
    } else {
        text.chars().any(char::is_control)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_hold_text_and_show_none_of_it() {
        let refused = ["", "a\n", "\x7fa", "ö\u{85}"].map(String::from);
        for refused in refused.into_iter().chain(["x".repeat(513)]) {
            assert_eq!(ClientSecret::new(refused).unwrap_err(), InvalidSecret);
        }
        let secret = ClientSecret::new("p%40ss wörd".into()).unwrap();
        assert_eq!(secret.expose(), "p%40ss wörd");
        assert_eq!(format!("{secret:?}"), "ClientSecret(…)");
    }

    #[test]
    fn random_bits_become_letters_and_digits() {
        let ones = ClientSecret::from_random(&[255; 32]);
        let other = ClientSecret::from_random(&[254; 32]);
        assert_eq!(ones.expose().len(), 43);
        assert!(
            ones.expose()
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric())
        );
        assert_ne!(ones.expose(), other.expose());
    }
}
