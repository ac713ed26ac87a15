//! Where each kind of record lies.
//!
//! Tokens and marks carry a generation in their keys: a restore draws a new one, and what bears an
//! older one is no longer there, though it takes the sweep some time to remove it. Used assertions
//! outlast every restore, so theirs is always the first.

use tollgate_protocol::{ClientId, Now, UnixSeconds};
use tollgate_store::{CutScope, MARKS_OUTLAST, TokenKey};

/// Counts the restores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Generation(pub(crate) u32);

/// The key of a token's row.
pub(crate) type TokenRowKey = [u8; 20];

/// The key of a mark's row.
pub(crate) type MarkRowKey = [u8; 21];

/// What a mark says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MarkKind {
    /// An assertion was used.
    Assertion,
    /// A signed token was revoked.
    Spent,
}

impl MarkKind {
    const fn tag(self) -> u8 {
        match self {
            Self::Assertion => b'a',
            Self::Spent => b's',
        }
    }

    /// The generation that marks of this kind bear while that of the tokens is `current`.
    pub(crate) fn generation(self, current: Generation) -> Generation {
        match self {
            Self::Assertion => Generation::default(),
            Self::Spent => current,
        }
    }

    /// Whether a mark of this kind that expires at `end` may be removed.
    pub(crate) fn is_over(self, end: UnixSeconds, now: Now) -> bool {
        let now = match self {
            Self::Assertion => now.wall,
            Self::Spent => now.steady,
        };
        end.plus(MARKS_OUTLAST) <= now.to_seconds()
    }
}

pub(crate) fn token(generation: Generation, key: TokenKey) -> TokenRowKey {
    let mut row = [0; 20];
    let (head, tail) = row.split_at_mut(4);
    head.copy_from_slice(&generation.0.to_be_bytes());
    tail.copy_from_slice(&key.0);
    row
}

/// The generation and the token of a row's key.
pub(crate) fn parse_token(row: &[u8]) -> Option<(Generation, TokenKey)> {
    let (generation, key) = row.split_first_chunk::<4>()?;
    let key = TokenKey(key.try_into().ok()?);
    Some((Generation(u32::from_be_bytes(*generation)), key))
}

pub(crate) fn mark(kind: MarkKind, generation: Generation, key: TokenKey) -> MarkRowKey {
    let mut row = [0; 21];
    let (head, tail) = row.split_at_mut(1);
    head.fill(kind.tag());
    tail.copy_from_slice(&token(generation, key));
    row
}

/// What a mark's row is about.
pub(crate) fn parse_mark(row: &[u8]) -> Option<(MarkKind, Generation, TokenKey)> {
    let (tag, rest) = row.split_first()?;
    let kind = match tag {
        b'a' => MarkKind::Assertion,
        b's' => MarkKind::Spent,
        _ => return None,
    };
    let (generation, key) = parse_token(rest)?;
    Some((kind, generation, key))
}

/// The row of the on-disk format's number.
pub(crate) const FORMAT: &[u8] = b"v";
/// The row of the [`Generation`].
pub(crate) const GENERATION: &[u8] = b"g";
/// The row of the key ring.
pub(crate) const KEY_RING: &[u8] = b"k";
/// The row of the last commit's number.
pub(crate) const TICK: &[u8] = b"#";
/// What the rows of clients begin with.
pub(crate) const CLIENTS: u8 = b'c';
/// What the rows of cuts begin with.
pub(crate) const CUTS: u8 = b't';
/// What the rows of the counters of live tokens begin with.
pub(crate) const COUNTS: u8 = b'n';

pub(crate) fn client(id: &ClientId) -> Vec<u8> {
    [&[CLIENTS], id.as_str().as_bytes()].concat()
}

pub(crate) fn cut(scope: &CutScope) -> Vec<u8> {
    match scope {
        CutScope::All => vec![CUTS, 0],
        CutScope::Subject(subject) => [&[CUTS, 1], subject.as_str().as_bytes()].concat(),
    }
}

pub(crate) fn count(second: UnixSeconds) -> [u8; 9] {
    let mut row = [COUNTS; 9];
    let (_, tail) = row.split_at_mut(1);
    tail.copy_from_slice(&second.0.to_be_bytes());
    row
}

pub(crate) fn parse_count(row: &[u8]) -> Option<UnixSeconds> {
    let second = row.strip_prefix(&[COUNTS])?.try_into().ok()?;
    Some(UnixSeconds(u64::from_be_bytes(second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: TokenKey = TokenKey([7; 16]);

    #[test]
    fn keys_say_what_they_are_of() {
        let generation = Generation(0x0102_0304);
        assert_eq!(
            parse_token(&token(generation, KEY)),
            Some((generation, KEY))
        );
        for kind in [MarkKind::Assertion, MarkKind::Spent] {
            let row = mark(kind, generation, KEY);
            assert_eq!(parse_mark(&row), Some((kind, generation, KEY)));
            assert_eq!(parse_token(&row), None);
        }
        assert_eq!(parse_count(&count(UnixSeconds(9))), Some(UnixSeconds(9)));
        for stray in [&b""[..], b"n", b"n123", b"x12345678", &[0; 19], &[b'x'; 21]] {
            assert_eq!(parse_token(stray), None);
            assert_eq!(parse_mark(stray), None);
            assert_eq!(parse_count(stray), None);
        }
    }
}
