//! What is refused before or by the signature check costs no allocation of ours.

use allocation_counter::measure;
use serde_json::json;

use crate::provider::{NOW, builder, good, sign_with, token, with};

#[test]
fn refusals_up_to_the_signature_allocate_nothing() {
    let verifier = builder().build().unwrap();
    let long = token(&with("scope", json!("orders:read ".repeat(200))));
    let typed = sign_with(
        &crate::provider::KEY,
        "logout+jwt",
        good().to_string().as_bytes(),
    );
    // The library allocates inside its signature check; this is how much.
    let inside = {
        let parsed = tollgate_verify::jose::Compact::parse(
            &typed,
            &tollgate_verify::jose::Limits::default(),
        )
        .unwrap();
        let key = crate::provider::KEY.public_jwk().unwrap();
        let key = tollgate_verify::jose::VerifyingKey::from_jwk(&key).unwrap();
        let mut room = [0; 4096];
        measure(|| {
            let outcome = parsed.verify_in(&key, &mut room);
            std::hint::black_box(outcome.is_ok());
        })
    };
    let check = |token: &str, code: &str, expected: u64| {
        let info = measure(|| {
            assert_eq!(verifier.verify_at(token, NOW).unwrap_err().code(), code);
        });
        assert_eq!(info.count_total, expected, "{code}");
    };
    check("not a token", "malformed", 0);
    check(&format!("{long}="), "malformed", 0);
    check(&".".repeat(20_000), "too_large", 0);
    check(&typed, "token_type", inside.count_total);
}
