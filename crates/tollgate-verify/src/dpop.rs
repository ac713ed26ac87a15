//! Proofs of possession: DPoP (RFC 9449) and client certificates (RFC 8705).

use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_jose::{Algorithm, Compact, Jwk, Limits, SigningKey, VerifyingKey, sha256_base64url};
use tollgate_protocol::UnixSeconds;
use zeroize::Zeroizing;

use crate::claims::Confirmation;
use crate::http_url::normalized;
use crate::lock::lock;
use crate::replays::Replays;

/// Longest proof, in bytes; one with an RSA-4096 key has about 2 KiB.
const PROOF_BYTES_MAX: usize = 8 * 1024;
/// Longest `jti`, in bytes.
const JTI_BYTES_MAX: usize = 512;
/// How far in the future a proof's `iat` may lie.
const FUTURE_MAX: Duration = Duration::from_secs(10);

/// What came with a token to prove possession of the key that it is bound to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Presented<'p> {
    /// The `DPoP` header and the request that it was made for.
    pub proof: Option<Proof<'p>>,
    /// The client's certificate in DER form, as the TLS layer has verified possession of it.
    pub certificate: Option<&'p [u8]>,
}

/// A DPoP proof and the request that it has to fit.
#[derive(Clone, Copy)]
pub struct Proof<'p> {
    /// The value of the one `DPoP` header; more than one is an error for the caller to refuse.
    pub jwt: &'p str,
    /// The method of the request.
    pub method: &'p str,
    /// The URL of the request as the client sees it: scheme, host, path.
    pub url: &'p str,
}

impl std::fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proof")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// Why a proof of possession does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// Not a JWS with the claims of RFC 9449 §4.2.
    #[error("malformed")]
    Malformed,
    /// `typ` is not `dpop+jwt`.
    #[error("wrong type")]
    Type,
    /// `alg` is no asymmetric algorithm.
    #[error("algorithm not allowed")]
    Algorithm,
    /// `jwk` is missing, weak, or has private members.
    #[error("unusable key")]
    Key,
    /// The signature does not match the proof's own key.
    #[error("signature mismatch")]
    Signature,
    /// `htm` or `htu` are of another request.
    #[error("made for another request")]
    Request,
    /// `iat` is too old or in the future.
    #[error("not of now")]
    Time,
    /// `ath` is not the hash of this token.
    #[error("made for another token")]
    Token,
    /// A nonce is demanded, and the proof has none or an old one.
    #[error("nonce missing or old")]
    Nonce,
    /// The proof has been seen before.
    #[error("replayed")]
    Replayed,
    /// No more proofs can be remembered, so replays could not be told.
    #[error("too many proofs")]
    StoreFull,
    /// The proof's key or the certificate is not the one that the token is bound to.
    #[error("token bound to another key")]
    Binding,
}

/// How proofs are judged.
#[derive(Clone)]
#[non_exhaustive]
pub struct DpopSettings {
    /// How old a proof may be.
    pub age_max: Duration,
    /// How many proofs are remembered; when more arrive within their life time, they are refused. The
    /// last quarter is for keys that do not hold a quarter already, so that no client can take it
    /// all.
    pub proofs_max: usize,
    /// The algorithms accepted; shared secrets never are.
    pub algorithms: Vec<Algorithm>,
    /// A secret of at least 32 bytes: when there is one, proofs must carry a nonce made from it
    /// (RFC 9449 §9).
    pub nonce_secret: Option<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for DpopSettings {
    /// Whoever has the secret makes nonces for every instance, so it is not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DpopSettings")
            .field("age_max", &self.age_max)
            .field("proofs_max", &self.proofs_max)
            .field("algorithms", &self.algorithms)
            .field("nonce_secret", &self.nonce_secret.is_some())
            .finish()
    }
}

impl Default for DpopSettings {
    fn default() -> Self {
        let asymmetric = Algorithm::ALL.into_iter().filter(|alg| !alg.is_symmetric());
        Self {
            age_max: Duration::from_secs(60),
            proofs_max: 100_000,
            algorithms: asymmetric.collect(),
            nonce_secret: None,
        }
    }
}

/// Judges proofs and remembers them.
pub(crate) struct Dpop {
    age_max: Duration,
    algorithms: Vec<Algorithm>,
    nonce_key: Option<SigningKey>,
    replays: Mutex<Replays>,
}

/// A proof that is genuine and fits the request; replay not yet checked.
pub(crate) struct GenuineProof {
    pub(crate) thumbprint: String,
    pub(crate) id: String,
    pub(crate) iat: UnixSeconds,
}

impl Dpop {
    /// # Errors
    /// [`tollgate_jose::KeyError`] for a nonce secret that is too short.
    pub(crate) fn new(settings: DpopSettings) -> Result<Self, tollgate_jose::KeyError> {
        let nonce_key = settings.nonce_secret.as_ref();
        let nonce_key = nonce_key.map(|secret| SigningKey::hmac(Algorithm::HS256, secret));
        let algorithms = settings
            .algorithms
            .into_iter()
            .filter(|alg| !alg.is_symmetric());
        Ok(Self {
            age_max: settings.age_max,
            algorithms: algorithms.collect(),
            nonce_key: nonce_key.transpose()?,
            replays: Mutex::new(Replays::new(settings.proofs_max)),
        })
    }

    /// The algorithms that proofs may be signed with.
    #[cfg(feature = "tower")]
    pub(crate) fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// The nonce to hand out now, if one is demanded.
    pub(crate) fn nonce(&self, now: UnixSeconds) -> Option<String> {
        self.nonce_of(self.period(now))
    }

