//! A provider of its own for each test, on a free port, ended with its value.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout};
use std::sync::Mutex;

use serde_json::{Value, json};
use tollgate_verify::client::{ClientCredentials, ClientTokens, KeySource};
use tollgate_verify::{Ready, Verifier, VerifierBuilder};

use crate::node::Script;

/// What every resource server's identifier begins with.
const RESOURCE: &str = "https://orders.example";
pub(crate) const CLIENT_ID: &str = "web";
const CLIENT_SECRET: &str = "a secret of the tests that is long enough";
pub(crate) const ALGORITHMS: [&str; 5] = ["ES256", "EdDSA", "RS256", "PS256", "ES384"];

/// A running `oidc-provider`.
pub(crate) struct Provider {
    pub(crate) issuer: String,
    commands: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _script: Script,
}

impl Provider {
    pub(crate) fn start() -> Option<Self> {
        let peer = json!({
            "resource": RESOURCE, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "algorithms": ALGORITHMS,
        });
        let mut script = Script::start("provider.mjs", &peer)?;
        let stdin = script.child.stdin.take().unwrap();
        let mut stdout = BufReader::new(script.child.stdout.take().unwrap());
        let issuer = loop {
            // The provider says a word or two to its operator before.
            let line = read_line(&mut stdout);
            if let Ok(Value::Object(ready)) = serde_json::from_str(&line) {
                break ready["issuer"].as_str().unwrap().to_owned();
            }
        };
        Some(Self {
            issuer,
            commands: Mutex::new((stdin, stdout)),
            _script: script,
        })
    }

    /// Has the provider carry out a command; returns its answer.
    pub(crate) fn command(&self, command: &Value) -> Value {
        let (stdin, stdout) = &mut *self.commands.lock().unwrap();
        writeln!(stdin, "{command}").unwrap();
        loop {
            let line = read_line(stdout);
            if let Ok(answer @ Value::Object(_)) = serde_json::from_str(&line) {
                return answer;
            }
        }
    }

    /// Another key signs from now on; `keep` old ones stay published.
    pub(crate) fn rotate(&self, algorithm: &str, keep: usize) {
        self.command(&json!({"do": "rotate", "alg": algorithm, "keep": keep}));
    }

    pub(crate) fn credentials() -> ClientCredentials {
        ClientCredentials::new(CLIENT_ID, CLIENT_SECRET)
    }

    /// A fresh token for the resource server of this format: an algorithm, or `opaque`.
    pub(crate) fn token(&self, format: &str) -> String {
        let tokens = ClientTokens::builder(&format!("{}/token", self.issuer), Self::credentials())
            .scope("read")
            .resource(&audience(format))
            .build();
        tokens.token_blocking().unwrap().expose().to_owned()
    }

    /// A verifier for the resource server of this format, with keys from `source`.
    pub(crate) fn verifier(&self, format: &str, source: &KeySource) -> VerifierBuilder<Ready> {
        Verifier::builder()
            .issuer(&self.issuer)
            .audience(&audience(format))
            .key_source(source)
    }

    pub(crate) fn discovery(&self) -> KeySource {
        KeySource::discovery(&self.issuer).build()
    }

    /// The same keys from a source that does not know whose they are.
    pub(crate) fn key_set(&self) -> KeySource {
        KeySource::jwks_url(&format!("{}/jwks", self.issuer)).build()
    }
}

/// The identifier of the resource server of this format.
pub(crate) fn audience(format: &str) -> String {
    format!("{RESOURCE}/{format}")
}

fn read_line(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    assert_ne!(
        stdout.read_line(&mut line).unwrap(),
        0,
        "the provider ended"
    );
    line
}
