//! Tokens of every key, sound and tampered with; the same mutations in every run.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tollgate_verify::jose::{Algorithm, SigningKey, compact};

use super::{AUDIENCE, ISSUER, NOW};

/// Random mutations of each kind, for each key.
const ROUNDS: usize = 200;
/// What JSON is made of, and what it is not.
const JSON_BYTES: &[u8] = b"{}[]\",:\\0159-+.eE aZ\t\n\0\x7f\x80\xc0\xff";
const TOKEN_BYTES: &[u8] = b"AQgw09._-=+/ \n\0%";

/// Every token, in the order of the keys.
pub(super) fn tokens(keys: &[SigningKey]) -> Vec<String> {
    let mut tokens = Vec::new();
    for (seed, key) in (1..).zip(keys) {
        let mint = Mint { key };
        let mut random = Random(seed);
        tokens.push(mint.plain());
        tokens.extend(mint.with_members_changed());
        tokens.extend(mint.with_odd_payloads());
        tokens.extend(mint.with_mutations(&mut random));
        tokens.extend(mint.with_wrong_signatures(keys, &mut random));
    }
    tokens
}

struct Mint<'k> {
    key: &'k SigningKey,
}

impl Mint<'_> {
    fn header(&self) -> Value {
        json!({"alg": self.key.algorithm(), "kid": self.key.kid(), "typ": "at+jwt"})
    }

    fn plain(&self) -> String {
        self.signed(self.header().to_string(), claims().to_string())
    }

    fn signed(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        sign(self.key, header.as_ref(), payload.as_ref())
    }

    /// Each claim and header member as everything that it should not be, and as what it may be.
    fn with_members_changed(&self) -> Vec<String> {
        let (header, claims) = (self.header(), claims());
        let mut tokens = Vec::new();
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
            "cnf",
            "x",
        ] {
            for payload in changed(&claims, name) {
                tokens.push(self.signed(header.to_string(), payload));
            }
        }
        for name in ["alg", "kid", "typ", "crit", "b64", "cty", "jwk", "x5c", "x"] {
            for header in changed(&header, name) {
                tokens.push(self.signed(header, claims.to_string()));
            }
        }
        tokens
    }

    fn with_odd_payloads(&self) -> Vec<String> {
        let (header, claims) = (self.header().to_string(), claims().to_string());
        let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        let inside = claims.trim_end_matches('}');
        let payloads = [
            String::new(),
            "null".to_owned(),
            "[]".to_owned(),
            "\"text\"".to_owned(),
            "{".to_owned(),
            "{}".to_owned(),
            " ".to_owned(),
            format!("\u{feff}{claims}"),
            format!(" {claims}\n"),
            format!("{claims}{claims}"),
            format!("{claims}\0"),
            format!("{inside},}}"),
            format!("{inside},\"x\":NaN}}"),
            format!("{inside},\"x\":Infinity}}"),
            format!("{inside},\"x\":01}}"),
            format!("{inside},\"x\":\"\\ud800\"}}"),
            format!("{inside},\"x\":{nested}}}"),
            format!("{inside},\"exp\":1}}"),
            format!("{inside},\"\\u0065xp\":1}}"),
            format!("{inside},\"exp\":{}}}", NOW.0 + 500),
            format!("{inside},\"iss\":\"https://other.example\"}}"),
        ];
        payloads
            .iter()
            .map(|payload| self.signed(&header, payload))
            .collect()
    }

    /// Some bytes changed: of the token, and of header and payload before they are signed.
    fn with_mutations(&self, random: &mut Random) -> Vec<String> {
        let (plain, header, claims) = (
            self.plain(),
            self.header().to_string(),
            claims().to_string(),
        );
        let mut tokens = Vec::new();
        for _ in 0..ROUNDS {
            let token = random.mutated(plain.as_bytes(), TOKEN_BYTES);
            tokens.extend(String::from_utf8(token));
            tokens.push(self.signed(&header, random.mutated(claims.as_bytes(), JSON_BYTES)));
            tokens.push(self.signed(random.mutated(header.as_bytes(), JSON_BYTES), &claims));
        }
        tokens
    }

    /// Signatures of others, of other algorithms, cut, flipped, or none at all.
    fn with_wrong_signatures(&self, keys: &[SigningKey], random: &mut Random) -> Vec<String> {
        let (header, claims) = (self.header().to_string(), claims().to_string());
        let mut tokens: Vec<String> = keys
            .iter()
            .filter(|other| other.kid() != self.key.kid())
            .map(|other| sign(other, header.as_bytes(), claims.as_bytes()))
            .collect();
        for none in ["none", "None", "NONE", "nOnE", "", "HS256", "HS512"] {
            let header = json!({"alg": none, "kid": self.key.kid(), "typ": "at+jwt"});
            let input = format!("{}.{}", b64(header.to_string()), b64(&claims));
            tokens.push(format!("{input}."));
            tokens.push(input);
        }
        let jwk = serde_json::to_vec(&self.key.public_jwk().unwrap()).unwrap();
        for algorithm in [Algorithm::HS256, Algorithm::HS512] {
            let confused = SigningKey::hmac(algorithm, &jwk).unwrap();
            let header = json!({"alg": algorithm, "kid": self.key.kid(), "typ": "at+jwt"});
            let header = header.to_string();
            tokens.push(sign(&confused, header.as_bytes(), claims.as_bytes()));
        }
        let plain = self.plain();
        let (input, signature) = plain.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for _ in 0..ROUNDS / 2 {
            let mut bytes = signature.clone();
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, 0),
                2 => bytes.fill(0),
                _ => bytes[at] ^= 1 << random.below(8),
            }
            tokens.push(format!("{input}.{}", b64(bytes)));
        }
        tokens.push(format!("{plain}.{}.{}", b64("a"), b64("b")));
        tokens
    }
}

