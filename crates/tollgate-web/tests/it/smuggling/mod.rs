//! Requests over raw bytes whose end, head or target two readers may see differently. Whatever a
//! client hides in one that is refused, or behind it, is never served.

mod chunks;
mod heads;
mod lengths;
mod targets;
mod turns;

use std::io::{Read, Write};

use crate::support::{Answer, TestServer, config, read_answer, read_head};

/// A request that leaves a mark if it is served.
const HIDDEN: &str = "GET /panic HTTP/1.1\r\nHost: t\r\n\r\n";
/// A request that may be served behind another, and ends the connection.
const LAST: &str = "GET /hello HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";

/// What must come of a request.
#[derive(Clone, Copy, Debug)]
enum Outcome<'a> {
    /// This status and the end of the connection.
    Refused(u16),
    /// Served with this body, and the end of the connection.
    Ends(&'a str),
    /// Served with this body, and so is what comes behind it.
    Served(&'a str),
    /// Answered with this status, and what comes behind it is served.
    Answered(u16),
}
use Outcome::{Answered, Ends, Refused, Served};

/// A server, and how it takes one request after the other.
struct Trial(TestServer);

impl Trial {
    fn new() -> Self {
        Self(TestServer::start(config()))
    }

    /// Sends the request with another one behind it, and compares all that comes.
    fn check(&self, request: impl AsRef<[u8]>, expected: Outcome<'_>) {
        let (behind, answers) = match expected {
            Refused(status) => (HIDDEN, vec![(status, None)]),
            Ends(body) => (HIDDEN, vec![(200, Some(body))]),
            Served(body) => (LAST, vec![(200, Some(body)), (200, Some("hello"))]),
            Answered(status) => (LAST, vec![(status, None), (200, Some("hello"))]),
        };
        let request = request.as_ref();
        self.check_all(&[request, behind.as_bytes()].concat(), &answers);
    }

    /// Sends these bytes, and compares the answers until the server closes.
    fn check_all(&self, bytes: &[u8], expected: &[(u16, Option<&str>)]) {
        let beginning = bytes.iter().copied().take(400);
        let shown = beginning.flat_map(std::ascii::escape_default);
        let shown: String = shown.map(char::from).collect();
        let mut client = self.0.connect();
        // The server may close before it has taken all of what it refuses.
        let _ = client.stream.write_all(bytes);
        let mut told = Vec::new();
        let ended = client.stream.read_to_end(&mut told);
        assert!(
            ended.is_ok(),
            "{shown}: {ended:?} after {}",
            told.escape_ascii()
        );
        let answers = answers(&told, bytes.starts_with(b"HEAD "));
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let wanted: Vec<u16> = expected.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, wanted, "{shown}");
        for (answer, (_, body)) in answers.iter().zip(expected) {
            assert!(
                body.is_none_or(|body| body == answer.text()),
                "{shown}: {answer:?}"
            );
        }
        // To HTTP/1.0 it goes without saying.
        let ends = |answer: &Answer| {
            answer.header("connection") == Some("close") || answer.head.starts_with("HTTP/1.0 ")
        };
        assert!(answers.last().is_some_and(ends), "{shown}: {answers:?}");
        let seen = self.0.registry.render();
        assert!(
            seen.contains("http_handler_panics_total 0"),
            "{shown}: what was hidden was served"
        );
    }

    /// Posts to a handler that sends the body back.
    fn post(&self, fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>, expected: Outcome<'_>) {
        let head = b"POST /echo HTTP/1.1\r\nHost: t\r\n";
        let request = [&head[..], fields.as_ref(), b"\r\n\r\n", body.as_ref()].concat();
        self.check(request, expected);
    }

    /// Gets `/hello` with further fields.
    fn get(&self, fields: impl AsRef<[u8]>, expected: Outcome<'_>) {
        let head = b"GET /hello HTTP/1.1\r\nHost: t\r\n";
        self.check([&head[..], fields.as_ref(), b"\r\n\r\n"].concat(), expected);
    }
}

/// All the answers in these bytes; the first has no body where it says so.
fn answers(mut bytes: &[u8], first_to_head: bool) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let bodiless = first_to_head && answers.is_empty();
        answers.push(match bodiless {
            true => read_head(&mut bytes),
            false => read_answer(&mut bytes),
        });
    }
    answers
}
