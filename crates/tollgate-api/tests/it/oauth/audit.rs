//! What the audit log is told, and what happens when it cannot be: what it would speak of is refused
//! before it is done.

use std::{
    io::Write as _,
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tollgate_api::audit::{AuditEvent, AuditSink, AuditUnavailable};
use tollgate_store::Store as _;

use crate::service::{Answer, Credentials, Service, basic, encode};

/// Takes events, until its disk is full.
#[derive(Default)]
struct Disk {
    is_full: AtomicBool,
    events: Mutex<Vec<Noted>>,
}

/// What of an event the tests look at.
#[derive(Clone, Debug, PartialEq)]
struct Noted {
    event: &'static str,
    outcome: &'static str,
    client: String,
    target: String,
    token: Option<String>,
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

    fn record(&self, events: &[AuditEvent<'_>]) -> Result<(), AuditUnavailable> {
        let noted = events.iter().map(|event| Noted {
            event: event.event,
            outcome: event.outcome,
            client: event.client_id.unwrap_or("-").to_owned(),
            target: event.target.unwrap_or("-").to_owned(),
            token: event.token_id.clone(),
        });
        self.events.lock().unwrap().extend(noted);
        self.check()
    }
}

impl Disk {
    fn service(self: &Arc<Self>) -> Service {
        Service::audited_by(Arc::clone(self) as Arc<dyn AuditSink>, |_| {})
    }

    fn fill(&self) {
        self.is_full.store(true, Ordering::Relaxed);
        drop(self.take());
    }

    /// What was noted since last asked.
    fn take(&self) -> Vec<Noted> {
        std::mem::take(&mut *self.events.lock().unwrap())
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
    assert_eq!(disk.take(), [], "nothing is even tried");
    assert_eq!(active(&service), before, "issued, redeemed or revoked");
    let counted = r#"token_validation_total{result="invalid"} 0"#;
    assert!(
        service.registry.render().contains(counted),
        "nothing was found out about the token"
    );
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
    let noted = Noted {
        event: "client.authenticated",
        outcome: "invalid_client",
        // Who asked is not known; whom it claimed to be is.
        client: "-".to_owned(),
        target: "demo".to_owned(),
        token: None,
    };
    assert_eq!(disk.take(), [noted]);
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

        fn record(&self, _events: &[AuditEvent<'_>]) -> Result<(), AuditUnavailable> {
            Err(AuditUnavailable)
        }
    }

    let service = Service::audited_by(Arc::new(Liar), |_| {});
    let token = service.one_time_token(&service.demo, &[]);
    let redeemed = service.post("/oauth/ott/redeem", &service.demo, &[("token", &token)]);
    assert_eq!(redeemed.status, 200);
}

/// Waits until `done`; only a hang runs into the time-out.
#[track_caller]
fn wait(done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it never comes");
        std::thread::yield_now();
    }
}

/// A request as it is sent.
fn post(client: &Credentials, path: &str, content_type: &str, body: &str) -> String {
    let (authorization, length) = (basic(client), body.len());
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\n\
         content-type: application/{content_type}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// The store does what it was given whether or not anybody waits, so callers could redeem and
/// revoke without a trace.
#[test]
fn what_nobody_waited_for_is_noted_once() {
    let disk = Arc::new(Disk::default());
    let service = disk.service();
    let owner = service.stranger.clone();
    let store = service.issuer.store();
    let one_time = || service.one_time_token(&owner, &[]);
    let (access, other) = (service.access_token(&owner), service.access_token(&owner));
    let (redeemed, validated) = (one_time(), one_time());
    let form = |path: &str, form: &[(&str, &str)]| {
        post(&owner, path, "x-www-form-urlencoded", &encode(form))
    };
    let batch = json!({ "tokens": [access, other, "malformed"] }).to_string();
    let batch = post(&owner, "/oauth/revoke/batch", "json", &batch);
    let validate = format!(
        "GET /oauth/validate HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {validated}\r\n\r\n"
    );
    // What is sent, what is noted, and of how many tokens the handle is known.
    let rows = [
        (
            form("/oauth/token", &[("grant_type", "client_credentials")]),
            "token.issued",
            1,
            0,
        ),
        (form("/oauth/ott", &[]), "one_time_token.issued", 1, 0),
        (
            form("/oauth/ott/redeem", &[("token", &redeemed)]),
            "one_time_token.redeemed",
            1,
            1,
        ),
        (validate, "one_time_token.redeemed", 1, 1),
        (
            form("/oauth/revoke", &[("token", &access)]),
            "token.revoked",
            1,
            1,
        ),
        (batch, "token.revoked", 3, 2),
    ];
    for (request, event, lines, handles) in rows {
        drop(disk.take());
        store.shut();
        let mut caller = TcpStream::connect(service.address).unwrap();
        caller.write_all(request.as_bytes()).unwrap();
        wait(|| store.waiting() == 1);
        assert_eq!(disk.take(), [], "{event}: before its end");
        drop(caller);
        wait(|| disk.events.lock().unwrap().len() >= lines);
        store.open();
        // Whatever was still to come has come when another request is answered.
        assert_eq!(service.get("/health", &[]).status, 200);
        let noted = disk.take();
        let is_right = |noted: &Noted| {
            let asked = if request.starts_with("GET") {
                "-"
            } else {
                "stranger"
            };
            noted.event == event && noted.outcome == "unanswered" && noted.client == asked
        };
        assert_eq!(noted.len(), lines, "{noted:?}");
        assert!(noted.iter().all(is_right), "{noted:?}");
        let known = noted.iter().filter(|noted| noted.token.is_some());
        assert_eq!(known.count(), handles, "{noted:?}");
    }
    // It was done indeed.
    assert!(!service.is_active(&owner, &other));
    assert_eq!(service.validate(&validated, "", &[]).status, 401);
}

#[test]
fn what_was_done_is_noted_once() {
    let disk = Arc::new(Disk::default());
    let service = disk.service();
    let owner = &service.stranger;
    let access = service.access_token(owner);
    let one_time = service.one_time_token(owner, &[]);
    let form = [("token", one_time.as_str())];
    let _ = service.post("/oauth/ott/redeem", owner, &form);
    let _ = service.post("/oauth/ott/redeem", owner, &form);
    let batch = json!({ "tokens": [access, "malformed"] }).to_string();
    let _ = service.post_json("/oauth/revoke/batch", owner, &batch);
    let noted: Vec<_> = disk
        .take()
        .iter()
        .map(|noted| (noted.event, noted.outcome, noted.token.is_some()))
        .collect();
    assert_eq!(
        noted,
        [
            ("token.issued", "ok", true),
            ("one_time_token.issued", "ok", true),
            ("one_time_token.redeemed", "ok", true),
            ("one_time_token.redeemed", "already_consumed", true),
            ("token.revoked", "ok", true),
            ("token.revoked", "already_dead", false),
        ]
    );
}
