//! The header fields of draft-ietf-httpapi-ratelimit-headers as text; no HTTP types.

use crate::{Decision, Quota};

/// The longest name of a policy, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A policy's name: up to 64 printable ASCII characters without quote and backslash, so that it
/// stands in a structured-field string (RFC 8941 §3.3.3) as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PolicyName(Box<str>);

/// The name is empty, too long, or holds a character that a header string cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a policy's name is 1 to 64 printable ASCII characters without quote and backslash")]
pub struct PolicyNameError;

impl PolicyName {
    /// Checks and keeps a name.
    ///
    /// # Errors
    /// When a header string could not hold it.
    pub fn new(name: &str) -> Result<Self, PolicyNameError> {
        let printable = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(printable) {
            return Err(PolicyNameError);
        }
        Ok(Self(name.into()))
    }

    /// The name as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of `RateLimit` for a decision: remaining tokens and seconds until all are back.
    #[must_use]
    pub fn rate_limit(&self, decision: &Decision) -> String {
        // Every answer carries it; `format!` costs three times as much.
        let mut value = String::with_capacity(self.0.len() + 36);
        value.push('"');
        value.push_str(&self.0);
        value.push_str("\";r=");
        value.push_str(itoa::Buffer::new().format(decision.remaining()));
        value.push_str(";t=");
        value.push_str(itoa::Buffer::new().format(decision.reset_seconds()));
        value
    }

    /// The value of `RateLimit-Policy` for a quota: tokens and the seconds in which they refill.
    #[must_use]
    pub fn rate_limit_policy(&self, quota: &Quota) -> String {
        format!(
            "\"{}\";q={};w={}",
            self.0,
            quota.capacity(),
            quota.window_seconds()
        )
    }
}
