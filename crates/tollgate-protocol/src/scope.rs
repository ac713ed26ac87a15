//! Scopes: sets of access rights as RFC 6749 §3.3 spells them.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// A set of scope tokens, kept as the text that is sent: single spaces, no repetition, in the
/// order first given. The empty scope is a value too.
#[derive(Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Scope(Option<Arc<str>>);

/// The text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidScope {
    /// A character outside `%x21 / %x23-5B / %x5D-7E` and the space.
    #[error("scope has a character that RFC 6749 does not allow")]
    Character,
    /// Longer than [`Scope::BYTES_MAX`] or of more than [`Scope::TOKENS_MAX`] tokens.
    #[error(
        "scope is longer than {} bytes or {} tokens",
        Scope::BYTES_MAX,
        Scope::TOKENS_MAX
    )]
    TooLong,
}

impl Scope {
    /// The longest scope, in bytes.
    pub const BYTES_MAX: usize = 4096;
    /// The most scope tokens; it bounds the quadratic comparison of two small sets.
    pub const TOKENS_MAX: usize = 128;

    /// The scope as sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }

    /// Whether it has no token.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The scope tokens, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.as_str().split(' ').filter(|token| !token.is_empty())
    }

    /// Whether `token` is one of the tokens.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.iter().any(|own| own == token)
    }

    /// Whether each token of `other` is in here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self == other || other.iter().all(|token| self.contains(token))
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        if text.len() > Self::BYTES_MAX {
            return Err(InvalidScope::TooLong);
        }
        let allowed = |byte: u8| matches!(byte, b' ' | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if !text.bytes().all(allowed) {
            return Err(InvalidScope::Character);
        }
        let mut tokens: Vec<&str> = Vec::new();
        for token in text.split(' ').filter(|token| !token.is_empty()) {
            if tokens.contains(&token) {
                continue;
            }
            if tokens.len() == Self::TOKENS_MAX {
                return Err(InvalidScope::TooLong);
            }
            tokens.push(token);
        }
        Ok(Self((!tokens.is_empty()).then(|| tokens.join(" ").into())))
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidScope;

    fn try_from(text: String) -> Result<Self, InvalidScope> {
        text.parse()
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}
