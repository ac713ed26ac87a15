//! The hash chain: from an event and the hash before it to a line, and back. No files.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

/// The event that begins a file whose chain began in another: its `prev` is the last hash there.
pub(crate) const CONTINUED: &str = "audit_log.continued";

/// What stands between an event's own members and the chain's.
const PREV: &str = ",\"prev\":\"";
const HASH: &str = "\",\"hash\":\"";
const END: &str = "\"}";

/// The hash of a line, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineHash(String);

impl LineHash {
    const DIGITS: usize = 64;

    /// What the first line follows.
    pub(crate) fn start() -> Self {
        Self("0".repeat(Self::DIGITS))
    }

    fn of(prev: &Self, event: &str) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(prev.0.as_bytes());
        context.update(b"\n");
        context.update(event.as_bytes());
        let digest = context.finish();
        Self(
            digest
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }

    /// Reads the hash that [`Display`](fmt::Display) writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == Self::DIGITS && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Appends the line of `event`, a JSON object with members, which follows `prev`; returns its hash.
pub(crate) fn append(lines: &mut String, prev: &LineHash, event: &str) -> LineHash {
    // The object is left open: the chain's members go into it.
    let event = event.strip_suffix('}').unwrap_or(event);
    let hash = LineHash::of(prev, event);
    for part in [event, PREV, &prev.0, HASH, &hash.0, END, "\n"] {
        lines.push_str(part);
    }
    hash
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Break {
    /// It does not end with the chain's members.
    #[error("not a line of an audit log")]
    Malformed,
    /// It does not follow the line before.
    #[error("it does not follow the line before: lines were removed, put in or moved")]
    Order,
    /// Its hash is another's.
    #[error("it was changed after it was written")]
    Changed,
    /// It has no end.
    #[error("it is cut off: the server died while writing it, or somebody cut it")]
    Truncated,
}

/// Checks that `line`, without its line feed, follows `prev`; returns its hash.
///
/// # Errors
///
/// Says what is wrong with it.
pub(crate) fn check(prev: &LineHash, line: &str) -> Result<LineHash, Break> {
    let (event, own_prev, hash) = parts(line)?;
    if own_prev != *prev {
        return Err(Break::Order);
    }
    if LineHash::of(prev, event) == hash {
        Ok(hash)
    } else {
        Err(Break::Changed)
    }
}

/// What `line` says that it follows, if it is one of an audit log.
pub(crate) fn follows(line: &str) -> Option<LineHash> {
    parts(line).ok().map(|(_, prev, _)| prev)
}

/// The event, the hash of the line before and the line's own.
fn parts(line: &str) -> Result<(&str, LineHash, LineHash), Break> {
    let (rest, hash) = split(line.strip_suffix(END).ok_or(Break::Malformed)?, HASH)?;
    let (event, prev) = split(rest, PREV)?;
    Ok((event, prev, hash))
}

/// What `line`, the first of a file, follows if it carries on the chain of another.
pub(crate) fn continued(line: &str) -> Option<LineHash> {
    #[derive(serde::Deserialize)]
    struct First<'a> {
        event: &'a str,
        prev: &'a str,
    }
    let first: First<'_> = serde_json::from_str(line).ok()?;
    LineHash::parse(first.prev).filter(|_| first.event == CONTINUED)
}

fn split<'a>(text: &'a str, mark: &str) -> Result<(&'a str, LineHash), Break> {
    let (head, hash) = text.rsplit_once(mark).ok_or(Break::Malformed)?;
    Ok((head, LineHash::parse(hash).ok_or(Break::Malformed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_and_follows_the_one_before() {
        let mut lines = String::new();
        let first = append(&mut lines, &LineHash::start(), r#"{"event":"a"}"#);
        let second = append(
            &mut lines,
            &first,
            r#"{"event":"b","target":"\",\"prev\":\""}"#,
        );
        let lines: Vec<&str> = lines.lines().collect();
        let value: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
        assert_eq!(value["event"], "b");
        assert_eq!(value["prev"], first.to_string());
        assert!(check(&LineHash::start(), lines[0]).is_ok_and(|hash| hash == first));
        assert!(check(&first, lines[1]).is_ok_and(|hash| hash == second));
    }

    #[test]
    fn every_change_of_a_line_is_seen() {
        let mut line = String::new();
        append(
            &mut line,
            &LineHash::start(),
            r#"{"event":"client.deleted","target":"shop"}"#,
        );
        let line = line.trim_end();
        for at in 0..line.len() {
            let mut bytes = line.as_bytes().to_vec();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(check(&LineHash::start(), &changed).is_err(), "byte {at}");
            assert!(
                check(&LineHash::start(), &line[..at]).is_err(),
                "cut at {at}"
            );
        }
    }
}
