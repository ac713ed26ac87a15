//! A small blocking HTTP client that hands out every answer, whatever its status.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use ureq::{Agent, RequestBuilder, typestate::WithBody};

/// Longer than any answer takes; only a hang runs into it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An HTTP client with a base URL.
pub struct Http {
    base: String,
    agent: Agent,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Panics unless the status is `status`.
    #[must_use]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl Http {
    /// A client for `base`, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT))
            .build()
            .new_agent();
        Self {
            base: base.to_owned(),
            agent,
        }
    }

    /// `GET path` with these headers.
    ///
    /// # Panics
    ///
    /// When nobody answers.
    #[must_use]
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.call())
    }

    /// `POST path` with a form, authenticated by `basic` (id and secret) where given.
    ///
    /// # Panics
    ///
    /// When nobody answers.
    #[must_use]
    pub fn form(&self, path: &str, basic: Option<(&str, &str)>, form: &[(&str, &str)]) -> Answer {
        let mut request = self.post(path);
        if let Some((id, secret)) = basic {
            let credentials = STANDARD.encode(format!("{id}:{secret}"));
            request = request.header("authorization", format!("Basic {credentials}"));
        }
        answer(request.send_form(form.iter().copied()))
    }

    /// `POST path` with a JSON body and these headers.
    ///
    /// # Panics
    ///
    /// When nobody answers.
    #[must_use]
    pub fn json(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut request = self.post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.send_json(body))
    }

    fn post(&self, path: &str) -> RequestBuilder<WithBody> {
        self.agent.post(format!("{}{path}", self.base))
    }
}

fn answer(outcome: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = match outcome {
        Ok(response) => response,
        Err(error) => panic!("no answer: {error}"),
    };
    let headers = response.headers().iter().map(|(name, value)| {
        (
            name.as_str().to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    let headers = headers.collect();
    let body = match response.body_mut().read_to_string() {
        Ok(body) => body,
        Err(error) => panic!("the answer broke off: {error}"),
    };
    Answer {
        status: response.status().as_u16(),
        headers,
        body,
    }
}
