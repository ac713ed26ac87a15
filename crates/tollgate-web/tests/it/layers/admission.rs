//! Work within the gate's bounds and beyond them.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Response, StatusCode};
use tokio::sync::Semaphore;
use tollgate_web::layers::Admission;
use tollgate_web::metrics::Registry;
use tollgate_web::{Overload, OverloadLimits, ResponseBody, StreamError};
use tower::{Service, ServiceExt, service_fn};
use tower_layer::Layer;

use super::{Asked, block_on, request};

fn gate(queue_max: usize, queue_wait: Duration) -> Admission {
    let limits = OverloadLimits {
        in_flight_max: 1,
        queue_max,
        queue_wait,
    };
    Admission::new(Arc::new(Overload::new(limits, &Registry::new()).unwrap()))
}

/// A service that answers once it is let.
fn held(
    permits: &Arc<Semaphore>,
) -> impl Service<Asked, Response = Response<ResponseBody>, Error = StreamError, Future: Send>
+ Clone
+ Send
+ use<> {
    let permits = Arc::clone(permits);
    service_fn(move |_: Asked| {
        let permits = Arc::clone(&permits);
        async move {
            permits.acquire().await?.forget();
            Ok(Response::new(ResponseBody::from("done")))
        }
    })
}

#[test]
fn what_finds_no_place_is_503_at_once() {
    block_on(async {
        let permits = Arc::new(Semaphore::new(0));
        let service = gate(0, Duration::ZERO).layer(held(&permits));
        let mut first = Box::pin(service.clone().oneshot(request("GET", "/", &[])));
        assert!(matches!(poll_once(&mut first), Poll::Pending));
        let mut second = Box::pin(service.clone().oneshot(request("GET", "/", &[])));
        let Poll::Ready(second) = poll_once(&mut second) else {
            panic!("it waits");
        };
        let second = second.unwrap();
        assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(second.headers().contains_key("retry-after"));
        permits.add_permits(2);
        assert_eq!(first.await.unwrap().status(), StatusCode::OK);
        let third = service.oneshot(request("GET", "/", &[])).await.unwrap();
        assert_eq!(third.status(), StatusCode::OK);
    });
}

#[test]
fn what_waits_is_let_in_when_a_place_is_free() {
    block_on(async {
        let permits = Arc::new(Semaphore::new(0));
        let service = gate(1, crate::support::STUCK).layer(held(&permits));
        let mut first = Box::pin(service.clone().oneshot(request("GET", "/", &[])));
        assert!(matches!(poll_once(&mut first), Poll::Pending));
        let mut second = Box::pin(service.clone().oneshot(request("GET", "/", &[])));
        assert!(matches!(poll_once(&mut second), Poll::Pending));
        permits.add_permits(2);
        assert_eq!(first.await.unwrap().status(), StatusCode::OK);
        assert_eq!(second.await.unwrap().status(), StatusCode::OK);
    });
}

#[test]
fn a_client_that_leaves_gives_its_place_back() {
    block_on(async {
        let permits = Arc::new(Semaphore::new(0));
        let service = gate(0, Duration::ZERO).layer(held(&permits));
        let mut first = Box::pin(service.clone().oneshot(request("GET", "/", &[])));
        assert!(matches!(poll_once(&mut first), Poll::Pending));
        drop(first);
        permits.add_permits(1);
        let second = service.oneshot(request("GET", "/", &[])).await.unwrap();
        assert_eq!(second.status(), StatusCode::OK);
    });
}

/// Polls once.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(future).poll(&mut context)
}
