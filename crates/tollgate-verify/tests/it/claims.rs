//! What claims make of a token with a genuine signature.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_verify::danger::{DangerousBuilder, unverified_claims};
use tollgate_verify::{BuildError, Claim, Error, Rejection, TokenType, Verifier};

use crate::provider::{
    AUDIENCE, ISSUER, KEY, NOW, builder, good, jwk_set, outcome, outcome_of, sign_with, token, with,
};

#[test]
fn a_good_token_is_accepted_and_read() {
    let verified = builder()
        .build()
        .unwrap()
        .verify_at(&token(&good()), NOW)
        .unwrap();
    assert_eq!(verified.issuer(), Some(ISSUER));
    assert_eq!(verified.subject(), Some("alice"));
    assert_eq!(verified.client_id(), Some("web"));
    assert_eq!(verified.jwt_id(), Some("1"));
    assert_eq!(verified.audiences().collect::<Vec<_>>(), [AUDIENCE]);
    assert_eq!(
        verified.scopes().collect::<Vec<_>>(),
        ["orders:read", "orders:write"]
    );
    assert!(verified.has_scopes(["orders:write", "orders:read"]));
    assert!(!verified.has_scopes(["orders:read", "orders"]));
    assert!(verified.has_any_scope(["orders", "orders:read"]));
    assert!(!verified.has_any_scope(["orders", "order:read"]));
    assert!(!verified.has_any_scope([]));
    assert_eq!(verified.expires_at().unwrap().0, NOW.0 + 300);
    assert_eq!(verified.issued_at().unwrap().0, NOW.0 - 10);
    assert_eq!(verified.not_before(), None);
    let json: Value = serde_json::from_str(verified.claims_json()).unwrap();
    assert_eq!(json, good());
    assert!(!format!("{verified:?}").contains("alice"));
}

#[test]
fn single_claims() {
    let check = |name: &str, value: Value, expected: &str| {
        let claims = with(name, value);
        assert_eq!(outcome(&token(&claims)), expected, "{claims}");
    };
    let now = NOW.0;

    check("iss", json!(null), "missing_claim");
    check("iss", json!(format!("{ISSUER}/")), "issuer");
    check("iss", json!("https://AS.example"), "issuer");
    check("iss", json!("https://as.exampl"), "issuer");
    check("iss", json!("https://as.example.evil.example"), "issuer");
    check("iss", json!(""), "issuer");
    check("iss", json!(5), "invalid_claim");
    check("iss", json!([ISSUER]), "invalid_claim");

    check("aud", json!([AUDIENCE]), "ok");
    check("aud", json!(["https://other.example", AUDIENCE]), "ok");
    check("aud", json!(null), "missing_claim");
    check("aud", json!("https://other.example"), "audience");
    check("aud", json!([]), "audience");
    check("aud", json!(""), "audience");
    check("aud", json!(format!("{AUDIENCE}/")), "audience");
    check("aud", json!(5), "invalid_claim");
    check("aud", json!({ AUDIENCE: 1 }), "invalid_claim");
    check("aud", json!([AUDIENCE, 5]), "invalid_claim");
    check("aud", json!(vec!["x"; 257]), "invalid_claim");

    check("exp", json!(now + 1), "ok");
    check("exp", json!(null), "missing_claim");
    check("exp", json!(now), "expired");
    check("exp", json!(now - 1), "expired");
    check("exp", json!(0), "expired");
    check("exp", json!((now + 300).to_string()), "invalid_claim");
    check("exp", json!(now as f64 + 300.5), "invalid_claim");
    check("exp", json!(-1), "invalid_claim");
    check("exp", json!((now + 300) * 1000), "invalid_claim");
    check("exp", json!(u64::MAX), "invalid_claim");
    check("exp", json!(true), "invalid_claim");

    check("iat", json!(null), "missing_claim");
    check("iat", json!(now), "ok");
    check("iat", json!(now + 1), "not_yet_valid");
    check("nbf", json!(now), "ok");
    check("nbf", json!(now + 1), "not_yet_valid");
    check("nbf", json!("soon"), "invalid_claim");

    check("sub", json!(5), "invalid_claim");
    check("jti", json!({}), "invalid_claim");
    check("scope", json!(["a", "b"]), "ok");
    check("scope", json!(5), "invalid_claim");
    check("unknown", json!({"deep": [[1]]}), "ok");
}

