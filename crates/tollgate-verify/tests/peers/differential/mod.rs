//! Thousands of tokens that somebody has tampered with: whatever `jose` or PyJWT refuses, we
//! refuse. The other way round there is nothing to demand: the library is stricter on purpose.

mod judges;
mod mint;

use tollgate_verify::jose::{Algorithm, JwkSet, SigningKey};
use tollgate_verify::{TokenType, UnixSeconds, Verifier};

const ISSUER: &str = "https://as.example";
const AUDIENCE: &str = "https://orders.example";
/// Everybody's clock stands still here.
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::RS256,
    Algorithm::RS512,
    Algorithm::PS256,
];

/// Who signs, and what the others know of it.
struct Signers {
    keys: Vec<SigningKey>,
    set: JwkSet,
}

impl Signers {
    fn generate() -> Self {
        let keys: Vec<SigningKey> = ALGORITHMS
            .into_iter()
            .map(|algorithm| SigningKey::generate(algorithm).unwrap().1)
            .collect();
        let set = JwkSet {
            keys: keys.iter().map(|key| key.public_jwk().unwrap()).collect(),
        };
        Self { keys, set }
    }

    fn verifier(&self, token_type: TokenType) -> Verifier {
        Verifier::builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .jwk_set(&self.set)
            .algorithms(ALGORITHMS)
            .token_type(token_type)
            .build()
            .unwrap()
    }
}

/// Compares with a judge that says one word on each token.
fn compare(judge: impl FnOnce(&Signers, &[String]) -> Option<Vec<String>>, token_type: TokenType) {
    let signers = Signers::generate();
    let tokens = mint::tokens(&signers.keys);
    assert!(tokens.len() > 8000, "{}", tokens.len());
    let Some(judged) = judge(&signers, &tokens) else {
        return;
    };
    assert_eq!(judged.len(), tokens.len());
    let verifier = signers.verifier(token_type);
    let is_ours = |token: &str| verifier.verify_at(token, NOW).is_ok();
    let wrong: Vec<String> = tokens
        .iter()
        .zip(&judged)
        .filter(|(token, judged)| *judged != "accepted" && is_ours(token))
        .map(|(token, judged)| format!("{judged}: {token}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The comparison says nothing when one of the two refuses everything.
    let accepted = tokens.iter().filter(|token| is_ours(token)).count();
    let theirs = judged.iter().filter(|word| *word == "accepted").count();
    assert!(accepted > 1000 && theirs > accepted, "{accepted}, {theirs}");
}

#[test]
fn whatever_jose_refuses_is_refused() {
    compare(judges::jose, TokenType::StrictAccessToken);
}

#[test]
fn whatever_pyjwt_refuses_is_refused() {
    compare(judges::pyjwt, TokenType::AccessToken);
}