fn claims() -> Value {
    let now = NOW.0;
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "web", "jti": "1",
        "iat": now - 100, "nbf": now - 100, "exp": now + 1000, "scope": "a b",
    })
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn sign(key: &SigningKey, header: &[u8], payload: &[u8]) -> String {
    let mut token = String::new();
    compact(&b64(header), payload, key, &mut token).unwrap();
    token
}

/// The object with one member in every form, named twice in every form, and taken out.
fn changed(object: &Value, name: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for value in values() {
        let mut members = object.as_object().unwrap().clone();
        members.insert(name.to_owned(), value);
        texts.push(Value::Object(members).to_string());
    }
    let mut members = object.as_object().unwrap().clone();
    let own = members.remove(name).unwrap_or(Value::Null);
    let without = Value::Object(members).to_string();
    let inside = without.trim_end_matches('}');
    texts.push(format!("{inside},\"{name}\":{own},\"{name}\":{own}}}"));
    texts.push(format!("{inside},\"{name}\":0,\"{name}\":{own}}}"));
    texts.push(without);
    texts
}

/// Values that stand in nobody's way, and values that should.
fn values() -> Vec<Value> {
    let now = NOW.0;
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!(now - 1),
        json!(now),
        json!(now + 1),
        json!(now + 1000),
        json!(now as f64 + 0.5),
        json!(now as f64 - 0.5),
        json!(now.to_string()),
        json!(""),
        json!("text"),
        json!(ISSUER),
        json!(format!("{ISSUER}/")),
        json!(ISSUER.to_uppercase()),
        json!([ISSUER]),
        json!(AUDIENCE),
        json!([]),
        json!({}),
        json!([AUDIENCE]),
        json!([AUDIENCE, 5]),
        json!(["x", "y"]),
        json!([[AUDIENCE]]),
        json!("none"),
        json!("ES256"),
        json!("RS256"),
        json!("HS256"),
        json!(["exp"]),
        json!(["b64"]),
        json!("JWT"),
        json!("jwt"),
        json!("at+jwt"),
        json!("AT+JWT"),
        json!("application/at+jwt"),
        json!("dpop+jwt"),
        json!([null]),
        json!({"jkt": "x"}),
    ]
}

/// Random enough for mutations, and the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// `bytes` with up to three changes.
    fn mutated(&mut self, bytes: &[u8], alphabet: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let byte = alphabet[self.below(alphabet.len())];
            match self.below(8) {
                0..3 => bytes[at] = byte,
                3 | 4 => drop(bytes.remove(at)),
                5 | 6 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
            if bytes.is_empty() {
                break;
            }
        }
        bytes
    }
}
