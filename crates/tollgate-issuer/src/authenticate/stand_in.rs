//! Keys that stand in for those of clients that do not exist, so that an assertion in the name of
//! nobody costs what one in the name of somebody costs.

use tollgate_jose::{Algorithm, Compact, Header, JwkSet, KeySet, VerifiedPayload, VerifyingKey};

/// A public key of every kind that a client may have. Nothing is ever let in on the word of one.
///
/// RSA keys of clients may be longer than the 2048 bits of the one here; those take longer.
const DOCUMENT: &str = r#"{"keys":[
{"kty":"EC","crv":"P-256","x":"rpT-v41IEusVGxXg_suEf5EWUilPsClGvWfVeBPIo5A",
 "y":"7u7LTIeVlQ-qsMh55rzbGi4VP63maFYHj0oVZmc3mwU"},
{"kty":"EC","crv":"P-384","x":"ZdBLJzEqJwHMDokyuS9_DJxMV2G_nC5V4EX1F-UgrRGUuXZuaqZAw5SVhsHFhJqh",
 "y":"mysB9169NCLnKeUo6H_RNlH6bRQ0HPfnixevb8onMuE6ZMmBRznDS3lyBX9RkFNZ"},
{"kty":"EC","crv":"P-521",
 "x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
 "y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"},
{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
{"kty":"RSA","e":"AQAB","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"}
]}"#;

/// The keys, prepared once.
pub(crate) struct StandIns(KeySet);

impl StandIns {
    pub(crate) fn new() -> Self {
        let set = JwkSet::from_slice(DOCUMENT.as_bytes()).unwrap_or_default();
        Self(KeySet::from_jwk_set(&set).0)
    }

    /// The key for assertions of `algorithm`; none where no client has a key either.
    fn key(&self, algorithm: Algorithm) -> Option<&VerifyingKey> {
        self.0.find(algorithm, None).ok()
    }
}

/// The key that an assertion is checked with.
#[derive(Debug)]
pub(super) enum Judge<'a> {
    /// The client's own.
    Client(&'a VerifyingKey),
    /// There is no such client, or it has no such key.
    StandIn(&'a VerifyingKey),
    /// Nobody can have a key for the algorithm.
    Nobody,
}

impl<'a> Judge<'a> {
    /// For an assertion with `header`, in the name of the client with the keys `own`, if there is
    /// one that may do anything.
    pub(super) fn of(header: &Header, own: Option<&'a KeySet>, stand_ins: &'a StandIns) -> Self {
        let algorithm = header.algorithm();
        let own = own.and_then(|keys| keys.find(algorithm, header.kid()).ok());
        match (own, stand_ins.key(algorithm)) {
            (Some(key), _) => Self::Client(key),
            (None, Some(key)) => Self::StandIn(key),
            (None, None) => Self::Nobody,
        }
    }

    /// What `unverified` says, if the client signed it.
    ///
    /// # Security
    ///
    /// The signature is checked whoever judges: how long a refusal takes must not tell which
    /// clients there are and which keys they have. What a key that stands in finds is dropped.
    pub(super) fn verify(&self, unverified: &Compact<'_>) -> Option<VerifiedPayload<'static>> {
        match self {
            Self::Client(key) => unverified.verify(key).ok(),
            Self::StandIn(key) => {
                let payload = std::hint::black_box(unverified.verify(key));
                drop(payload);
                None
            }
            Self::Nobody => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tollgate_jose::{Limits, SigningKey, compact, encode_header};

    use super::*;

    /// The private half of the Ed25519 key above (RFC 8037 §A.1), as PKCS #8.
    const PRIVATE: &str = "302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc4\
                           4449c5697b326919703bac031cae7f60";

    fn assertion(key: &SigningKey, kid: &str) -> String {
        let header = encode_header(key.algorithm(), kid, "JWT");
        let mut assertion = String::new();
        compact(&header, b"{}", key, &mut assertion).unwrap();
        assertion
    }

    #[test]
    fn there_is_one_for_every_algorithm_that_a_client_may_sign_with() {
        let keys = StandIns::new();
        for algorithm in Algorithm::ALL {
            let key = keys.key(algorithm);
            assert_eq!(key.is_some(), !algorithm.is_symmetric(), "{algorithm}");
            assert!(key.is_none_or(|key| key.allows(algorithm)), "{algorithm}");
        }
    }

    #[test]
    fn whoever_is_named_one_signature_is_checked() {
        let stand_ins = StandIns::new();
        let (_, key) = SigningKey::generate(Algorithm::ES256).unwrap();
        let own: KeySet = [VerifyingKey::from_jwk(&key.public_jwk().unwrap()).unwrap()]
            .into_iter()
            .collect();
        let (_, other) = SigningKey::generate(Algorithm::EdDSA).unwrap();
        for (what, own, signed, judge, counts) in [
            (
                "its key",
                Some(&own),
                assertion(&key, key.kid()),
                "Client",
                true,
            ),
            (
                "unknown",
                None,
                assertion(&key, key.kid()),
                "StandIn",
                false,
            ),
            (
                "no keys",
                Some(&KeySet::default()),
                assertion(&key, key.kid()),
                "StandIn",
                false,
            ),
            (
                "another kid",
                Some(&own),
                assertion(&key, "x"),
                "StandIn",
                false,
            ),
            (
                "another algorithm",
                Some(&own),
                assertion(&other, key.kid()),
                "StandIn",
                false,
            ),
        ] {
            let unverified = Compact::parse(&signed, &Limits::default()).unwrap();
            let chosen = Judge::of(unverified.header(), own, &stand_ins);
            assert!(
                format!("{chosen:?}").starts_with(judge),
                "{what}: {chosen:?}"
            );
            assert_eq!(chosen.verify(&unverified).is_some(), counts, "{what}");
        }
        let secret = SigningKey::hmac(Algorithm::HS256, &[7; 32]).unwrap();
        let signed = assertion(&secret, "x");
        let unverified = Compact::parse(&signed, &Limits::default()).unwrap();
        let chosen = Judge::of(unverified.header(), Some(&own), &stand_ins);
        assert!(matches!(chosen, Judge::Nobody), "{chosen:?}");
    }

    #[test]
    fn nobody_is_let_in_by_a_key_that_stands_in() {
        let bytes = PRIVATE.as_bytes().chunks(2);
        let der: Vec<u8> = bytes
            .map(|hex| u8::from_str_radix(str::from_utf8(hex).unwrap(), 16).unwrap())
            .collect();
        let key = SigningKey::from_pkcs8(Algorithm::EdDSA, &der).unwrap();
        let signed = assertion(&key, key.kid());
        let unverified = Compact::parse(&signed, &Limits::default()).unwrap();
        let stand_ins = StandIns::new();
        let judge = Judge::of(unverified.header(), None, &stand_ins);
        let Judge::StandIn(key) = &judge else {
            panic!("{judge:?}");
        };
        assert!(unverified.verify(key).is_ok(), "the signature is good");
        assert!(judge.verify(&unverified).is_none(), "and does not count");
    }
}
