//! Opaque tokens: their shape, their checksum, and nothing of what they stand for.

use std::{fmt, str::FromStr};

use zeroize::Zeroize;

use crate::base62;

/// What an opaque token is for; the first five characters say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// An access token, `tgat_…`.
    Access,
    /// A token that is redeemed once, `tgot_…`.
    OneTime,
    /// A refresh token, `tgrt_…`.
    Refresh,
}

impl TokenKind {
    /// The characters that a token of this kind begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Access => "tgat_",
            Self::OneTime => "tgot_",
            Self::Refresh => "tgrt_",
        }
    }

    fn of(text: &str) -> Option<Self> {
        [Self::Access, Self::OneTime, Self::Refresh]
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))
    }
}

/// A well-formed opaque token: prefix, 256 random bits and the CRC-32 of both in base62.
///
/// The checksum lets scanners tell a leaked token from noise, and lets a malformed one be refused
/// without asking the store. It proves nothing: whoever holds 256 bits can add it.
///
/// # Security
///
/// `Debug` shows the kind alone, and the text is wiped when it is dropped. Only a keyed hash of
/// the text may be stored.
#[derive(Clone, PartialEq, Eq)]
pub struct OpaqueToken {
    kind: TokenKind,
    text: [u8; OpaqueToken::LEN],
}

/// The text is no opaque token: wrong length, prefix, digit or checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed opaque token")]
pub struct MalformedToken;

const PREFIX_LEN: usize = 5;
const BODY_LEN: usize = PREFIX_LEN + 43;

impl OpaqueToken {
    /// The length of every opaque token, in characters.
    pub const LEN: usize = BODY_LEN + 6;

    /// The token made of 256 random bits.
    #[must_use]
    pub fn from_random(kind: TokenKind, random: &[u8; 32]) -> Self {
        let mut text = [0; Self::LEN];
        let (body, checksum) = text.split_at_mut(BODY_LEN);
        let (prefix, digits) = body.split_at_mut(PREFIX_LEN);
        prefix.copy_from_slice(kind.prefix().as_bytes());
        if let Ok(digits) = digits.try_into() {
            base62::encode_256(random, digits);
        }
        if let Ok(checksum) = checksum.try_into() {
            base62::encode_32(crc32fast::hash(body), checksum);
        }
        Self { kind, text }
    }

    /// What the token is for.
    #[must_use]
    pub const fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The token as it is sent.
    ///
    /// # Security
    ///
    /// For the reply to the one who asked for it, and for the keyed hash; never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Whether `text` begins like an opaque token, whatever follows.
    #[must_use]
    pub fn has_prefix(text: &str) -> bool {
        TokenKind::of(text).is_some()
    }
}

impl FromStr for OpaqueToken {
    type Err = MalformedToken;

    fn from_str(text: &str) -> Result<Self, MalformedToken> {
        let kind = TokenKind::of(text).ok_or(MalformedToken)?;
        let text: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| MalformedToken)?;
        let (body, checksum) = text.split_at(BODY_LEN);
        let mut expected = [0; 6];
        base62::encode_32(crc32fast::hash(body), &mut expected);
        let (_, digits) = body.split_at(PREFIX_LEN);
        if checksum == expected && digits.iter().all(|digit| base62::is_digit(*digit)) {
            Ok(Self { kind, text })
        } else {
            Err(MalformedToken)
        }
    }
}

impl Drop for OpaqueToken {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}…", self.kind.prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_here_parses() {
        for kind in [TokenKind::Access, TokenKind::OneTime, TokenKind::Refresh] {
            let token = OpaqueToken::from_random(kind, &[7; 32]);
            let text = token.expose().to_owned();
            assert_eq!(text.len(), OpaqueToken::LEN);
            let parsed: OpaqueToken = text.parse().unwrap();
            assert_eq!((parsed.kind(), parsed.expose()), (kind, text.as_str()));

            for position in 0..text.len() {
                for replacement in [b'0', b'z', b'-', b'_', 0, 0xc3] {
                    let mut bytes = text.clone().into_bytes();
                    if bytes[position] == replacement {
                        continue;
                    }
                    bytes[position] = replacement;
                    let Ok(flipped) = String::from_utf8(bytes) else {
                        continue;
                    };
                    assert_eq!(
                        flipped.parse::<OpaqueToken>(),
                        Err(MalformedToken),
                        "{flipped}"
                    );
                }
                assert_eq!(text[..position].parse::<OpaqueToken>(), Err(MalformedToken));
            }
            for extended in [format!("{text}0"), format!(" {text}"), format!("{text} ")] {
                assert_eq!(extended.parse::<OpaqueToken>(), Err(MalformedToken));
            }
        }
    }

    #[test]
    fn debug_shows_no_digit() {
        let token = OpaqueToken::from_random(TokenKind::Access, &[9; 32]);
        assert_eq!(format!("{token:?}"), "tgat_…");
    }
}
