//! How a ring of keys changes; pure, so that every instance changes it alike.

use std::time::Duration;

use tollgate_protocol::UnixSeconds;
use tollgate_store::StoredKey;

/// The most keys that are published at once: what cautious validators still read of a JWKS.
pub(super) const KEYS_MAX: usize = 100;
/// The most revoked keys that are remembered: for ever, so that no old backup brings one back.
const REVOKED_MAX: usize = 100;

/// Whether `key` is of the line of `algorithm` and neither retired nor revoked at `now`: it signs
/// or will sign.
pub(super) fn is_current(key: &StoredKey, algorithm: &str, now: UnixSeconds) -> bool {
    key.algorithm == algorithm
        && key.revoked_at.is_none()
        && key.retired_at.is_none_or(|retired_at| retired_at > now)
}

/// How many keys are published.
pub(super) fn published(keys: &[StoredKey]) -> usize {
    keys.iter().filter(|key| key.revoked_at.is_none()).count()
}

/// Adds `key`, which takes over from the one that signs when it begins; each key stays in the JWKS
/// for `keep` after its last signature.
pub(super) fn add(keys: &mut Vec<StoredKey>, key: StoredKey, keep: Duration, now: UnixSeconds) {
    let algorithm = key.algorithm.clone();
    keys.push(key);
    relink(keys, &algorithm, keep, now);
}

/// Withdraws the key `kid`, of which the public half alone is kept.
pub(super) fn revoke(
    keys: &mut [StoredKey],
    kid: &str,
    keep: Duration,
    now: UnixSeconds,
) -> Option<Revoked> {
    let key = keys
        .iter_mut()
        .find(|key| key.kid == kid && key.revoked_at.is_none())?;
    let algorithm = key.algorithm.clone();
    key.revoked_at = Some(now);
    key.gone_at = Some(now);
    key.sealed = Vec::new();
    // A successor that is published already need not wait for its day.
    let mut current: Vec<_> = keys
        .iter_mut()
        .filter(|key| is_current(key, &algorithm, now))
        .collect();
    let signs = current.iter().any(|key| key.signs_from <= now);
    let next = current.iter_mut().min_by_key(|key| key.signs_from);
    let outcome = match (signs, next) {
        (true, _) => Revoked::LineSigns,
        (false, Some(next)) => {
            next.signs_from = now;
            Revoked::LineSigns
        }
        (false, None) => Revoked::LineIsEmpty,
    };
    relink(keys, &algorithm, keep, now);
    Some(outcome)
}

/// What a revocation leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Revoked {
    /// A key of the line signs.
    LineSigns,
    /// There is none; one must be added in the same change.
    LineIsEmpty,
}

/// Lets each current key of a line retire when the next one begins.
fn relink(keys: &mut [StoredKey], algorithm: &str, keep: Duration, now: UnixSeconds) {
    let mut current: Vec<&mut StoredKey> = keys
        .iter_mut()
        .filter(|key| is_current(key, algorithm, now))
        .collect();
    // Stable: of two that begin together the later one in the ring takes over.
    current.sort_by_key(|key| key.signs_from);
    let mut successor: Option<UnixSeconds> = None;
    for key in current.into_iter().rev() {
        key.retired_at = successor;
        // Never earlier than said before: life times may have become shorter, tokens have not.
        let said = key.gone_at;
        key.gone_at = successor.map(|retired_at| retired_at.plus(keep)).max(said);
        successor = Some(key.signs_from);
    }
}

/// Drops the keys that are gone, and of too many revoked ones the oldest.
///
/// # Security
///
/// A revoked key that is forgotten comes back with the backup that has it from before.
pub(super) fn drop_gone(keys: &mut Vec<StoredKey>, now: UnixSeconds) {
    keys.retain(|key| key.revoked_at.is_some() || key.gone_at.is_none_or(|date| date > now));
    let revoked = keys.len().saturating_sub(published(keys));
    let mut excess = revoked.saturating_sub(REVOKED_MAX);
    keys.retain(|key| {
        let drops = key.revoked_at.is_some() && excess > 0;
        excess = excess.saturating_sub(usize::from(drops));
        !drops
    });
}

/// Lets no key wait until after `latest` to take over: a clock that stood ahead dated it, and the
/// line would stand still until then.
pub(super) fn bring_forward(keys: &mut [StoredKey], latest: UnixSeconds, keep: Duration) {
    for key in keys.iter_mut().filter(|key| key.revoked_at.is_none()) {
        key.signs_from = key.signs_from.min(latest);
        if key.retired_at.is_some_and(|date| date > latest) {
            key.retired_at = Some(latest);
            key.gone_at = Some(latest.plus(keep));
        }
    }
}

