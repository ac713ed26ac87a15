//! Many tokens at once.

use serde_json::json;

use crate::provider::{NOW, builder, token, with};

#[test]
fn results_stand_in_the_order_of_the_tokens() {
    let verifier = builder().build().unwrap();
    for count in [0, 1, 15, 16, 17, 100, 1000] {
        let tokens: Vec<String> = (0..count)
            .map(|i| match i % 3 {
                0 => token(&with("sub", json!(i.to_string()))),
                1 => token(&with("exp", json!(NOW.0))),
                _ => "malformed".to_owned(),
            })
            .collect();
        let borrowed: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let results = verifier.verify_many_at(&borrowed, NOW);
        assert_eq!(results.len(), count);
        for (i, result) in results.iter().enumerate() {
            let outcome = result
                .as_ref()
                .map(|token| token.subject().unwrap().to_owned());
            let expected = match i % 3 {
                0 => Ok(i.to_string()),
                1 => Err("expired"),
                _ => Err("malformed"),
            };
            assert_eq!(outcome.map_err(tollgate_verify::Error::code), expected);
        }
    }
}

#[test]
fn a_panicking_validator_fails_its_share_alone() {
    let verifier = builder()
        .validate(|token| {
            assert_ne!(token.subject(), Some("99"), "a bug of the caller's");
            Ok(())
        })
        .build()
        .unwrap();
    let tokens: Vec<String> = (0..100)
        .map(|i| token(&with("sub", json!(i.to_string()))))
        .collect();
    let borrowed: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let results = verifier.verify_many_at(&borrowed, NOW);
    assert_eq!(results.len(), 100);
    for (i, result) in results.iter().enumerate() {
        let expected = if i < 96 { Ok(()) } else { Err("undecided") };
        let outcome = result.as_ref().map(|_| ());
        assert_eq!(outcome.map_err(tollgate_verify::Error::code), expected);
    }
    let alone = verifier.verify_many_at(&borrowed[98..], NOW);
    assert_eq!(alone[1].as_ref().unwrap_err().code(), "undecided");
}
