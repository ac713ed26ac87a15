//! What the clock demands of a ring: a pure function, so that every instance plans alike.

use std::time::Duration;

use tollgate_jose::Algorithm;
use tollgate_protocol::UnixSeconds;
use tollgate_store::StoredKey;

use super::ring::{KEYS_MAX, is_current, published};

/// How long before its birth a key's material is made, so that the birth itself takes no time.
const PREPARE_AHEAD: Duration = Duration::from_secs(60);

/// How much earlier than it must a key is published: dates are whole seconds, and a birth is planned
/// a little before anybody can see it.
const SLACK: Duration = Duration::from_secs(1);

/// How keys follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    /// How long a key signs.
    pub(super) rotate_every: Duration,
    /// How long a key is published before it signs.
    pub(super) publish_ahead: Duration,
}

/// What should happen to a ring.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The keys that should be made now.
    pub(super) births: Vec<Birth>,
    /// The algorithms of keys that will be needed soon.
    pub(super) spares: Vec<Algorithm>,
    /// The algorithms whose next key is due but would be one too many.
    pub(super) held_back: Vec<Algorithm>,
    /// When the next thing is to be done.
    pub(super) next: Option<UnixSeconds>,
}

/// A key to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Birth {
    pub(super) algorithm: Algorithm,
    pub(super) signs_from: UnixSeconds,
}

impl Rhythm {
    /// What `keys` need at `now` so that each of `lines` has a key that signs, and a successor in
    /// time.
    pub(super) fn plan(&self, keys: &[StoredKey], lines: &[Algorithm], now: UnixSeconds) -> Plan {
        let mut plan = Plan::default();
        for key in keys.iter().filter(|key| key.revoked_at.is_none()) {
            plan.wake_at(key.gone_at, now);
        }
        for &algorithm in lines {
            self.plan_line(keys, algorithm, now, &mut plan);
        }
        plan
    }

    fn plan_line(
        &self,
        keys: &[StoredKey],
        algorithm: Algorithm,
        now: UnixSeconds,
        plan: &mut Plan,
    ) {
        let current = || {
            keys.iter()
                .filter(|key| is_current(key, algorithm.name(), now))
        };
        // The very first key need not be published ahead: nobody has an older JWKS.
        if !current().any(|key| key.signs_from <= now) {
            plan.births.push(Birth {
                algorithm,
                signs_from: now,
            });
            return;
        }
        let Some(newest) = current().map(|key| key.signs_from).max() else {
            return;
        };
        // Not before the newest key is about to sign itself: a ring stays short however the two
        // durations are set.
        let due = newest.plus(self.rotate_every.saturating_sub(self.publish_ahead));
        let due = UnixSeconds(due.0.saturating_sub(SLACK.as_secs()));
        if now < due {
            let prepare_at = UnixSeconds(due.0.saturating_sub(PREPARE_AHEAD.as_secs()));
            if prepare_at <= now {
                plan.spares.push(algorithm);
            }
            plan.wake_at(Some(prepare_at), now);
            plan.wake_at(Some(due), now);
        } else if published(keys).saturating_add(plan.births.len()) < KEYS_MAX {
            plan.births.push(self.successor(algorithm, newest, now));
        } else {
            plan.held_back.push(algorithm);
        }
    }

    /// The key that follows one which signs from `newest`, published now.
    pub(super) fn successor(
        &self,
        algorithm: Algorithm,
        newest: UnixSeconds,
        now: UnixSeconds,
    ) -> Birth {
        Birth {
            algorithm,
            signs_from: self.earliest(now).max(newest),
        }
    }

    /// When a key may sign at the earliest that is published now.
    pub(super) fn earliest(&self, now: UnixSeconds) -> UnixSeconds {
        now.plus(self.publish_ahead).plus(SLACK)
    }
}

