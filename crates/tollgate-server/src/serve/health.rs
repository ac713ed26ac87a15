//! What `/ready` asks: the store, the signing keys, the clock, the audit log.

use std::{sync::Arc, time::Duration};

use tollgate_api::{Clock, SystemEntropy};
use tollgate_issuer::{Context, Issuer, keys::KeyState};
use tollgate_store::{Health, Store};
use tollgate_web::HealthRegistry;

use crate::audit::AuditLog;

const TIMEOUT: Duration = Duration::from_secs(2);

/// The store reads and writes.
pub(super) fn store<S: Store>(checks: &HealthRegistry, issuer: &Arc<Issuer<S>>) {
    let issuer = Arc::clone(issuer);
    checks.register("store", TIMEOUT, move || {
        let issuer = Arc::clone(&issuer);
        async move {
            match issuer.store().health().await {
                Health::Ok => Ok(None),
                Health::ReadOnly(why) => Err(format!("read-only: {why}")),
                Health::Down(why) => Err(why),
            }
        }
    });
}

/// There is a key to sign with.
pub(super) fn signing_keys<S: Store>(
    checks: &HealthRegistry,
    issuer: &Arc<Issuer<S>>,
    clock: &Clock,
) {
    let (issuer, clock) = (Arc::clone(issuer), clock.clone());
    checks.register("signing_keys", TIMEOUT, move || {
        let context = Context {
            now: clock.now(),
            entropy: &SystemEntropy,
        };
        let keys = issuer.keys(&context);
        let signing = keys
            .iter()
            .filter(|key| key.state == KeyState::Signing)
            .count();
        async move {
            match signing {
                0 => Err("no key signs".to_owned()),
                signing => Ok(Some(format!("{signing} sign"))),
            }
        }
    });
}

/// The clock; one that was set back is told of, but the service goes on with the later time.
pub(super) fn clock(checks: &HealthRegistry, clock: &Clock) {
    let clock = clock.clone();
    checks.register("clock", TIMEOUT, move || {
        let seconds = clock.set_back_by().as_secs();
        async move { Ok((seconds > 0).then(|| format!("set back by {seconds} s"))) }
    });
}

/// The audit log takes events.
pub(super) fn audit(checks: &HealthRegistry, audit: &Arc<AuditLog>) {
    let audit = Arc::clone(audit);
    checks.register("audit", TIMEOUT, move || {
        let is_writable = audit.is_writable();
        async move {
            if is_writable {
                Ok(None)
            } else {
                Err("it cannot be written".to_owned())
            }
        }
    });
}
