//! The example `resource_server` as strangers run it, with a provider on loopback.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tollgate_verify::client::{Clock as _, SystemClock};

use crate::provider::{AUDIENCE, KEY, jwk_set, sign_with};
use crate::running::{Answer, Running};

const OIDC: &str = "/.well-known/openid-configuration";
const RFC_8414: &str = "/.well-known/oauth-authorization-server";

/// Documents by path; whatever is not there is not found.
type Documents = Arc<Mutex<HashMap<String, Value>>>;

/// A provider with its metadata at these places, for the issuer at this path.
struct Provider {
    base: String,
    issuer: String,
    documents: Documents,
}

impl Provider {
    fn start(path: &str, places: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let documents = Documents::default();
        let served = Arc::clone(&documents);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(stream, &served);
            }
        });
        let issuer = format!("{base}{path}");
        let provider = Self {
            base,
            issuer,
            documents,
        };
        let jwks_uri = format!("{}/jwks", provider.base);
        for place in places {
            provider.put(
                place,
                json!({"issuer": provider.issuer, "jwks_uri": jwks_uri}),
            );
        }
        provider.put("/jwks", serde_json::to_value(jwk_set(&[&KEY])).unwrap());
        provider
    }

    fn put(&self, path: &str, document: Value) {
        let mut documents = self.documents.lock().unwrap();
        documents.insert(path.to_owned(), document);
    }

    /// A token of now with these claims changed.
    fn token(&self, changes: &Value) -> String {
        let now = SystemClock::default().now().0;
        let mut claims = json!({
            "iss": self.issuer, "aud": AUDIENCE, "sub": "alice", "client_id": "web",
            "iat": now - 5, "exp": now + 600, "scope": "orders:read other",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        sign_with(&KEY, "at+jwt", claims.to_string().as_bytes())
    }

    /// A resource server that finds this provider at `url`.
    fn resource_server(&self, url: &str) -> Running {
        Running::start(&[
            ("RS_DISCOVERY_URL", url),
            ("RS_AUDIENCE", AUDIENCE),
            ("RS_REQUIRE_SCOPE", "orders:read"),
        ])
        .unwrap()
    }
}

fn answer(mut stream: TcpStream, documents: &Documents) -> std::io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let document = documents.lock().unwrap().get(path).cloned();
    let (status, body) = match document {
        Some(document) => ("200 OK", document.to_string()),
        None => ("404 Not Found", String::new()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[test]
fn the_provider_is_found_however_it_is_named() {
    let check = |path: &str, place: &str, url: &str| {
        let provider = Provider::start(path, &[place]);
        let server = provider.resource_server(&format!("{}{url}", provider.base));
        let answer = server.get_with("/whoami", &provider.token(&json!({})));
        assert_eq!(answer.status, 200, "{path} {place} {url}: {}", answer.body);
        assert_eq!(answer.json()["iss"], provider.issuer);
    };
    for place in [OIDC, RFC_8414] {
        for url in ["", "/", OIDC, RFC_8414] {
            check("", place, url);
        }
    }
    let (oidc, rfc_8414) = (format!("/a/b{OIDC}"), format!("{RFC_8414}/a/b"));
    for place in [&oidc, &rfc_8414] {
        for url in ["/a/b", &oidc, &rfc_8414] {
            check("/a/b", place, url);
        }
    }
    check("/a", "/.well-known/elsewhere/a", "/.well-known/elsewhere/a");
}

#[test]
fn everybody_gets_the_answer_that_the_specifications_want() {
    let provider = Provider::start("", &[OIDC]);
    let server = provider.resource_server(&provider.issuer);
    let good = server.get_with("/protected", &provider.token(&json!({})));
    assert_eq!(good.status, 200, "{}", good.body);
    assert_eq!(
        good.json(),
        json!({"sub": "alice", "scope": "orders:read other"})
    );

    let challenge = |answer: &Answer, status: u16, expected: &str| {
        let metadata =
            r#"resource_metadata="https://orders.example/.well-known/oauth-protected-resource""#;
        let expected = format!(r#"Bearer realm="resource server", {expected}{metadata}"#);
        assert_eq!(answer.status, status, "{}", answer.head);
        assert_eq!(answer.values("www-authenticate"), [expected]);
        assert_eq!(answer.values("cache-control"), ["no-store"]);
    };
    let none = server.get("/protected", &[]);
    challenge(&none, 401, "");
    for refused in [
        "garbage",
        &provider.token(&json!({"aud": "https://another.example"})),
        &provider.token(&json!({"iss": "https://another.example"})),
        &provider.token(&json!({"exp": 1})),
        &provider.token(&json!({"cnf": {"jkt": "x"}})),
    ] {
        let answer = server.get_with("/protected", refused);
        challenge(&answer, 401, r#"error="invalid_token", "#);
        assert_eq!(answer.body, none.body);
    }
    let narrow = provider.token(&json!({"scope": "other"}));
    let answer = server.get_with("/protected", &narrow);
    challenge(
        &answer,
        403,
        r#"error="insufficient_scope", scope="orders:read", "#,
    );
    assert_eq!(server.get_with("/whoami", &narrow).status, 200);
    let twice = ["Authorization: Bearer a.b.c", "Authorization: Bearer a.b.c"];
    challenge(
        &server.get("/whoami", &twice),
        400,
        r#"error="invalid_request", "#,
    );

    assert_eq!(server.get("/health", &[]).json(), json!({"status": "ok"}));
    let metrics = server.get("/metrics", &[]).body;
    for line in [
        r#"token_validation_total{result="valid"} 3"#,
        r#"token_validation_total{result="expired"} 1"#,
        r#"jwks_fetch_total{outcome="success"} 1"#,
    ] {
        assert!(metrics.lines().any(|own| own == line), "{line}: {metrics}");
    }
    let metadata = server
        .get("/.well-known/oauth-protected-resource", &[])
        .json();
    assert_eq!(metadata["resource"], AUDIENCE);
    assert_eq!(metadata["authorization_servers"], json!([provider.issuer]));
}

#[test]
fn without_a_provider_it_starts_and_lets_nobody_in() {
    let check = |url: &str| {
        let server = Running::start(&[("RS_DISCOVERY_URL", url), ("RS_AUDIENCE", AUDIENCE)]);
        let server = server.unwrap();
        assert_eq!(server.get("/health", &[]).status, 200);
        let token = Provider::start("", &[]).token(&json!({}));
        let answer = server.get_with("/whoami", &token);
        assert_eq!(answer.status, 503, "{url}");
        assert_eq!(answer.values("retry-after").len(), 1);
        assert_eq!(server.get("/whoami", &[]).status, 401);
    };
    check(&Provider::start("", &[]).issuer);
    let provider = Provider::start("", &[]);
    provider.put(
        OIDC,
        json!({"issuer": "https://another.example", "jwks_uri": "https://a/"}),
    );
    check(&provider.issuer);
}

#[test]
fn a_provider_that_comes_up_later_is_found() {
    let provider = Provider::start("", &[]);
    let server = provider.resource_server(&provider.issuer);
    let token = provider.token(&json!({}));
    assert_eq!(server.get_with("/whoami", &token).status, 503);
    let jwks_uri = format!("{}/jwks", provider.base);
    provider.put(
        OIDC,
        json!({"issuer": provider.issuer, "jwks_uri": jwks_uri}),
    );
    while server.get_with("/whoami", &token).status != 200 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_wrong_variable_is_named() {
    let check = |variables: &[(&str, &str)], named: &str| {
        let error = Running::start(variables).err().unwrap();
        assert!(error.contains(named), "{error}");
    };
    let url = ("RS_DISCOVERY_URL", "http://127.0.0.1:8080");
    check(&[], "RS_DISCOVERY_URL is not set");
    check(&[("RS_DISCOVERY_URL", " ")], "RS_DISCOVERY_URL is not set");
    check(
        &[("RS_DISCOVERY_URL", "127.0.0.1:8080")],
        "is no http or https URL",
    );
    check(&[url], "RS_AUDIENCE is not set");
}
