//! Text that is a secret: never shown, and overwritten when it is dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A secret as it was written.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The secret itself, for what it opens.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretText(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{document::parse_variable, key::Kind};

    #[test]
    fn what_a_variable_says_of_a_secret_is_never_shown() {
        let raw = parse_variable(&Kind::MasterKey, "6b1e0f5d3c2a4978");
        let shown = format!("{raw:?} {}", raw.describe());
        assert!(!shown.contains("6b1e"), "{shown}");
    }
}
