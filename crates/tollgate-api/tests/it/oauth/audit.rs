//! An audit log that cannot take an event: what it would speak of is refused before it is done.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;
use tollgate_api::audit::{AuditEvent, AuditSink, AuditUnavailable};
use tollgate_store::Store as _;

use crate::service::{Answer, Credentials, Service};

/// Takes events, until its disk is full.
#[derive(Default)]
struct Disk {
    is_full: AtomicBool,
    events: Mutex<Vec<(&'static str, &'static str)>>,
}

impl AuditSink for Disk {
    fn is_enabled(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), AuditUnavailable> {
        if self.is_full.load(Ordering::Relaxed) {
            Err(AuditUnavailable)
        } else {
            Ok(())
        }
    }

    fn record(&self, event: &AuditEvent<'_>) -> Result<(), AuditUnavailable> {
        let mut events = self.events.lock().unwrap();
        events.push((event.event, event.outcome));
        self.check()
    }
}

impl Disk {
    fn service(self: &Arc<Self>) -> Service {
        Service::audited_by(Arc::clone(self) as Arc<dyn AuditSink>, |_| {})
    }

    fn fill(&self) {
        self.is_full.store(true, Ordering::Relaxed);
        self.events.lock().unwrap().clear();
    }

    fn empty(&self) {
        self.is_full.store(false, Ordering::Relaxed);
    }
}

fn active(service: &Service) -> u64 {
    service
        .administer(async |issuer, context| issuer.store().active(context.now.steady.to_seconds()))
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    answer.assert_error(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

#[test]
fn nothing_is_done_that_could_not_be_noted() {
    let disk = Arc::new(Disk::default());
    let service = disk.service();
    let owner = &service.stranger;
    let access = service.access_token(owner);
    let one_time = service.one_time_token(owner, &[]);
    let before = active(&service);
    disk.fill();
    let form = |path: &str, form: &[(&str, &str)]| service.post(path, owner, form);
    let batch = json!({ "tokens": [access] }).to_string();
    for answer in [
        form("/oauth/token", &[("grant_type", "client_credentials")]),
        form("/oauth/ott", &[]),
        form("/oauth/ott/redeem", &[("token", &one_time)]),
        form("/oauth/revoke", &[("token", &access)]),
        service.post_json("/oauth/revoke/batch", owner, &batch),
        service.validate(&one_time, "", &[]),
    ] {
        assert_refused(&answer);
    }
    assert_eq!(*disk.events.lock().unwrap(), [], "nothing is even tried");
    assert_eq!(active(&service), before, "issued, redeemed or revoked");
    // What leaves no trace needs no log.
    assert_eq!(service.validate(&access, "", &[]).status, 200);
    assert_eq!(service.get("/.well-known/jwks.json", &[]).status, 200);

    disk.empty();
    assert!(service.is_active(owner, &access), "not revoked");
    let redeemed = form("/oauth/ott/redeem", &[("token", &one_time)]);
    assert_eq!(redeemed.status, 200, "not consumed: {redeemed:?}");
}

/// An attempt that is not noted could be repeated without a trace.
#[test]
fn nobody_guesses_secrets_while_failures_are_not_noted() {
    let disk = Arc::new(Disk::default());
    let service = disk.service();
    let guess = Credentials {
        secret: "wrong".to_owned(),
        ..service.demo.clone()
    };
    let attempt = || {
        service.post(
            "/oauth/token",
            &guess,
            &[("grant_type", "client_credentials")],
        )
    };
    attempt().assert_error(401, "invalid_client");
    let noted = [("client.authenticated", "invalid_client")];
    assert_eq!(*disk.events.lock().unwrap(), noted);
    disk.fill();
    assert_refused(&attempt());
}

/// The disk fills up between the question and the deed: what is done stays done and is answered.
#[test]
fn what_was_let_begin_is_answered() {
    /// Says yes, then loses every event.
    struct Liar;

    impl AuditSink for Liar {
        fn is_enabled(&self) -> bool {
            true
        }

        fn check(&self) -> Result<(), AuditUnavailable> {
            Ok(())
        }

        fn record(&self, _event: &AuditEvent<'_>) -> Result<(), AuditUnavailable> {
            Err(AuditUnavailable)
        }
    }

    let service = Service::audited_by(Arc::new(Liar), |_| {});
    let token = service.one_time_token(&service.demo, &[]);
    let redeemed = service.post("/oauth/ott/redeem", &service.demo, &[("token", &token)]);
    assert_eq!(redeemed.status, 200);
}
