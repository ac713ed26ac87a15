//! Form bodies and Basic credentials (RFC 6749 §2.3.1 and appendix B).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use zeroize::Zeroizing;

/// A client's id and secret, as it authenticates itself to the provider.
#[derive(Clone)]
pub struct ClientCredentials {
    id: String,
    secret: Zeroizing<String>,
}

impl ClientCredentials {
    /// Credentials for `client_secret_basic`.
    #[must_use]
    pub fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: Zeroizing::new(secret.to_owned()),
        }
    }

    /// The client's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The value of the `Authorization` header.
    pub(crate) fn authorization(&self) -> Zeroizing<String> {
        let (id, secret) = (encoded(&self.id), encoded(&self.secret));
        let pair = Zeroizing::new(format!("{}:{}", *id, *secret));
        let mut value = Zeroizing::new(String::from("Basic "));
        STANDARD.encode_string(pair.as_bytes(), &mut value);
        value
    }
}

impl std::fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A form body of these parameters.
pub(crate) fn body(parameters: &[(&str, &str)]) -> Zeroizing<String> {
    // Three bytes for each at most and two between, so that growing leaves no copies behind.
    let length = parameters
        .iter()
        .map(|(name, value)| name.len() + 3 * value.len() + 2);
    let mut out = Zeroizing::new(String::with_capacity(length.sum()));
    for (name, value) in parameters {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(&encoded(value));
    }
    out
}

/// A JSON body of these tokens, which are printable ASCII.
pub(crate) fn tokens_body(tokens: &[&str]) -> Zeroizing<String> {
    #[derive(Serialize)]
    struct Body<'t> {
        tokens: &'t [&'t str],
    }
    // Two bytes for each at most and three around, so that growing leaves no copies behind.
    let length = tokens.iter().map(|token| 2 * token.len() + 3);
    let mut out = Vec::with_capacity(length.sum::<usize>() + 16);
    // Texts always have a JSON form, which is UTF-8, and memory takes it.
    let _ = serde_json::to_writer(&mut out, &Body { tokens });
    Zeroizing::new(String::from_utf8(out).unwrap_or_default())
}

fn encoded(text: &str) -> Zeroizing<String> {
    // Three bytes for each at most, so that growing leaves no copies of a secret behind.
    let mut out = Zeroizing::new(String::with_capacity(text.len() * 3));
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_credentials_are_encoded() {
        let parameters = [("token", "a b+c/ü"), ("x", "1")];
        assert_eq!(*body(&parameters), "token=a+b%2Bc%2F%C3%BC&x=1");
        assert_eq!(
            *tokens_body(&["a", "b\"\\c"]),
            r#"{"tokens":["a","b\"\\c"]}"#
        );
        let credentials = ClientCredentials::new("a:b", "c d");
        // RFC 6749 §2.3.1: each part is form-encoded before they are joined.
        let expected = format!("Basic {}", STANDARD.encode("a%3Ab:c+d"));
        assert_eq!(*credentials.authorization(), expected);
        assert!(!format!("{credentials:?}").contains("c d"));
    }
}
