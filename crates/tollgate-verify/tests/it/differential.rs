//! Thousands of mutated tokens: whatever PyJWT refuses, we refuse.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use tollgate_verify::Verifier;
use tollgate_verify::client::{Clock as _, SystemClock};
use tollgate_verify::jose::{Algorithm, SigningKey, compact};

use crate::provider::{AUDIENCE, ISSUER, jwk_set};

/// Random enough for mutations, and the same in every run.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

fn sign(key: &SigningKey, header: &Value, payload: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let mut token = String::new();
    compact(&header, payload.as_bytes(), key, &mut token).unwrap();
    token
}

/// A claim or header member replaced, or taken out.
fn put(object: &Value, name: &str, value: Option<&Value>) -> Value {
    let mut members: Map<String, Value> = object.as_object().unwrap().clone();
    match value {
        Some(value) => members.insert(name.to_owned(), value.clone()),
        None => members.remove(name),
    };
    Value::Object(members)
}

/// Values that stand in nobody's way, and values that should.
fn values(now: u64) -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!(now - 1000),
        json!(now + 1000),
        json!(now as f64 + 1000.0),
        json!(now.to_string()),
        json!(""),
        json!("text"),
        json!(ISSUER),
        json!(format!("{ISSUER}/")),
        json!(AUDIENCE),
        json!([]),
        json!({}),
        json!([AUDIENCE]),
        json!([AUDIENCE, 5]),
        json!(["x", "y"]),
        json!([[AUDIENCE]]),
        json!("none"),
        json!("ES256"),
        json!("HS256"),
        json!(["exp"]),
        json!("JWT"),
        json!("at+jwt"),
        json!(false),
        json!("dpop+jwt"),
        json!([null]),
    ]
}

fn tokens(keys: &[SigningKey], now: u64) -> Vec<String> {
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "web", "jti": "1",
        "iat": now - 100, "nbf": now - 100, "exp": now + 1000, "scope": "a b",
    });
    let mut tokens = Vec::new();
    for key in keys {
        let header = json!({"alg": key.algorithm(), "kid": key.kid(), "typ": "at+jwt"});
        let plain = sign(key, &header, &claims.to_string());
        for name in [
            "iss",
            "aud",
            "sub",
            "iat",
            "nbf",
            "exp",
            "jti",
            "scope",
            "client_id",
            "x",
        ] {
            let changed = values(now).into_iter().map(Some).chain([None]);
            tokens.extend(changed.map(|value| {
                sign(
                    key,
                    &header,
                    &put(&claims, name, value.as_ref()).to_string(),
                )
            }));
        }
        for name in ["alg", "kid", "typ", "crit", "b64", "cty", "jwk", "x"] {
            let changed = values(now).into_iter().map(Some).chain([None]);
            tokens.extend(changed.map(|value| {
                sign(
                    key,
                    &put(&header, name, value.as_ref()),
                    &claims.to_string(),
                )
            }));
        }
        for payload in ["", "null", "[]", "\"text\"", "{", "{}", " ", "\u{feff}{}"] {
            tokens.push(sign(key, &header, payload));
        }
        let mut random = Lcg(7);
        for _ in 0..400 {
            let mut bytes = plain.clone().into_bytes();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes[at] = b"AQgw._-=+/ 0"[random.below(12)],
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, b"AQgw._-=+/ 0"[random.below(12)]),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            tokens.push(String::from_utf8(bytes).unwrap());
        }
        tokens.push(plain);
    }
    tokens
}

/// PyJWT's word on each token, if PyJWT is there.
fn judged_by_pyjwt(keys: &[SigningKey], tokens: &[String]) -> Option<Vec<String>> {
    let python = std::env::var("TOLLGATE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_pyjwt = Command::new(&python)
        .args(["-c", "import jwt, cryptography"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_pyjwt {
        eprintln!("skipped: PyJWT is not there");
        return None;
    }
    let set = jwk_set(&keys.iter().collect::<Vec<_>>());
    let setup = json!({"keys": set.keys, "issuer": ISSUER, "audience": AUDIENCE}).to_string();
    let lines = tokens.iter().map(|token| json!(token).to_string());
    let input = std::iter::once(setup)
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/differential.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

#[test]
fn whatever_pyjwt_refuses_is_refused() {
    let now = SystemClock::default().now();
    let keys: Vec<SigningKey> = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256]
        .into_iter()
        .map(|alg| SigningKey::generate(alg).unwrap().1)
        .collect();
    let tokens = tokens(&keys, now.0);
    assert!(tokens.len() > 2000);
    let Some(judged) = judged_by_pyjwt(&keys, &tokens) else {
        return;
    };
    assert_eq!(judged.len(), tokens.len());
    let verifier = Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .jwk_set(&jwk_set(&keys.iter().collect::<Vec<_>>()))
        .algorithms(keys.iter().map(SigningKey::algorithm))
        .build()
        .unwrap();
    let mut both = 0;
    for (token, judged) in tokens.iter().zip(&judged) {
        let is_accepted = verifier.verify_at(token, now).is_ok();
        assert!(!is_accepted || judged == "accepted", "{judged}: {token}");
        both += usize::from(is_accepted);
    }
    // The comparison says nothing when everything is refused.
    assert!(both > 100, "{both}");
}
