//! The master key: what every other secret at rest is sealed under or derived from.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Prk, Salt},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use tollgate_protocol::{Entropy, UnixSeconds, entropy::EntropyUnavailable};
use zeroize::Zeroizing;

/// The first byte of what is sealed: AES-256-GCM with a random nonce, as written here.
const VERSION: u8 = 1;
const TAG_LEN: usize = 16;
const SEAL_LABEL: &str = "signing key seal";

/// 32 secret bytes from a file, the environment or a key service.
///
/// # Security
///
/// Whoever has it and the store can sign as the issuer. It is wiped when dropped, redacted in
/// `Debug`, and used through derived keys alone, one a purpose.
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    root: Prk,
}

/// The text is no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMasterKey {
    /// Neither 64 hexadecimal digits, nor base64 of 32 bytes, nor 32 raw bytes.
    #[error("a master key is 32 bytes: 64 hexadecimal digits, base64, or raw")]
    Form,
    /// 32 characters of text: a password or half a hexadecimal key, not 256 random bits.
    #[error("the master key is 32 characters of text; it must be 32 random bytes")]
    Text,
    /// One byte, again and again.
    #[error("the master key is not random")]
    Constant,
}

/// What was sealed cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Sealed under another master key, for another key, or changed since.
    #[error("a signing key was sealed under another master key, or was changed since")]
    Rejected,
    /// Too short, or of a version unknown here.
    #[error("a sealed signing key is malformed, or of a later version")]
    Malformed,
    /// The cipher failed to seal.
    #[error("a signing key could not be sealed")]
    Failed,
}

/// What a sealed key belongs to; it opens for nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Associated<'a> {
    pub(crate) kid: &'a str,
    pub(crate) algorithm: &'a str,
    pub(crate) created_at: UnixSeconds,
}

impl Associated<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.created_at.0.to_be_bytes().to_vec();
        for part in [self.algorithm, self.kid] {
            // With its length before it, no part can run into the next.
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

impl MasterKey {
    /// The key made of 32 random bytes.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let root = Salt::new(HKDF_SHA256, &[]).extract(bytes.as_slice());
        Self { bytes, root }
    }

    /// A new key.
    ///
    /// # Errors
    ///
    /// When the generator does not deliver.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyUnavailable> {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(bytes.as_mut_slice())?;
        Ok(Self::new(bytes))
    }

    /// Reads what a key file or variable holds: 64 hexadecimal digits, base64 in either alphabet,
    /// or 32 raw bytes. Space around text does not count.
    ///
    /// # Errors
    ///
    /// When it is none of these, or clearly not random.
    pub fn parse(content: &[u8]) -> Result<Self, InvalidMasterKey> {
        let text = content.trim_ascii();
        let mut bytes = Zeroizing::new([0; 32]);
        if let Some(decoded) = decode_hex(text).or_else(|| decode_base64(text)) {
            *bytes = *decoded;
        } else if content.len() == bytes.len() {
            bytes.copy_from_slice(content);
            if bytes
                .iter()
                .all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r'))
            {
                return Err(InvalidMasterKey::Text);
            }
        } else if text.len() == bytes.len() && text.is_ascii() {
            return Err(InvalidMasterKey::Text);
        } else {
            return Err(InvalidMasterKey::Form);
        }
        if bytes.iter().all(|byte| Some(byte) == bytes.first()) {
            return Err(InvalidMasterKey::Constant);
        }
        Ok(Self::new(bytes))
    }

    /// The key as the hexadecimal text of a key file.
    ///
    /// # Security
    ///
    /// For the file that is made at the first start, mode 0600, and nothing else.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        for byte in self.bytes.iter() {
            for nibble in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(nibble), 16));
            }
        }
        text
    }

    /// The key for one purpose (HKDF-SHA-256, RFC 5869).
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "32 bytes are far below the 8160 that HKDF can give"
    )]
    pub fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        self.root
            .expand(&[b"tollgate ", label.as_bytes()], HKDF_SHA256)
            .and_then(|output| output.fill(key.as_mut_slice()))
            .expect("HKDF gives 32 bytes");
        key
    }

    /// Seals `plain`, which opens again only for the same `associated`.
    pub(crate) fn seal(
        &self,
        plain: &[u8],
        associated: &Associated<'_>,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, crate::IssuerError> {
        let nonce: [u8; NONCE_LEN] = tollgate_protocol::entropy::random(entropy)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plain.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        let mut body = plain.to_vec();
        // Sealed in place: the plain text is gone from `body` once this returns.
        self.cipher()?
            .seal_in_place_append_tag(
                // A handful of keys a year under 96 random bits: nonces do not collide.
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated.bytes()),
                &mut body,
            )
            .map_err(|_| SealError::Failed)?;
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens what [`MasterKey::seal`] sealed.
    pub(crate) fn open(
        &self,
        sealed: &[u8],
        associated: &Associated<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let Some((&VERSION, rest)) = sealed.split_first() else {
            return Err(SealError::Malformed);
        };
        let (nonce, body) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(SealError::Malformed)?;
        let mut plain = Zeroizing::new(body.to_vec());
        let length = self
            .cipher()?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(associated.bytes()),
                plain.as_mut_slice(),
            )
            .map_err(|_| SealError::Rejected)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }

    fn cipher(&self) -> Result<LessSafeKey, SealError> {
        UnboundKey::new(&AES_256_GCM, self.derive(SEAL_LABEL).as_slice())
            .map(LessSafeKey::new)
            .map_err(|_| SealError::Failed)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey(…)")
    }
}

