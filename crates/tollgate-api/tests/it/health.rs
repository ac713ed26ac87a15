//! `GET /health` and `GET /ready`.

use crate::service::Service;

#[test]
fn a_server_that_runs_says_so() {
    let service = Service::start();
    let answer = service.get("/health", &[]);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"status":"ok"}"#)
    );
    let ready = service.get("/ready", &[]);
    assert_eq!((ready.status, &ready.json()["status"]), (200, &"ok".into()));
    assert!(ready.json()["checks"].is_object());
}
