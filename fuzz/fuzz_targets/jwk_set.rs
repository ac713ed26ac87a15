//! Key sets: whatever the document, there is an answer, and what is read can be written and read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_verify::jose::{JwkSet, KeySet};

fuzz_target!(|data: &[u8]| {
    let Ok(set) = JwkSet::from_slice(data) else {
        return;
    };
    let (keys, refused) = KeySet::from_jwk_set(&set);
    assert_eq!(keys.keys().len() + refused.len(), set.keys.len());
    let public = JwkSet {
        keys: set
            .keys
            .into_iter()
            .filter(|key| !key.is_symmetric())
            .collect(),
    };
    let written = serde_json_of(&public);
    assert_eq!(
        JwkSet::from_slice(written.as_bytes()).expect("own writing"),
        public
    );
});

fn serde_json_of(set: &JwkSet) -> String {
    serde_json::to_string(set).expect("plain data")
}