impl Plan {
    fn wake_at(&mut self, date: Option<UnixSeconds>, now: UnixSeconds) {
        if let Some(date) = date.filter(|date| *date > now) {
            self.next = Some(self.next.map_or(date, |next| next.min(date)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const RHYTHM: Rhythm = Rhythm {
        rotate_every: Duration::from_secs(10 * HOUR),
        publish_ahead: Duration::from_secs(HOUR),
    };
    const ES256: Algorithm = Algorithm::ES256;

    /// A key that signs from `signs_from` hours on; the other dates in hours too.
    fn key(signs_from: u64, retired_at: Option<u64>, gone_at: Option<u64>) -> StoredKey {
        let date = |hours: u64| UnixSeconds(hours * HOUR);
        StoredKey {
            kid: format!("k{signs_from}"),
            algorithm: ES256.name().to_owned(),
            public_jwk: String::new(),
            sealed: Vec::new(),
            created_at: date(signs_from),
            signs_from: date(signs_from),
            retired_at: retired_at.map(date),
            gone_at: gone_at.map(date),
            revoked_at: None,
        }
    }

    fn revoked(mut key: StoredKey) -> StoredKey {
        key.revoked_at = Some(key.signs_from);
        key
    }

    /// Plans at `now` and compares with births, spares and the next date, all in seconds.
    fn check(keys: &[StoredKey], now: u64, births: &[u64], spares: usize, next: Option<u64>) {
        let plan = RHYTHM.plan(keys, &[ES256], UnixSeconds(now));
        let signs_from: Vec<u64> = plan.births.iter().map(|birth| birth.signs_from.0).collect();
        assert_eq!(signs_from, births, "births at {now} for {keys:?}");
        assert_eq!(plan.spares.len(), spares, "spares at {now} for {keys:?}");
        assert_eq!(
            plan.next.map(|next| next.0),
            next,
            "next at {now} for {keys:?}"
        );
    }

    #[test]
    fn the_first_key_of_a_line_signs_at_once() {
        check(&[], 5 * HOUR, &[5 * HOUR], 0, None);
        // Also when all that there is was revoked, is retired, or lies in the future.
        check(
            &[revoked(key(1, None, None))],
            5 * HOUR,
            &[5 * HOUR],
            0,
            None,
        );
        check(
            &[key(1, Some(5), Some(8))],
            5 * HOUR,
            &[5 * HOUR],
            0,
            Some(8 * HOUR),
        );
        check(&[key(9, None, None)], 5 * HOUR, &[5 * HOUR], 0, None);
    }

    #[test]
    fn a_successor_is_published_ahead_of_its_time() {
        let line = [key(100, None, None)];
        let due = 109 * HOUR - 1;
        check(&line, 100 * HOUR, &[], 0, Some(due - 60));
        check(&line, due - 61, &[], 0, Some(due - 60));
        check(&line, due - 60, &[], 1, Some(due));
        check(&line, due - 1, &[], 1, Some(due));
        check(&line, due, &[110 * HOUR], 0, None);
        // After a long sleep validators still get their time to learn the new key.
        check(&line, 200 * HOUR, &[201 * HOUR + 1], 0, None);
    }

    #[test]
    fn a_published_successor_is_enough() {
        let line = [key(100, Some(110), Some(112)), key(110, None, None)];
        check(&line, 109 * HOUR, &[], 0, Some(112 * HOUR));
        check(&line, 110 * HOUR, &[], 0, Some(112 * HOUR));
        check(&line, 112 * HOUR, &[], 0, Some(119 * HOUR - 61));
        check(&line, 119 * HOUR - 1, &[120 * HOUR], 0, None);
    }

    #[test]
    fn keys_are_never_more_than_validators_read() {
        let mut keys: Vec<StoredKey> = (0..99)
            .map(|hour| key(hour, Some(hour + 1), Some(1000)))
            .collect();
        keys.push(key(99, None, None));
        check(&keys, 500 * HOUR, &[], 0, Some(1000 * HOUR));
        let held_back = |keys: &[StoredKey], hour: u64| {
            let plan = RHYTHM.plan(keys, &[ES256], UnixSeconds(hour * HOUR));
            plan.held_back
        };
        assert_eq!(held_back(&keys, 500), [ES256]);
        assert_eq!(held_back(&keys, 99), [], "nothing is due");
        keys.remove(0);
        assert_eq!(held_back(&keys, 500), [], "there is room");
        check(&keys, 500 * HOUR, &[501 * HOUR + 1], 0, Some(1000 * HOUR));
    }

    #[test]
    fn publishing_longer_than_signing_does_not_pile_up_keys() {
        let rhythm = Rhythm {
            rotate_every: Duration::from_secs(2),
            publish_ahead: Duration::from_secs(10),
        };
        let mut keys = Vec::new();
        let mut births = 0;
        for now in (0..200).map(UnixSeconds) {
            super::super::ring::drop_gone(&mut keys, now);
            for birth in rhythm.plan(&keys, &[ES256], now).births {
                births += 1;
                let mut key = key(0, None, None);
                key.signs_from = birth.signs_from;
                super::super::ring::add(&mut keys, key, Duration::from_secs(5), now);
            }
            assert!(keys.len() <= 4, "{} keys at {now:?}", keys.len());
        }
        assert!(births > 15, "{births}");
    }
}
