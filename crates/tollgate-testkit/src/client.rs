//! A registered client, and what tests do with one.

use serde_json::Value;

use crate::{Answer, TestServer};

/// A client of a test server.
#[derive(Clone, Debug)]
pub struct TestClient {
    /// Its id.
    pub id: String,
    /// Its secret; empty for clients that have keys instead.
    pub secret: String,
}

impl TestClient {
    /// Id and secret, for [`Http::form`](crate::Http::form).
    #[must_use]
    pub fn basic(&self) -> Option<(&str, &str)> {
        Some((&self.id, &self.secret))
    }
}

impl TestServer {
    /// Registers a client through the command line; `arguments` are those of `client create`.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    #[must_use]
    pub fn create_client(&self, arguments: &[&str]) -> TestClient {
        let arguments = [&["client", "create", "--json"], arguments].concat();
        let client = self.tollgate(&arguments).expect_success().json();
        let text = |name: &str| client[name].as_str().unwrap_or_default().to_owned();
        TestClient {
            id: text("client_id"),
            secret: text("client_secret"),
        }
    }

    /// An access token of `client`; all its scopes when `scope` is empty.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    #[must_use]
    pub fn token(&self, client: &TestClient, scope: &str) -> String {
        let mut form = vec![("grant_type", "client_credentials")];
        if !scope.is_empty() {
            form.push(("scope", scope));
        }
        let answer = self
            .http()
            .form("/oauth/token", client.basic(), &form)
            .expect_status(200);
        text(&answer, "access_token")
    }

    /// A one-time token of `client`.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    #[must_use]
    pub fn one_time_token(&self, client: &TestClient) -> String {
        let answer = self
            .http()
            .form("/oauth/ott", client.basic(), &[])
            .expect_status(200);
        text(&answer, "token")
    }

    /// What the server says of `token` to `client`.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    #[must_use]
    pub fn introspect(&self, client: &TestClient, token: &str) -> Value {
        let answer = self
            .http()
            .form("/oauth/introspect", client.basic(), &[("token", token)]);
        answer.expect_status(200).json()
    }
}

fn text(answer: &Answer, name: &str) -> String {
    match answer.json()[name].as_str() {
        Some(text) => text.to_owned(),
        None => panic!("no {name}: {answer:?}"),
    }
}
