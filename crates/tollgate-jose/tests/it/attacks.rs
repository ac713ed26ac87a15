//! Tokens made to be taken for something that they are not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use tollgate_jose::{
    Algorithm, Compact, Detached, Limits, ParseError, Part, SigningKey, VerifyError, VerifyingKey,
};

fn b64(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn parse(token: &str) -> Result<Compact<'_>, ParseError> {
    Compact::parse(token, &Limits::default())
}

/// Parses a token with the given header JSON.
fn parse_header(header: &str) -> Result<(), ParseError> {
    parse(&format!("{}.e30.AA", b64(header))).map(|_| ())
}

#[test]
fn headers_are_judged() {
    let check = |header: &str, expected: Result<(), ParseError>| {
        assert_eq!(parse_header(header), expected, "{header}");
    };
    let unsupported = Err(ParseError::UnsupportedAlgorithm);
    for none in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        " none",
        "RS256 ",
        "rs256",
        "ES256K",
        "dir",
        "SLH-DSA-SHA2-128s",
        "PBES2-HS256+A128KW",
    ] {
        check(&format!(r#"{{"alg":"{none}"}}"#), unsupported);
    }
    for alg in Algorithm::ALL {
        check(&format!(r#"{{"alg":"{alg}"}}"#), Ok(()));
        assert_eq!(alg.name().parse(), Ok(alg));
    }
    check(r#"{"alg":"Ed25519"}"#, Ok(()));
    check(r#" { "alg" : "ES256" } "#, Ok(()));
    check(r#"{"alg":"\u0045S256"}"#, Ok(()));
    check(r#"{}"#, Err(ParseError::MissingAlgorithm));

    let malformed = Err(ParseError::Header);
    for header in [
        "",
        "null",
        "[]",
        r#""ES256""#,
        r#"{"alg":"ES256"}{}"#,
        r#"{"alg":"ES256""#,
        r#"{"alg":"ES256",}"#,
        r#"{"alg":["ES256"]}"#,
        r#"{"alg":null}"#,
        r#"{"alg":256}"#,
        r#"{"alg":"ES256","kid":1}"#,
        r#"{"alg":"ES256","kid":null}"#,
        r#"{"alg":"ES256","typ":{}}"#,
        r#"{"alg":"ES256","b64":"false"}"#,
        r#"{"alg":"ES256","x":[[[[[[[[[1]]]]]]]]]}"#,
        "{\"alg\":\"ES256\",\"x\":\"\n\"}",
    ] {
        check(header, malformed);
    }
    check(
        &format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(128)),
        Ok(()),
    );
    check(
        &format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(129)),
        malformed,
    );
    let invalid_utf8 = format!("{}.e30.AA", b64(b"{\"alg\":\"ES256\",\"x\":\"\xff\"}"));
    assert_eq!(parse(&invalid_utf8).unwrap_err(), ParseError::Header);
}

#[test]
fn duplicate_members_are_refused() {
    for header in [
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"HS256","alg":"ES256"}"#,
        r#"{"alg":"ES256","\u0061lg":"none"}"#,
        r#"{"alg":"ES256","kid":"a","kid":"b"}"#,
        r#"{"alg":"ES256","x":1,"y":2,"x":3}"#,
    ] {
        assert_eq!(
            parse_header(header),
            Err(ParseError::DuplicateMember),
            "{header}"
        );
    }
    let inside = r#"{"alg":"ES256","jwk":{"kty":"EC","crv":"x","kty":"oct"}}"#;
    assert_eq!(parse_header(inside), Err(ParseError::Header));
    assert!(parse_header(&inside.replacen("kty", "kid", 1)).is_ok());
    let many: Vec<String> = (0..70).map(|i| format!(r#""m{i}":0"#)).collect();
    let header = format!(r#"{{"alg":"ES256",{}}}"#, many.join(","));
    assert_eq!(parse_header(&header), Err(ParseError::DuplicateMember));
}

#[test]
fn critical_headers_are_refused() {
    for crit in [
        r#"[]"#,
        r#"["exp"]"#,
        r#"["b64"]"#,
        r#"["alg"]"#,
        r#"["http://example.com/unknown"]"#,
        r#""exp""#,
        "null",
        "true",
        "{}",
        "[1]",
        r#"["b64","b64"]"#,
    ] {
        let header = format!(r#"{{"alg":"ES256","crit":{crit},"exp":1}}"#);
        assert_eq!(
            parse_header(&header),
            Err(ParseError::CriticalHeader),
            "{header}"
        );
    }
}

#[test]
fn unencoded_payloads_are_refused_unless_detached() {
    let plain = r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#;
    assert_eq!(parse_header(plain), Err(ParseError::UnencodedPayload));
    assert_eq!(parse_header(r#"{"alg":"HS256","b64":true}"#), Ok(()));

    let detached = |header: &str, payload: &str| {
        let token = format!("{}.{payload}.AA", b64(header));
        Detached::parse(&token, &Limits::default()).map(|_| ())
    };
    assert_eq!(detached(plain, ""), Ok(()));
    assert_eq!(detached(plain, "e30"), Err(ParseError::NotDetached));
    let uncritical = r#"{"alg":"HS256","b64":false}"#;
    assert_eq!(detached(uncritical, ""), Err(ParseError::CriticalHeader));
    for crit in [r#"["b64","exp"]"#, r#"["b64","b64"]"#, "[]"] {
        let header = format!(r#"{{"alg":"HS256","b64":false,"crit":{crit}}}"#);
        assert_eq!(
            detached(&header, ""),
            Err(ParseError::CriticalHeader),
            "{crit}"
        );
    }
}

#[test]
fn shapes_are_judged() {
    let head = b64(r#"{"alg":"ES256"}"#);
    let check = |token: &str, expected: ParseError| {
        assert_eq!(parse(token).unwrap_err(), expected, "{token:.80}");
    };
    for token in [
        "",
        ".",
        "a",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        "....",
        &format!("{head}.e30"),
    ] {
        check(token, ParseError::NotThreeParts);
    }
    check("..", ParseError::Header);
    check(&".".repeat(1 << 20), ParseError::TooLarge);
    check(
        &format!("{head}.{}.AA", "A".repeat(16 * 1024)),
        ParseError::TooLarge,
    );
    check(
        &format!("{}.e30.AA", "A".repeat(8 * 1024)),
        ParseError::TooLarge,
    );
    let nested = format!(
        r#"{{"alg":"ES256","x":{}1{}}}"#,
        "[".repeat(1000),
        "]".repeat(1000)
    );
    check(&format!("{}.e30.AA", b64(nested)), ParseError::Header);
    for broken in [
        format!("{head}="),
        format!(" {head}"),
        format!("{head}\n"),
        head.replace('J', "+"),
        format!("{}!", &head[..head.len() - 1]),
        // The same bytes with other trailing bits.
        b64(r#"{"alg":"ES256" }"#).replace("fQ", "fR"),
    ] {
        check(
            &format!("{broken}.e30.AA"),
            ParseError::Base64(Part::Header),
        );
    }
}

#[test]
fn payload_and_signature_must_be_canonical() {
    let key = SigningKey::hmac(Algorithm::HS256, &[7; 32]).unwrap();
    let verifier = VerifyingKey::hmac(Algorithm::HS256, &[7; 32]).unwrap();
    let check = |payload: &str, change: &dyn Fn(String) -> String, expected: VerifyError| {
        let mut token = format!("{}.{payload}", b64(r#"{"alg":"HS256"}"#)).into_bytes();
        let mut signature = Vec::new();
        key.sign(&token, &mut signature).unwrap();
        token.push(b'.');
        token.extend_from_slice(change(String::from_utf8(signature).unwrap()).as_bytes());
        let token = String::from_utf8(token).unwrap();
        let outcome = parse(&token).unwrap().verify(&verifier);
        assert_eq!(outcome.unwrap_err(), expected, "{token}");
    };
    // The signature is genuine in these: the payload alone is at fault.
    for payload in ["e30=", "e3 0", "e30\n", "e31", "e", "e3+0", "é"] {
        check(
            payload,
            &|signature| signature,
            VerifyError::Base64(Part::Payload),
        );
    }
    check(
        "e30",
        &|signature| signature + "=",
        VerifyError::Base64(Part::Signature),
    );
    check(
        "e30",
        &|signature| signature + "\n",
        VerifyError::Base64(Part::Signature),
    );
    check(
        "e30",
        &|signature| signature + "AA",
        VerifyError::Base64(Part::Signature),
    );
    check(
        "e30",
        &|signature| signature[..40].to_owned(),
        VerifyError::Signature,
    );
    check("e30", &|_| String::new(), VerifyError::Signature);
    check("e30", &|_| "A".repeat(43), VerifyError::Signature);
    check("e30", &|_| "A".repeat(8192), VerifyError::Signature);
}

#[test]
fn public_keys_are_no_hmac_secrets() {
    for alg in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let (_, signer) = SigningKey::generate(alg).unwrap();
        let jwk = signer.public_jwk().unwrap();
        let victim = VerifyingKey::from_jwk(&jwk).unwrap();
        let json = serde_json::to_string(&jwk).unwrap();
        for secret in [json.as_bytes(), &json.as_bytes()[1..]] {
            let forger = SigningKey::hmac(Algorithm::HS256, secret).unwrap();
            let mut token = String::new();
            let header = tollgate_jose::encode_header(Algorithm::HS256, signer.kid(), "at+jwt");
            tollgate_jose::compact(&header, b"{}", &forger, &mut token).unwrap();
            let outcome = parse(&token).unwrap().verify(&victim);
            let expected = VerifyError::AlgorithmNotAllowed(Algorithm::HS256);
            assert_eq!(outcome.unwrap_err(), expected, "{alg}");
        }
    }
}

#[test]
fn keys_in_headers_are_not_looked_at() {
    let (_, own) = SigningKey::generate(Algorithm::ES256).unwrap();
    let (_, attacker) = SigningKey::generate(Algorithm::ES256).unwrap();
    let jwk = serde_json::to_string(&attacker.public_jwk().unwrap()).unwrap();
    let header = b64(format!(
        r#"{{"alg":"ES256","jwk":{jwk},"jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","x5c":["AA"]}}"#
    ));
    let mut token = String::new();
    tollgate_jose::compact(&header, b"{}", &attacker, &mut token).unwrap();
    let victim = VerifyingKey::from_jwk(&own.public_jwk().unwrap()).unwrap();
    assert_eq!(
        parse(&token).unwrap().verify(&victim).unwrap_err(),
        VerifyError::Signature
    );
}

#[test]
fn ecdsa_signatures_have_one_form() {
    let (_, signer) = SigningKey::generate(Algorithm::ES256).unwrap();
    let key = VerifyingKey::from_jwk(&signer.public_jwk().unwrap()).unwrap();
    let mut encoded = Vec::new();
    signer.sign(b"input", &mut encoded).unwrap();
    let good = URL_SAFE_NO_PAD.decode(encoded).unwrap();
    assert_eq!(key.verify(Algorithm::ES256, b"input", &good), Ok(()));
    let (r, s) = good.split_at(32);
    let swapped = [s, r].concat();
    let doubled = [&[0; 32], r, &[0; 32], s].concat();
    let trailing = [good.as_slice(), &[0]].concat();
    let der = [&[0x30, 68, 2, 32], r, &[2, 32], s].concat();
    for bad in [
        &[][..],
        &[0; 64],
        &good[..63],
        r,
        &swapped,
        &doubled,
        &trailing,
        &der,
    ] {
        assert_eq!(
            key.verify(Algorithm::ES256, b"input", bad),
            Err(VerifyError::Signature)
        );
    }
}

#[test]
fn debug_output_hides_the_token() {
    let key = SigningKey::hmac(Algorithm::HS256, &[7; 32]).unwrap();
    let mut token = String::new();
    let header = tollgate_jose::encode_header(Algorithm::HS256, "k", "JWT");
    tollgate_jose::compact(&header, br#"{"sub":"alice"}"#, &key, &mut token).unwrap();
    let parsed = parse(&token).unwrap();
    for part in token.split('.') {
        assert!(!format!("{parsed:?}").contains(part));
    }
    let verifier = VerifyingKey::hmac(Algorithm::HS256, &[7; 32]).unwrap();
    let shown = format!(
        "{:?} {verifier:?} {key:?}",
        parsed.verify(&verifier).unwrap()
    );
    assert!(
        !shown.contains("alice") && !shown.contains("7, 7"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn parsing_never_panics(token in "\\PC{0,200}") {
        let _ = parse(&token);
        let _ = Detached::parse(&token, &Limits::default());
    }

    #[test]
    fn parsing_header_bytes_never_panics(header in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&format!("{}.e30.AA", b64(header)));
    }

    #[test]
    fn parsing_almost_headers_never_panics(
        header in r#"\{("alg"|"crit"|"kid"|"b64"|"x"|:|,|"ES256"|\[|\]|\{|\}|1|null|\\){0,12}\}"#
    ) {
        let _ = parse_header(&header);
    }
}
