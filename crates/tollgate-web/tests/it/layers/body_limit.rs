//! Bodies within the bound and beyond it.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tollgate_web::ResponseBody;
use tollgate_web::layers::BodyLimit;
use tower::service_fn;
use tower_layer::Layer;

use super::{ask, echo, request};

/// A body whose length nobody knows beforehand.
pub(crate) fn unsized_body(
    bytes: &str,
) -> impl http_body::Body<Data = Bytes, Error = std::io::Error> + Send + use<> {
    Pieces(Bytes::copy_from_slice(bytes.as_bytes()))
}

/// One byte at a time.
struct Pieces(Bytes);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::io::Result<http_body::Frame<Bytes>>>> {
        let piece = (!self.0.is_empty()).then(|| self.0.split_to(1));
        std::task::Poll::Ready(piece.map(|piece| Ok(http_body::Frame::data(piece))))
    }
}

fn check(body: &str, status: StatusCode) {
    let told = Request::post("/")
        .body(Full::from(body.to_owned()))
        .unwrap();
    let untold = Request::post("/").body(unsized_body(body)).unwrap();
    for answer in [
        ask(BodyLimit::new(5).layer(echo()), told),
        ask(BodyLimit::new(5).layer(echo()), untold),
    ] {
        assert_eq!(answer.status, status, "{body}");
        if status == StatusCode::OK {
            assert_eq!(answer.text(), body);
        } else {
            assert!(answer.text().contains("too large"), "{}", answer.text());
        }
    }
}

#[test]
fn bodies_up_to_the_bound_pass_and_no_more() {
    check("", StatusCode::OK);
    check("hello", StatusCode::OK);
    check("hello!", StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn a_told_length_is_refused_before_the_service() {
    let unasked = service_fn(|_: Request<_>| async {
        Err::<Response<ResponseBody>, _>("the service was asked")
    });
    let asked = request("POST", "/", &[("content-length", "6")]);
    let answer = ask(BodyLimit::new(5).layer(unasked), asked);
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn an_answer_without_the_body_stands() {
    let careless = service_fn(|request: Request<_>| async {
        let read = BodyExt::collect(request.into_body()).await;
        let said = if read.is_ok() { "read" } else { "not read" };
        Ok::<_, std::convert::Infallible>(Response::new(ResponseBody::from(said)))
    });
    let asked = Request::post("/").body(unsized_body("hello!")).unwrap();
    assert_eq!(
        ask(BodyLimit::new(5).layer(careless), asked).text(),
        "not read"
    );
}

#[test]
fn a_service_that_fails_on_it_is_answered_for() {
    let failing = service_fn(|request: Request<_>| async {
        BodyExt::collect(request.into_body()).await?;
        Ok::<_, tollgate_web::StreamError>(Response::new(ResponseBody::empty()))
    });
    let asked = Request::post("/").body(unsized_body("hello!")).unwrap();
    let answer = ask(BodyLimit::new(5).layer(failing), asked);
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}
