//! The management API of a running server, over blocking HTTP.

use std::{
    io::{self, Read},
    time::Duration,
};

use serde_json::Value;
use ureq::{
    Agent, Body,
    http::{Response, StatusCode},
};
use zeroize::Zeroizing;

use super::{Failure, output, trust::Trust};

/// The longest answer that is taken in at once, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// How much of a list is asked for at once.
const PAGE: usize = 500;
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running server's management API.
pub(crate) struct AdminApi {
    base: String,
    authorization: Zeroizing<String>,
    agent: Agent,
    trust: Trust,
}

impl AdminApi {
    /// The API at `url`, for whoever holds `token`.
    pub(crate) fn new(url: &str, token: &str, trust: Trust) -> Self {
        Self {
            base: url.trim_end_matches('/').to_owned(),
            authorization: Zeroizing::new(format!("Bearer {token}")),
            agent: trust.agent(Some(TIMEOUT)),
            trust,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        let request = self.agent.get(self.url(path));
        answer(
            request
                .header("authorization", self.authorization.as_str())
                .call(),
            &self.base,
        )
    }

    pub(crate) fn delete(&self, path: &str) -> Result<Value, Failure> {
        let request = self.agent.delete(self.url(path));
        answer(
            request
                .header("authorization", self.authorization.as_str())
                .call(),
            &self.base,
        )
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.agent.post(self.url(path));
        let request = request.header("authorization", self.authorization.as_str());
        answer(request.send_json(body), &self.base)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.agent.patch(self.url(path));
        let request = request.header("authorization", self.authorization.as_str());
        answer(request.send_json(body), &self.base)
    }

    /// Every item of a list that comes in pages: `path` is its address, `member` its name in the
    /// answer.
    pub(crate) fn pages(
        &self,
        path: &str,
        member: &str,
        mut each: impl FnMut(&Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut after = String::new();
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{joint}limit={PAGE}{after}"))?;
            list(&page, member)?.iter().try_for_each(&mut each)?;
            match page["next"].as_str() {
                Some(next) => after = format!("&after={}", encode(next)),
                None => return Ok(()),
            }
        }
    }

    /// The body of `GET path`, as it comes, and its length where the server tells it.
    pub(crate) fn download(&self, path: &str) -> Result<(impl Read, Option<u64>), Failure> {
        let request = self.trust.agent(None).get(self.url(path));
        let request = request.header("authorization", self.authorization.as_str());
        let response = accepted(request.call(), &self.base)?;
        let body = response.into_body();
        let length = body.content_length();
        Ok((body.into_reader(), length))
    }

    /// Sends `content` of `length` bytes as the body of `POST path`.
    pub(crate) fn upload(
        &self,
        path: &str,
        content: impl Read,
        length: u64,
    ) -> Result<Value, Failure> {
        let request = self.trust.agent(None).post(self.url(path));
        let request = request
            .header("authorization", self.authorization.as_str())
            .header("content-type", "application/octet-stream")
            .header("content-length", length);
        let mut content = Content {
            inner: content,
            failure: None,
        };
        let outcome = request.send(ureq::SendBody::from_reader(&mut content));
        match content.failure {
            // Not the fault of the server.
            Some(failure) => {
                let failure = anyhow::Error::new(failure);
                Err(Failure::Refused(
                    failure.context("failed to read what is to be sent"),
                ))
            }
            None => answer(outcome, &self.base),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// What is sent, and why no more of it could be read.
struct Content<R> {
    inner: R,
    failure: Option<io::Error>,
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        read.map_err(|error| match error.kind() {
            // The next call goes on.
            io::ErrorKind::Interrupted => error,
            kind => {
                self.failure = Some(error);
                kind.into()
            }
        })
    }
}

/// The member `name` of an answer, which must be there.
pub(crate) fn member<'a>(answer: &'a Value, name: &str) -> Result<&'a Value, Failure> {
    match &answer[name] {
        Value::Null => Err(Failure::refused(format!(
            "the server answered without {name:?}"
        ))),
        value => Ok(value),
    }
}

/// The list `name` in an answer, which must be there.
pub(crate) fn list<'a>(answer: &'a Value, name: &str) -> Result<&'a [Value], Failure> {
    match member(answer, name)? {
        Value::Array(items) => Ok(items),
        _ => Err(Failure::refused(format!(
            "the server answered with a {name:?} that is no list"
        ))),
    }
}

/// `text` as one segment or value of a URL (RFC 3986 §2.3).
pub(crate) fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

fn answer(outcome: Result<Response<Body>, ureq::Error>, base: &str) -> Result<Value, Failure> {
    let mut response = accepted(outcome, base)?;
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let text = body(&mut response)
        .map_err(|error| Failure::Unreachable(format!("{base} did not answer in full: {error}")))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::refused(format!("{base} answered no JSON: {error}")))
}

/// The response, when it is one of success.
fn accepted(
    outcome: Result<Response<Body>, ureq::Error>,
    base: &str,
) -> Result<Response<Body>, Failure> {
    let mut response = outcome.map_err(|error| match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            Failure::Usage(format!("{base:?} is no URL of a server: {error}"))
        }
        error => Failure::Unreachable(format!("{base} does not answer: {error}")),
    })?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    // The status alone says no, whatever has become of the reason.
    let error = body(&mut response)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or(Value::Null);
    let code = error["error"].as_str().unwrap_or("no reason given");
    let reason = match error["error_description"].as_str() {
        Some(description) => format!("{code}: {description}"),
        None => code.to_owned(),
    };
    Err(Failure::refused(format!(
        "{} (HTTP {})",
        output::printable(&reason),
        status.as_u16()
    )))
}

/// The body as text; it may hold a secret.
fn body(response: &mut Response<Body>) -> Result<Zeroizing<String>, ureq::Error> {
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    Ok(Zeroizing::new(body.read_to_string()?))
}