fn decode_hex(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let text: &[u8; 64] = text.try_into().ok()?;
    let mut bytes = Zeroizing::new([0; 32]);
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    for (byte, pair) in bytes.iter_mut().zip(text.as_chunks::<2>().0) {
        let [high, low] = *pair;
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

fn decode_base64(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    // The decoder wants room for what the length could at most decode to.
    let mut room = Zeroizing::new([0; 36]);
    if !(43..=44).contains(&text.len()) {
        return None;
    }
    let length = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD]
        .into_iter()
        .find_map(|engine| engine.decode_slice(text, room.as_mut_slice()).ok())?;
    room.get(..length)?.try_into().ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IssuerError;

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
            for byte in bytes {
                *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            Ok(())
        }
    }

    fn entropy() -> Counting {
        Counting(std::sync::atomic::AtomicU8::new(0))
    }

    const ASSOCIATED: Associated<'_> = Associated {
        kid: "k1",
        algorithm: "ES256",
        created_at: UnixSeconds(7),
    };

    #[test]
    fn every_form_of_a_key_is_the_same_key() {
        let key = MasterKey::generate(&entropy()).unwrap();
        let raw: Vec<u8> = (0..32).collect();
        let hex = key.to_hex();
        assert!(
            hex.starts_with("000102") && hex.ends_with("1e1f"),
            "{hex:?}"
        );
        for form in [
            hex.as_bytes(),
            format!(" {}\r\n", hex.to_uppercase()).as_bytes(),
            STANDARD.encode(&raw).as_bytes(),
            format!("{}\n", URL_SAFE_NO_PAD.encode(&raw)).as_bytes(),
            &raw,
        ] {
            let parsed = MasterKey::parse(form).unwrap();
            assert_eq!(parsed.derive("a"), key.derive("a"), "{form:?}");
        }
        assert_ne!(key.derive("a"), key.derive("b"));
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
    }

    /// RFC 5869 with an empty salt, worked out by Python's `hmac`.
    #[test]
    fn derived_keys_are_those_of_the_standard() {
        let key = MasterKey::generate(&entropy()).unwrap();
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        assert_eq!(
            hex(key.derive("backup").as_slice()),
            "b3e4604d23377933e50e1a72f61fd6ca13dd122aebe92e2a167cf9bb404284aa"
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for (content, cause) in [
            (&b""[..], InvalidMasterKey::Form),
            (b"secret", InvalidMasterKey::Form),
            (&[b'a'; 63], InvalidMasterKey::Form),
            (b"correct horse battery staple ok!", InvalidMasterKey::Text),
            (
                b"0123456789abcdef0123456789abcdef\n",
                InvalidMasterKey::Text,
            ),
            (&[b'0'; 64], InvalidMasterKey::Constant),
            (&[0; 32], InvalidMasterKey::Constant),
            (&[200; 33], InvalidMasterKey::Form),
        ] {
            assert_eq!(MasterKey::parse(content).unwrap_err(), cause, "{content:?}");
        }
    }

    #[test]
    fn what_was_sealed_opens_for_the_same_key_alone() {
        let master = MasterKey::generate(&entropy()).unwrap();
        let sealed = master.seal(b"private", &ASSOCIATED, &entropy()).unwrap();
        assert_eq!(
            master.open(&sealed, &ASSOCIATED).unwrap().as_slice(),
            b"private"
        );
        assert!(!sealed.windows(7).any(|window| window == b"private"));

        for other in [
            Associated {
                kid: "k2",
                ..ASSOCIATED
            },
            Associated {
                algorithm: "EdDSA",
                ..ASSOCIATED
            },
            Associated {
                created_at: UnixSeconds(8),
                ..ASSOCIATED
            },
            Associated {
                kid: "56k1",
                algorithm: "ES2",
                ..ASSOCIATED
            },
        ] {
            assert_eq!(
                master.open(&sealed, &other).unwrap_err(),
                SealError::Rejected,
                "{other:?}"
            );
        }
        let stranger = MasterKey::new(Zeroizing::new([9; 32]));
        assert_eq!(
            stranger.open(&sealed, &ASSOCIATED).unwrap_err(),
            SealError::Rejected
        );
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(
                master.open(&changed, &ASSOCIATED).is_err(),
                "byte {position}"
            );
            assert!(
                master.open(&sealed[..position], &ASSOCIATED).is_err(),
                "cut at {position}"
            );
        }
    }

    #[test]
    fn nothing_is_sealed_without_randomness() {
        struct Dry;
        impl Entropy for Dry {
            fn fill(&self, _: &mut [u8]) -> Result<(), EntropyUnavailable> {
                Err(EntropyUnavailable)
            }
        }
        let master = MasterKey::generate(&entropy()).unwrap();
        let error = master.seal(b"private", &ASSOCIATED, &Dry).unwrap_err();
        assert!(matches!(error, IssuerError::Entropy(_)), "{error}");
        assert!(MasterKey::generate(&Dry).is_err());
    }
}
