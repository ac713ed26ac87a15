//! Requests, written once and sent many times.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

/// Client credentials as the `Authorization` header carries them (RFC 6749 §2.3.1).
pub(crate) fn basic(client_id: &str, secret: &str) -> String {
    let pair = format!("{}:{}", form_encoded(client_id), form_encoded(secret));
    format!("Basic {}", STANDARD.encode(pair))
}

/// A complete `GET` request.
pub(crate) fn get(host: &str, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

/// A complete `POST` request with a form body.
pub(crate) fn form(host: &str, path: &str, authorization: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// `text` as a form field carries it.
pub(crate) fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._*".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_before_they_are_joined() {
        assert_eq!(
            basic("a:b", "c d"),
            format!("Basic {}", STANDARD.encode("a%3Ab:c%20d"))
        );
    }

    #[test]
    fn bodies_have_their_length() {
        let request = String::from_utf8(form("h:1", "/p", "Basic x", "a=b")).expect("text");
        assert!(
            request.starts_with("POST /p HTTP/1.1\r\nHost: h:1\r\n"),
            "{request}"
        );
        assert!(
            request.ends_with("Content-Length: 3\r\n\r\na=b"),
            "{request}"
        );
    }
}