/// Lets retired keys stay for at least `keep`, which grows when a client is given longer tokens.
pub(super) fn keep_longer(keys: &mut [StoredKey], keep: Duration) {
    for key in keys.iter_mut().filter(|key| key.revoked_at.is_none()) {
        if let Some(retired_at) = key.retired_at {
            key.gone_at = key.gone_at.max(Some(retired_at.plus(keep)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_secs(1000);

    fn key(kid: &str, signs_from: u64) -> StoredKey {
        StoredKey {
            kid: kid.to_owned(),
            algorithm: "ES256".to_owned(),
            public_jwk: String::new(),
            sealed: Vec::new(),
            created_at: UnixSeconds(0),
            signs_from: UnixSeconds(signs_from),
            retired_at: None,
            gone_at: None,
            revoked_at: None,
        }
    }

    /// A line of three at second 150: retiring, signing, published.
    fn line() -> Vec<StoredKey> {
        let mut keys = Vec::new();
        for (kid, signs_from) in [("old", 0), ("signs", 100), ("next", 200)] {
            add(&mut keys, key(kid, signs_from), KEEP, UnixSeconds(0));
        }
        keys
    }

    /// Each key as `kid signs_from retired_at`, `-` for no date and `!` for revoked ones.
    fn check(keys: &[StoredKey], expected: &[&str]) {
        let number = |date: Option<UnixSeconds>| date.map_or("-".into(), |date| date.0.to_string());
        let shown: Vec<String> = keys
            .iter()
            .map(|key| match key.revoked_at {
                Some(_) => format!("{} !", key.kid),
                None => format!(
                    "{} {} {}",
                    key.kid,
                    key.signs_from.0,
                    number(key.retired_at)
                ),
            })
            .collect();
        assert_eq!(shown, expected);
        for key in keys.iter().filter(|key| key.revoked_at.is_none()) {
            assert!(
                key.gone_at >= key.retired_at.map(|date| date.plus(KEEP)),
                "{key:?}"
            );
        }
    }

    #[test]
    fn each_key_retires_when_the_next_one_signs() {
        check(&line(), &["old 0 100", "signs 100 200", "next 200 -"]);
        let mut keys = line();
        let mut other = key("other", 120);
        other.algorithm = "RS256".into();
        add(&mut keys, other, KEEP, UnixSeconds(150));
        check(
            &keys,
            &["old 0 100", "signs 100 200", "next 200 -", "other 120 -"],
        );
    }

    #[test]
    fn a_revoked_key_leaves_the_line_whole() {
        let now = UnixSeconds(150);
        for (kid, outcome, expected) in [
            (
                "old",
                Revoked::LineSigns,
                ["old !", "signs 100 200", "next 200 -"],
            ),
            // The published successor takes over at once.
            (
                "signs",
                Revoked::LineSigns,
                ["old 0 100", "signs !", "next 150 -"],
            ),
            // Without a successor the signing key goes on.
            (
                "next",
                Revoked::LineSigns,
                ["old 0 100", "signs 100 -", "next !"],
            ),
        ] {
            let mut keys = line();
            assert_eq!(revoke(&mut keys, kid, KEEP, now), Some(outcome));
            check(&keys, &expected);
            assert_eq!(revoke(&mut keys, kid, KEEP, now), None, "twice");
        }
        let mut keys = line();
        assert_eq!(revoke(&mut keys, "unknown", KEEP, now), None);
        revoke(&mut keys, "next", KEEP, now);
        // What is retired does not come back to sign.
        assert_eq!(
            revoke(&mut keys, "signs", KEEP, now),
            Some(Revoked::LineIsEmpty)
        );
        add(&mut keys, key("new", 150), KEEP, now);
        check(&keys, &["old 0 100", "signs !", "next !", "new 150 -"]);
    }

    #[test]
    fn keys_go_when_their_tokens_are_dead() {
        let mut keys = line();
        keep_longer(&mut keys, KEEP * 2);
        drop_gone(&mut keys, UnixSeconds(2099));
        check(&keys, &["old 0 100", "signs 100 200", "next 200 -"]);
        drop_gone(&mut keys, UnixSeconds(2100));
        check(&keys, &["signs 100 200", "next 200 -"]);
        keep_longer(&mut keys, KEEP);
        drop_gone(&mut keys, UnixSeconds(2199));
        check(&keys, &["signs 100 200", "next 200 -"]);
        drop_gone(&mut keys, UnixSeconds(2200));
        check(&keys, &["next 200 -"]);
    }

    #[test]
    fn revoked_keys_are_remembered_but_not_without_bound() {
        let mut keys: Vec<StoredKey> = (0..150).map(|n| key(&format!("k{n}"), n)).collect();
        for number in 0..149 {
            revoke(&mut keys, &format!("k{number}"), KEEP, UnixSeconds(500));
        }
        drop_gone(&mut keys, UnixSeconds(500));
        assert_eq!((keys.len(), published(&keys)), (REVOKED_MAX + 1, 1));
        assert_eq!(keys.first().map(|key| key.kid.as_str()), Some("k49"));
        drop_gone(&mut keys, UnixSeconds(u64::MAX));
        assert_eq!(keys.len(), REVOKED_MAX + 1, "however long ago");
    }

    #[test]
    fn dates_of_a_clock_that_stood_ahead_do_not_hold_up_the_line() {
        let (mut keys, now) = (line(), UnixSeconds(50));
        bring_forward(&mut keys, UnixSeconds(200), KEEP);
        check(&keys, &["old 0 100", "signs 100 200", "next 200 -"]);
        bring_forward(&mut keys, UnixSeconds(60), KEEP);
        check(&keys, &["old 0 60", "signs 60 60", "next 60 -"]);
        assert_eq!(keys[0].gone_at, Some(UnixSeconds(60).plus(KEEP)));
        // One change later the line is as if it had been dated so from the start.
        add(&mut keys, key("later", 70), KEEP, now);
        check(
            &keys,
            &["old 0 60", "signs 60 60", "next 60 70", "later 70 -"],
        );
    }

    #[test]
    fn a_key_never_leaves_earlier_than_was_said() {
        let mut keys = line();
        let said = keys[0].gone_at;
        assert_eq!(said, Some(UnixSeconds(100).plus(KEEP)));
        // Tokens live shorter from now on; those that were issued before do not.
        add(&mut keys, key("later", 300), KEEP / 10, UnixSeconds(0));
        assert_eq!(keys[0].gone_at, said);
        assert_eq!(keys[2].gone_at, Some(UnixSeconds(300).plus(KEEP / 10)));
    }
}