    /// All checks of RFC 9449 §4.3 but the replay.
    pub(crate) fn check(
        &self,
        proof: &Proof<'_>,
        token: &str,
        now: UnixSeconds,
    ) -> Result<GenuineProof, ProofError> {
        let limits = Limits {
            token_bytes_max: PROOF_BYTES_MAX,
            ..Limits::default()
        };
        let parsed = Compact::parse(proof.jwt, &limits).map_err(|_| ProofError::Malformed)?;
        if !parsed.header().is_typ("dpop+jwt") {
            return Err(ProofError::Type);
        }
        if !self.algorithms.contains(&parsed.header().algorithm()) {
            return Err(ProofError::Algorithm);
        }
        let jwk = proof_key(&parsed)?;
        let key = VerifyingKey::from_jwk(&jwk).map_err(|_| ProofError::Key)?;
        let payload = parsed.verify(&key).map_err(|_| ProofError::Signature)?;
        let claims: ProofClaims =
            serde_json::from_slice(payload.as_bytes()).map_err(|_| ProofError::Malformed)?;
        self.check_claims(&claims, proof, token, now)?;
        let thumbprint = jwk.thumbprint_base64url();
        // One key's ids are not another's.
        let id = sha256_base64url(format!("{thumbprint}.{}", claims.jti).as_bytes());
        let iat = UnixSeconds(claims.iat);
        Ok(GenuineProof {
            thumbprint,
            id,
            iat,
        })
    }

    /// Remembers a proof, or refuses it for having been seen. To be called last, when all else is
    /// known to be good, so that nobody without a token can fill the memory.
    pub(crate) fn remember(
        &self,
        proof: &GenuineProof,
        now: UnixSeconds,
    ) -> Result<(), ProofError> {
        let mut replays = lock(&self.replays);
        replays.insert(proof, now, self.age_max)
    }

    fn check_claims(
        &self,
        claims: &ProofClaims,
        proof: &Proof<'_>,
        token: &str,
        now: UnixSeconds,
    ) -> Result<(), ProofError> {
        if claims.jti.is_empty() || claims.jti.len() > JTI_BYTES_MAX {
            return Err(ProofError::Malformed);
        }
        let claimed = normalized(&claims.htu).ok_or(ProofError::Malformed)?;
        if claims.htm != proof.method || Some(claimed) != normalized(proof.url) {
            return Err(ProofError::Request);
        }
        let iat = UnixSeconds(claims.iat);
        if now > iat.plus(self.age_max) || iat > now.plus(FUTURE_MAX) {
            return Err(ProofError::Time);
        }
        if claims.ath.as_deref() != Some(&sha256_base64url(token.as_bytes())) {
            return Err(ProofError::Token);
        }
        if self.nonce_key.is_some() {
            let period = self.period(now);
            let accepted = [
                self.nonce_of(period),
                self.nonce_of(period.saturating_sub(1)),
            ];
            if claims.nonce.is_none() || !accepted.contains(&claims.nonce) {
                return Err(ProofError::Nonce);
            }
        }
        Ok(())
    }

    /// Nonces change with the age that proofs may have; the one before is still accepted.
    fn period(&self, now: UnixSeconds) -> u64 {
        now.0 / self.age_max.as_secs().max(1)
    }

    fn nonce_of(&self, period: u64) -> Option<String> {
        let mut nonce = Vec::new();
        self.nonce_key
            .as_ref()?
            .sign(&period.to_be_bytes(), &mut nonce)
            .ok()?;
        String::from_utf8(nonce).ok()
    }
}

/// Checks that everything a token is bound to was presented.
pub(crate) fn check_confirmation(
    confirmation: &Confirmation,
    proof: Option<&GenuineProof>,
    certificate: Option<&[u8]>,
) -> Result<(), ProofError> {
    let Confirmation {
        jkt,
        x5t_s256,
        has_unknown,
    } = confirmation;
    if *has_unknown || (jkt.is_none() && x5t_s256.is_none()) {
        return Err(ProofError::Binding);
    }
    // RFC 9449 §7.1: a proof goes with a token that is bound to the proof's key, and to no other kind.
    if proof.is_some() && jkt.is_none() {
        return Err(ProofError::Binding);
    }
    if let Some(jkt) = jkt
        && proof.is_none_or(|proof| proof.thumbprint != **jkt)
    {
        return Err(ProofError::Binding);
    }
    if let Some(expected) = x5t_s256
        && certificate.is_none_or(|der| sha256_base64url(der) != **expected)
    {
        return Err(ProofError::Binding);
    }
    Ok(())
}

#[derive(Deserialize)]
struct ProofClaims {
    jti: String,
    htm: String,
    htu: String,
    iat: u64,
    ath: Option<String>,
    nonce: Option<String>,
}

/// The public key in a proof's header: the one place where a token brings its own key, which
/// shows possession of that key and nothing else.
fn proof_key(parsed: &Compact<'_>) -> Result<Jwk, ProofError> {
    #[derive(Deserialize)]
    struct Header {
        jwk: Box<RawValue>,
    }
    const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    let header: Header = parsed.unverified_header_as().map_err(|_| ProofError::Key)?;
    let members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(header.jwk.get()).map_err(|_| ProofError::Key)?;
    if PRIVATE.iter().any(|member| members.contains_key(*member)) {
        return Err(ProofError::Key);
    }
    Jwk::from_slice(header.jwk.get().as_bytes()).map_err(|_| ProofError::Key)
}
