//! Answers in time, and answers too late.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Response, StatusCode};
use tollgate_web::ResponseBody;
use tollgate_web::layers::Timeout;
use tower::service_fn;
use tower_layer::Layer;

use super::{Asked, ask, page, request};

/// Notes that it was dropped.
struct Noted(Arc<AtomicBool>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_answer_at_hand_is_never_late() {
    let service = Timeout::new(Duration::ZERO).layer(page(&[], "page"));
    assert_eq!(ask(service, request("GET", "/", &[])).text(), "page");
}

#[test]
fn a_late_answer_is_503_and_its_work_is_dropped() {
    let dropped = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&dropped);
    let never = service_fn(move |_: Asked| {
        let noted = Noted(Arc::clone(&noted));
        async move {
            let _held = noted;
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(Response::new(ResponseBody::empty()))
        }
    });
    let service = Timeout::new(Duration::from_millis(10)).layer(never);
    let answer = ask(service, request("GET", "/", &[]));
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.header("retry-after").is_some());
    assert!(dropped.load(Ordering::Relaxed));
}

#[test]
fn an_answer_after_a_while_is_in_time() {
    let slow = service_fn(|_: Asked| async {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(Response::new(ResponseBody::from("slow")))
    });
    let service = Timeout::new(crate::support::STUCK).layer(slow);
    assert_eq!(ask(service, request("GET", "/", &[])).text(), "slow");
}