#[test]
fn payloads_that_json_cannot_hold() {
    let check = |payload: &str, expected: &str| {
        let token = sign_with(&KEY, "at+jwt", payload.as_bytes());
        assert_eq!(outcome(&token), expected, "{payload:.200}");
    };
    let plain = good().to_string();
    let huge = |digits: &str| plain.replace(&(NOW.0 + 300).to_string(), digits);
    check(&plain, "ok");
    check(&plain.replace("alice", r"al\u0069ce"), "ok");
    check(&format!(" {plain}\n"), "ok");
    check(&huge("99999999999999999999999999"), "invalid_claim");
    check(&huge("1e400"), "malformed");
    check(&huge("17e8"), "invalid_claim");
    check(&huge("-0"), "invalid_claim");
    check("", "malformed");
    check("null", "malformed");
    check("[]", "malformed");
    check(r#""text""#, "malformed");
    check(&plain[..plain.len() - 1], "malformed");
    check(&format!("{plain}{{}}"), "malformed");
    check(
        &plain.replacen('{', r#"{"iss":"https://evil.example","#, 1),
        "malformed",
    );
    check(&plain.replacen('{', r#"{"\u0061ud":"x","#, 1), "malformed");
    check(&plain.replacen('{', r#"{"x":1,"x":2,"#, 1), "malformed");
    let nested = r#"{"realm":{"roles":[{"a":1,"b":2}],"ROLES":[]},"#;
    check(&plain.replacen('{', nested, 1), "ok");
    for twice in [r#""roles""#, r#""role\u0073""#] {
        let nested = nested.replace(r#""ROLES""#, twice);
        check(&plain.replacen('{', &nested, 1), "malformed");
    }
    let nested = nested.replace(r#""b""#, r#""a""#);
    check(&plain.replacen('{', &nested, 1), "malformed");
    let many: Vec<String> = (0..200).map(|i| format!("\"r{i}\":1")).collect();
    let many = format!("{{\"x\":{{{}}},", many.join(","));
    check(&plain.replacen('{', &many, 1), "ok");
    let deep = format!(r#"{{"x":{}1{},"#, "[".repeat(5000), "]".repeat(5000));
    check(&plain.replacen('{', &deep, 1), "malformed");
    let deep = format!(r#"{{"x":{}1{},"#, "[".repeat(31), "]".repeat(31));
    check(&plain.replacen('{', &deep, 1), "ok");
    let broad = format!(r#"{{"x":[{}1],"#, "[],".repeat(100));
    check(&plain.replacen('{', &broad, 1), "ok");
    let long = "x".repeat(6000);
    check(&plain.replace("alice", &long), "ok");
    let too_long = "x".repeat(20_000);
    check(&plain.replace("alice", &too_long), "too_large");
    let token = sign_with(&KEY, "at+jwt", b"{\"x\":\"\xff\"}");
    assert_eq!(outcome(&token), "malformed");
}

#[test]
fn leeway_moves_both_ends() {
    let check = |name: &str, value: u64, expected: &str| {
        let builder = builder().leeway(Duration::from_secs(60));
        let token = token(&with(name, json!(value)));
        assert_eq!(outcome_of(builder, &token), expected, "{name} {value}");
    };
    check("exp", NOW.0 - 59, "ok");
    check("exp", NOW.0 - 60, "expired");
    check("nbf", NOW.0 + 60, "ok");
    check("nbf", NOW.0 + 61, "not_yet_valid");
    check("iat", NOW.0 + 60, "ok");
    check("iat", NOW.0 + 61, "not_yet_valid");
}

#[test]
fn maximum_age_cuts_short() {
    let check = |iat: u64, expected: &str| {
        let builder = builder().max_age(Duration::from_secs(100));
        assert_eq!(
            outcome_of(builder, &token(&with("iat", json!(iat)))),
            expected,
            "{iat}"
        );
    };
    check(NOW.0 - 100, "ok");
    check(NOW.0 - 101, "expired");
    let tolerant = || {
        builder()
            .max_age(Duration::from_secs(100))
            .tolerate_missing(Claim::IssuedAt)
    };
    assert_eq!(
        outcome_of(tolerant(), &token(&with("iat", json!(null)))),
        "missing_claim"
    );
}

#[test]
fn more_claims_can_be_required() {
    let builder = || builder().require("tenant").require("iss");
    assert_eq!(outcome_of(builder(), &token(&good())), "missing_claim");
    assert_eq!(
        outcome_of(builder(), &token(&with("tenant", json!("t")))),
        "ok"
    );
    assert_eq!(
        outcome_of(builder(), &token(&with("tenan", json!("t")))),
        "missing_claim"
    );
    // Asked for twice, it still has to be there but once.
    let twice = || builder().require("tenant");
    assert_eq!(
        outcome_of(twice(), &token(&with("tenant", json!("t")))),
        "ok"
    );
    assert_eq!(outcome_of(twice(), &token(&good())), "missing_claim");
}

#[test]
fn only_the_danger_module_tolerates_missing_claims() {
    for (claim, name) in [
        (Claim::Issuer, "iss"),
        (Claim::Audience, "aud"),
        (Claim::ExpiresAt, "exp"),
        (Claim::IssuedAt, "iat"),
    ] {
        let token_without = token(&with(name, json!(null)));
        assert_eq!(outcome(&token_without), "missing_claim", "{name}");
        assert_eq!(
            outcome_of(builder().tolerate_missing(claim), &token_without),
            "ok",
            "{name}"
        );
        let wrong = token(&with(name, json!("")));
        assert_ne!(
            outcome_of(builder().tolerate_missing(claim), &wrong),
            "ok",
            "{name}"
        );
    }
    assert_eq!(
        unverified_claims(&token(&good())).unwrap(),
        good().to_string()
    );
    assert_eq!(unverified_claims("a.b.c").unwrap_err().code(), "malformed");
}

#[test]
fn token_types_are_told_apart() {
    let check = |accepted: TokenType, typ: &str, expected: &str| {
        let token = sign_with(&KEY, typ, good().to_string().as_bytes());
        let builder = builder().token_type(accepted.clone());
        assert_eq!(outcome_of(builder, &token), expected, "{accepted:?} {typ}");
    };
    let any = || TokenType::Any;
    let access = TokenType::default;
    let strict = || TokenType::StrictAccessToken;
    let exact = || TokenType::Exactly("logout+jwt".into());
    check(access(), "at+jwt", "ok");
    check(access(), "AT+JWT", "ok");
    check(access(), "application/at+jwt", "ok");
    check(access(), "JWT", "ok");
    check(access(), "", "ok");
    check(access(), "dpop+jwt", "token_type");
    check(access(), "logout+jwt", "token_type");
    check(access(), "text/at+jwt", "token_type");
    check(strict(), "at+jwt", "ok");
    check(strict(), "JWT", "token_type");
    check(strict(), "", "token_type");
    check(exact(), "logout+jwt", "ok");
    check(exact(), "at+jwt", "token_type");
    check(any(), "dpop+jwt", "ok");
}

#[test]
fn bound_tokens_are_refused_without_proof() {
    let check = |cnf: Value, expected: &str| {
        assert_eq!(
            outcome(&token(&with("cnf", cnf.clone()))),
            expected,
            "{cnf}"
        );
    };
    check(
        json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        "key_binding",
    );
    check(
        json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        "key_binding",
    );
    check(json!({"jwk": {}}), "key_binding");
    check(json!({}), "key_binding");
    check(json!("text"), "invalid_claim");
    check(json!({"jkt": 5}), "invalid_claim");
    let twice = good()
        .to_string()
        .replacen('{', r#"{"cnf":{"jkt":"a","jkt":"b"},"#, 1);
    assert_eq!(
        outcome(&sign_with(&KEY, "at+jwt", twice.as_bytes())),
        "invalid_claim"
    );
}

#[test]
fn own_claims_and_validators() {
    #[derive(Debug, Deserialize)]
    struct Own {
        tenant: String,
        #[serde(default)]
        roles: Vec<String>,
    }
    let verifier = || {
        let builder = Verifier::builder().claims::<Own>();
        builder
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .jwk_set(&jwk_set(&[&KEY]))
    };
    let accepted = verifier().build().unwrap();
    let verified = accepted
        .verify_at(&token(&with("tenant", json!("t1"))), NOW)
        .unwrap();
    assert_eq!(verified.claims().tenant, "t1");
    assert!(verified.into_claims().roles.is_empty());
    let refused = accepted.verify_at(&token(&good()), NOW).unwrap_err();
    assert_eq!(refused, Error::MissingClaim("tenant".into()));
    // What the token says instead is not for the log.
    let misfit = token(&with("tenant", json!({"mail": "alice@x"})));
    let refused = accepted.verify_at(&misfit, NOW).unwrap_err();
    assert!(matches!(refused, Error::OwnClaims { line: 1, .. }));
    assert_eq!(refused.code(), "invalid_claim");
    assert!(!format!("{refused} {refused:?}").contains("alice"));

    let picky = verifier()
        .validate(|token| match token.claims().tenant.as_str() {
            "t1" => Ok(()),
            _ => Err(Rejection::new("foreign tenant")),
        })
        .build()
        .unwrap();
    assert!(
        picky
            .verify_at(&token(&with("tenant", json!("t1"))), NOW)
            .is_ok()
    );
    let refused = picky
        .verify_at(&token(&with("tenant", json!("t2"))), NOW)
        .unwrap_err();
    assert_eq!(refused, Error::Rejected("foreign tenant".into()));
    assert_eq!(refused.code(), "invalid_claim");
}

#[test]
fn azure_style_scopes_are_read() {
    let scopes = |claims: Value| -> Vec<String> {
        let verified = builder()
            .build()
            .unwrap()
            .verify_at(&token(&claims), NOW)
            .unwrap();
        verified.scopes().map(str::to_owned).collect()
    };
    let mut claims = with("scope", json!(null));
    assert!(scopes(claims.clone()).is_empty());
    claims["scp"] = json!(["a", "b"]);
    assert_eq!(scopes(claims.clone()), ["a", "b"]);
    claims["scp"] = json!("a b");
    assert_eq!(scopes(claims), ["a", "b"]);
    let mut both = with("scp", json!("admin"));
    both["scope"] = json!("  x  y ");
    assert_eq!(scopes(both), ["x", "y"]);
}

#[test]
fn builders_refuse_nonsense() {
    use tollgate_verify::jose::Algorithm::{ES256, HS256};
    let check = |outcome: Result<Verifier, BuildError>, expected: BuildError| {
        assert_eq!(outcome.unwrap_err(), expected);
    };
    let set = jwk_set(&[&KEY]);
    let ready = |issuer: &str, audience: &str| {
        Verifier::builder()
            .issuer(issuer)
            .audience(audience)
            .jwk_set(&set)
    };
    check(ready("", "a").build(), BuildError::Empty("issuer"));
    check(ready("i", "").build(), BuildError::Empty("audience"));
    check(
        ready("i", "a").or_audience("").build(),
        BuildError::Empty("audience"),
    );
    check(
        ready("i", "a").or_issuer("i", &set).build(),
        BuildError::IssuerTwice,
    );
    check(
        ready("i", "a").leeway(Duration::from_secs(301)).build(),
        BuildError::Leeway,
    );
    check(
        ready("i", "a").algorithms([]).build(),
        BuildError::Algorithms,
    );
    check(
        ready("i", "a").algorithms([ES256, HS256]).build(),
        BuildError::Algorithms,
    );
    let many = (0..65).fold(ready("i", "a"), |builder, i| {
        builder.require(&i.to_string())
    });
    check(many.build(), BuildError::RequiredClaims);
    // A check that the new claims type would drop.
    let dropped = ready("i", "a").validate(|_| Ok(())).claims::<Value>();
    assert_eq!(dropped.build().unwrap_err(), BuildError::ValidatorLost);
}
