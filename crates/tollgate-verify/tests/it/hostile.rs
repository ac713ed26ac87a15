//! Tokens and keys made to get past a careless verifier: each gets a typed error, and none gets a
//! request out of it.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tollgate_verify::jose::{Algorithm, JwkSet, Limits, SigningKey, VerifyingKey, compact};
use tollgate_verify::{Error, Verifier};

use crate::client::fake::{JWKS, METADATA, scene};
use crate::provider::{
    AUDIENCE, ISSUER, KEY, NOW, changed, good, jwk_set, outcome_of, sign_with, token, with,
};

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of the issuer's with a header and a payload of any content.
fn with_header(header: &str, payload: &str) -> String {
    let mut token = String::new();
    compact(&b64(header), payload.as_bytes(), &KEY, &mut token).unwrap();
    token
}

/// Tokens that cannot be good whatever the keys, and what becomes of them.
fn hopeless() -> Vec<(String, &'static str)> {
    let payload = good().to_string();
    let good = token(&good());
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else {
        panic!("a token has three parts")
    };
    let header = |json: &str| with_header(json, &payload);
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(10_000), close.repeat(10_000));
        format!(r#"{{"alg":"ES256","x":{open}1{close}}}"#)
    };
    let mut tokens = vec![
        (String::new(), "malformed"),
        (".".repeat(1 << 20), "too_large"),
        (".".repeat(1000), "malformed"),
        ("A".repeat(1 << 20), "too_large"),
        (format!("{head}.{body}"), "malformed"),
        (format!("{good}."), "malformed"),
        (format!(".{good}"), "malformed"),
        (format!("{head}..{signature}."), "malformed"),
        (header("{}"), "malformed"),
        (header("[]"), "malformed"),
        (header(r#"{"alg":"ES256","alg":"ES256"}"#), "malformed"),
        (header(r#"{"alg":"HS256","alg":"ES256"}"#), "malformed"),
        (header(r#"{"alg":"ES256","\u0061lg":"none"}"#), "malformed"),
        (header(&deep("[", "]")), "too_large"),
        (header(&deep(r#"{"x":"#, "}")), "too_large"),
    ];
    for none in ["none", "None", "NONE", "nOnE", "nonE", " none", "none ", ""] {
        let json = format!(r#"{{"alg":"{none}"}}"#);
        tokens.push((header(&json), "unsupported_alg"));
        tokens.push((format!("{}.{body}.", b64(&json)), "unsupported_alg"));
    }
    for crit in [
        "[]",
        r#"["exp"]"#,
        r#"["b64"]"#,
        r#"["alg"]"#,
        r#""exp""#,
        "null",
        "true",
        "1",
        "{}",
        "[1]",
    ] {
        let json = format!(r#"{{"alg":"ES256","exp":1,"crit":{crit}}}"#);
        tokens.push((header(&json), "critical_header"));
    }
    for unencoded in [
        r#"{"alg":"ES256","b64":false}"#,
        r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#,
    ] {
        tokens.push((header(unencoded), "critical_header"));
        let plain = payload.replace('.', "");
        let plain = format!("{}.{plain}.{signature}", b64(unencoded));
        tokens.push((plain, "critical_header"));
    }
    // RFC 7516: five parts, and what is left of them in three.
    let jwe = b64(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#);
    tokens.push((format!("{jwe}.AA.AA.AA.AA"), "malformed"));
    tokens.push((format!("{jwe}....AA"), "malformed"));
    tokens.push((format!("{jwe}.{body}.{signature}"), "unsupported_alg"));
    let direct = b64(r#"{"alg":"dir","enc":"A256GCM"}"#);
    tokens.push((format!("{direct}..AA.AA.AA"), "malformed"));
    tokens
}

#[test]
fn hopeless_tokens_cost_no_request() {
    let scene = scene();
    for (bad, code) in hopeless() {
        assert_eq!(scene.outcome(&bad), code, "{bad:.200}");
    }
    let requests = (scene.fake.requests(METADATA), scene.fake.requests(JWKS));
    assert_eq!(requests, (0, 0));
    assert_eq!(scene.outcome(&token(&good())), "ok");
}

#[test]
fn forms_that_decode_to_the_same_are_refused() {
    let scene = scene();
    let good = token(&good());
    assert_eq!(scene.outcome(&good), "ok");
    let parts: Vec<&str> = good.split('.').collect();
    for position in 0..3 {
        let part = parts[position];
        let next = char::from(part.as_bytes()[part.len() - 1] + 1);
        let mut forms = vec![
            format!("{part}="),
            format!("{part}=="),
            format!(" {part}"),
            format!("{part} "),
            format!("{part}\n"),
            format!("{part}\r\n"),
            format!("{}+{}", &part[..4], &part[5..]),
            format!("{}/{}", &part[..4], &part[5..]),
            format!("{}%41{}", &part[..4], &part[5..]),
            format!("{}\0{}", &part[..4], &part[5..]),
            format!("{}é{}", &part[..4], &part[5..]),
        ];
        if position == 2 {
            // Spare bits: the 86th character of 64 bytes has four of them.
            forms.push(format!("{}{next}", &part[..part.len() - 1]));
        }
        for form in forms {
            let mut changed = parts.clone();
            changed[position] = &form;
            let bad = changed.join(".");
            assert_eq!(scene.outcome(&bad), "malformed", "{position} {form}");
        }
    }
    assert_eq!(scene.fake.requests(JWKS), 1);
}

#[test]
fn depth_is_bounded_where_size_is_not() {
    let limits = Limits {
        token_bytes_max: 1 << 20,
        header_bytes_max: 1 << 20,
    };
    let builder = || crate::provider::builder().limits(limits);
    for (open, close) in [("[", "]"), (r#"{"x":"#, "}")] {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        let payload = good()
            .to_string()
            .replacen('{', &format!(r#"{{"x":{deep},"#), 1);
        let signed = sign_with(&KEY, "at+jwt", payload.as_bytes());
        assert_eq!(outcome_of(builder(), &signed), "malformed");
        let header = format!(r#"{{"alg":"ES256","x":{deep}}}"#);
        let signed = with_header(&header, &good().to_string());
        assert_eq!(outcome_of(builder(), &signed), "malformed");
    }
    let broad = with("x", json!(vec![json!([]); 10_000]));
    assert_eq!(outcome_of(builder(), &token(&broad)), "ok");
}

#[test]
fn keys_in_headers_are_no_keys() {
    let (_, attacker) = SigningKey::generate(Algorithm::ES256).unwrap();
    let jwk = serde_json::to_value(attacker.public_jwk().unwrap()).unwrap();
    let url = "https://evil.example/keys";
    let scene = scene();
    assert_eq!(scene.outcome(&token(&good())), "ok");
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!(["MIIB"])),
        ("x5t#S256", json!("AAAA")),
    ] {
        for kid in [KEY.kid(), attacker.kid()] {
            let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid, name: value});
            let mut forged = String::new();
            let payload = good().to_string();
            compact(
                &b64(header.to_string()),
                payload.as_bytes(),
                &attacker,
                &mut forged,
            )
            .unwrap();
            let expected = if kid == KEY.kid() {
                "signature"
            } else {
                "key_not_found"
            };
            assert_eq!(scene.outcome(&forged), expected, "{header}");
        }
        // Nor do they stand in a good token's way.
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid(), name: value});
        let signed = with_header(&header.to_string(), &good().to_string());
        assert_eq!(scene.outcome(&signed), "ok", "{header}");
    }
    assert_eq!(scene.fake.requests(url), 0);
}

/// An HMAC token with any secret, made without the library's own scruples.
fn forge(alg: &str, kid: Option<&str>, secret: &[u8]) -> String {
    let algorithm = match alg {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    };
    let mut header = json!({"alg": alg, "typ": "at+jwt"});
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    let input = format!("{}.{}", b64(header.to_string()), b64(good().to_string()));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
    format!("{input}.{}", b64(tag))
}

/// A public key in every form in which it may be lying around.
fn public_forms(der: &[u8], jwk: &Value) -> Vec<Vec<u8>> {
    let lines: Vec<String> = STANDARD
        .encode(der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8(line.to_vec()).unwrap())
        .collect();
    let pem = |newline: &str| {
        let body = lines.join(newline);
        format!("-----BEGIN PUBLIC KEY-----{newline}{body}{newline}-----END PUBLIC KEY-----")
    };
    let mut forms: Vec<Vec<u8>> = vec![der.to_vec(), STANDARD.encode(der).into_bytes()];
    for newline in ["\n", "\r\n"] {
        forms.push(pem(newline).into_bytes());
        forms.push((pem(newline) + newline).into_bytes());
    }
    forms.push(jwk.to_string().into_bytes());
    forms.push(serde_json::to_vec_pretty(jwk).unwrap());
    forms.push(json!({ "keys": [jwk] }).to_string().into_bytes());
    for member in ["n", "x"] {
        if let Some(value) = jwk[member].as_str() {
            forms.push(value.as_bytes().to_vec());
            forms.push(URL_SAFE_NO_PAD.decode(value).unwrap());
        }
    }
    forms
}

static RSA: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

#[test]
fn a_public_key_is_no_secret_in_any_form() {
    let rsa: PublicKeyX509Der<'_> = RSA.public_key().as_der().unwrap();
    let n = b64(RSA.public_key().modulus().big_endian_without_leading_zero());
    let ec = serde_json::to_value(KEY.public_jwk().unwrap()).unwrap();
    let ec_der = {
        // SubjectPublicKeyInfo of a P-256 point (RFC 5480).
        let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(ec[name].as_str().unwrap()).unwrap();
        let head = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
        [head.as_slice(), &coordinate("x"), &coordinate("y")].concat()
    };
    let keys = [
        (
            rsa.as_ref().to_vec(),
            json!({"kty": "RSA", "n": n, "e": "AQAB"}),
        ),
        (ec_der, ec),
    ];
    for (der, jwk) in keys {
        let verifier = || {
            Verifier::builder()
                .issuer(ISSUER)
                .audience(AUDIENCE)
                .keys([VerifyingKey::from_spki_der(&der).unwrap()])
        };
        for secret in public_forms(&der, &jwk) {
            for alg in ["HS256", "HS384", "HS512"] {
                let forged = forge(alg, None, &secret);
                assert_eq!(outcome_of(verifier(), &forged), "alg_not_allowed");
                // Even where a policy asks for shared secrets.
                let lenient = verifier().algorithms([alg.parse().unwrap()]);
                assert_ne!(outcome_of(lenient, &forged), "ok");
            }
        }
    }
}

#[test]
fn ecdsa_signatures_have_one_form() {
    for (alg, half) in [
        (Algorithm::ES256, 32),
        (Algorithm::ES384, 48),
        (Algorithm::ES512, 66),
    ] {
        let (_, key) = SigningKey::generate(alg).unwrap();
        let verifier = Verifier::builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .jwk_set(&jwk_set(&[&key]))
            .build()
            .unwrap();
        let signed = sign_with(&key, "at+jwt", good().to_string().as_bytes());
        let (input, signature) = signed.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let check = |signature: &[u8], expected: &str, what: &str| {
            let token = format!("{input}.{}", b64(signature));
            let result = verifier.verify_at(&token, NOW);
            let outcome = result.as_ref().map_or_else(Error::code, |_| "ok");
            assert_eq!(outcome, expected, "{alg} {what}");
        };
        check(&signature, "ok", "as it is");
        let (r, s) = signature.split_at(half);
        let (zero, ones) = (vec![0; half], vec![0xff; half]);
        let mut one = zero.clone();
        one[half - 1] = 1;
        let der = |r: &[u8], s: &[u8]| {
            let integer = |half: &[u8]| {
                let mut out = vec![2, u8::try_from(half.len() + 1).unwrap(), 0];
                out.extend_from_slice(half);
                out
            };
            let body = [integer(r), integer(s)].concat();
            let mut out = vec![0x30];
            if body.len() > 127 {
                out.push(0x81);
            }
            out.push(u8::try_from(body.len()).unwrap());
            out.extend(body);
            out
        };
        for (what, bad) in [
            ("empty", Vec::new()),
            ("r alone", r.to_vec()),
            ("a byte less", signature[..2 * half - 1].to_vec()),
            ("a byte less in front", signature[1..].to_vec()),
            ("a zero more", [&signature[..], &[0]].concat()),
            ("a zero more in front", [&[0], &signature[..]].concat()),
            ("a zero more before each", [&[0], r, &[0], s].concat()),
            ("twice", [&signature[..], &signature[..]].concat()),
            ("swapped", [s, r].concat()),
            ("zeros", [&zero[..], &zero].concat()),
            ("r zero", [&zero[..], s].concat()),
            ("s zero", [r, &zero].concat()),
            ("r one", [&one[..], s].concat()),
            ("ones", [&one[..], &one].concat()),
            ("beyond the order", [&ones[..], &ones].concat()),
            ("DER", der(r, s)),
            ("huge", vec![1; 2000]),
        ] {
            check(&bad, "signature", what);
        }
    }
}

/// A modulus in which the generator of CVE-2017-15361 could have had its hand: modulo each of the
/// small primes it is a power of 65537.
const ROCA: &str = concat!(
    "7jQLnP-zepicpUTmu3gKLHiQHT-zNzh2hRGjBhevoB1L9RIvNEVUxTveLruM0rfj0WAK1jHDhaXX",
    "zOI8d4VFmtvBtMkA_-SNV1tdpcY4BAEl9l2w_j4kSUt26phkV9mGCE_tCLl4r019GWp0RqhrWACe",
    "Y2thHbFiEbZamq3_KcXlLZxQjFAjRzRNjAetkcvWBor8df9ikvBioJyjgcieced7mprp4wsNvbb1",
    "EKJk753ngVAde2uSronrBZxat0PbZ1humPrSfaC5lovAOaHvNMk5ubjlI6i--J1HhgjF7PbKNYdY",
    "-yzZk6w7shmNS9uPTJrP2-vXv8ME09e3u1SpoQ",
);

#[test]
fn weak_keys_are_named() {
    let (_, rsa) = SigningKey::generate(Algorithm::RS256).unwrap();
    let jwk = rsa.public_jwk().unwrap();
    let signed = sign_with(&rsa, "at+jwt", good().to_string().as_bytes());
    let check = |change: &dyn Fn(&mut Value), expected: &str, what: &str| {
        let keys = json!({ "keys": [changed(&jwk, change)] });
        let set = JwkSet::from_slice(keys.to_string().as_bytes()).unwrap();
        let builder = Verifier::builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .jwk_set(&set);
        assert_eq!(outcome_of(builder, &signed), expected, "{what}");
    };
    check(&|_| {}, "ok", "sound");
    check(&|jwk| jwk["e"] = json!("AQ"), "weak_key", "e = 1");
    check(&|jwk| jwk["e"] = json!("Ag"), "weak_key", "e = 2");
    check(&|jwk| jwk["e"] = json!("AQAA"), "weak_key", "e even");
    let bits = |bits: usize| b64(vec![0xfd; bits / 8]);
    check(&|jwk| jwk["n"] = json!(bits(1024)), "weak_key", "1024 bits");
    check(&|jwk| jwk["n"] = json!(bits(2040)), "weak_key", "2040 bits");
    check(
        &|jwk| jwk["n"] = json!(bits(16_384)),
        "weak_key",
        "16384 bits",
    );
    check(&|jwk| jwk["n"] = json!(ROCA), "weak_key", "ROCA");
    // Its neighbour at a distance of 24 has not the fingerprint, just another's signature.
    let neighbour = format!("{}uQ", &ROCA[..340]);
    check(&|jwk| jwk["n"] = json!(neighbour), "signature", "no ROCA");
    for (alg, len) in [
        (Algorithm::HS256, 31),
        (Algorithm::HS384, 47),
        (Algorithm::HS512, 63),
    ] {
        assert!(VerifyingKey::hmac(alg, &vec![7; len]).is_err(), "{alg}");
        assert!(VerifyingKey::hmac(alg, &vec![7; len + 1]).is_ok(), "{alg}");
    }
}
