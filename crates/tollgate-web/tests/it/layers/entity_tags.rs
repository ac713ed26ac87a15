//! Tags that are made, and conditions on them.

use bytes::Bytes;
use http::{Response, StatusCode};
use tollgate_web::ResponseBody;
use tollgate_web::layers::EntityTags;
use tower_layer::Layer;

use super::body_limit::unsized_body;
use super::{Answer, Asked, answering, ask, page, request};

const EARLY: &str = "Tue, 15 Nov 1994 12:45:26 GMT";
const LATE: &str = "Wed, 16 Nov 1994 12:45:26 GMT";

fn answer(headers: &'static [(&str, &str)], method: &str, conditions: &[(&str, &str)]) -> Answer {
    let service = EntityTags::new(10).layer(page(headers, "page"));
    ask(service, request(method, "/", conditions))
}

#[test]
fn an_answer_gets_a_strong_tag_of_its_bytes() {
    let first = answer(&[], "GET", &[]);
    let tag = first.header("etag").unwrap();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
    assert_eq!(first.text(), "page");
    assert_eq!(answer(&[], "GET", &[]).header("etag"), Some(tag));
    let other = EntityTags::new(10).layer(page(&[], "pagf"));
    let other = ask(other, request("GET", "/", &[]));
    assert_ne!(other.header("etag"), Some(tag));
}

#[test]
fn a_client_that_has_it_gets_304() {
    let tag = answer(&[], "GET", &[]).header("etag").unwrap().to_owned();
    let check = |known: &str, status: StatusCode| {
        let answer = answer(
            &[("content-type", "text/html")],
            "GET",
            &[("if-none-match", known)],
        );
        assert_eq!(answer.status, status, "{known}");
        assert_eq!(answer.header("etag"), Some(tag.as_str()), "{known}");
        let whole = status == StatusCode::OK;
        assert_eq!(answer.header("content-type").is_some(), whole, "{known}");
        assert_eq!(answer.text(), if whole { "page" } else { "" }, "{known}");
    };
    let not_modified = StatusCode::NOT_MODIFIED;
    check(&tag, not_modified);
    check(&format!("W/{tag}"), not_modified);
    check("*", not_modified);
    check(&format!("\"a,b\", W/\"c\" ,{tag}"), not_modified);
    check("\"other\"", StatusCode::OK);
    check("", StatusCode::OK);
    check(&tag[1..], StatusCode::OK);
    check(&tag[..33], StatusCode::OK);
    check(&format!("garbage {tag}"), StatusCode::OK);
    check(&format!("w/{tag}"), StatusCode::OK);
}

#[test]
fn tags_may_stand_on_several_lines() {
    let tag = answer(&[], "GET", &[]).header("etag").unwrap().to_owned();
    let check = |name: &'static str, lines: [&str; 2], status: u16| {
        let conditions = lines.map(|line| (name, line));
        let answer = answer(&[], "GET", &conditions);
        assert_eq!(answer.status, status, "{name} {lines:?}");
    };
    check("if-none-match", ["\"a\"", &tag], 304);
    check("if-none-match", ["\"a\"", "\"b\""], 200);
    check("if-match", ["\"a\"", &tag], 200);
    check("if-match", ["\"a\"", "\"b\""], 412);
}

#[test]
fn a_tag_that_was_made_is_not_asked_of_a_head() {
    let tag = answer(&[], "GET", &[]).header("etag").unwrap().to_owned();
    let head = answer(&[], "HEAD", &[("if-match", &tag)]);
    assert_eq!(head.status, 200);
}

fn check(headers: &'static [(&str, &str)], condition: (&str, &str), status: u16) {
    for method in ["GET", "HEAD"] {
        let answer = answer(headers, method, &[condition]);
        assert_eq!(answer.status, status, "{method} {headers:?} {condition:?}");
    }
}

#[test]
fn the_services_own_tag_is_compared() {
    const STRONG: &[(&str, &str)] = &[("etag", "\"a\"")];
    const WEAK: &[(&str, &str)] = &[("etag", "W/\"a\"")];
    check(STRONG, ("if-none-match", "\"a\""), 304);
    check(STRONG, ("if-none-match", "W/\"a\""), 304);
    check(WEAK, ("if-none-match", "\"a\""), 304);
    check(STRONG, ("if-none-match", "\"b\""), 200);
    check(STRONG, ("if-match", "\"b\", \"a\""), 200);
    check(STRONG, ("if-match", "*"), 200);
    check(STRONG, ("if-match", "\"b\""), 412);
    // Weak tags do not promise the same bytes.
    check(STRONG, ("if-match", "W/\"a\""), 412);
    check(WEAK, ("if-match", "\"a\""), 412);
}

#[test]
fn dates_are_compared_where_tags_are_not() {
    const DATED: &[(&str, &str)] = &[("last-modified", EARLY), ("etag", "\"a\"")];
    check(DATED, ("if-modified-since", EARLY), 304);
    check(DATED, ("if-modified-since", LATE), 304);
    check(DATED, ("if-unmodified-since", EARLY), 200);
    const LATER: &[(&str, &str)] = &[("last-modified", LATE), ("etag", "\"a\"")];
    check(LATER, ("if-modified-since", EARLY), 200);
    check(LATER, ("if-unmodified-since", EARLY), 412);
    check(DATED, ("if-modified-since", "yesterday"), 200);
    check(&[("etag", "\"a\"")], ("if-modified-since", LATE), 200);
    // RFC 9110 §13.1.3: a tag, where there is one, decides alone.
    let both = [("if-none-match", "\"b\""), ("if-modified-since", LATE)];
    assert_eq!(answer(DATED, "GET", &both).status, 200);
}

#[test]
fn only_what_is_short_and_may_be_kept_gets_a_tag() {
    let sized = |body: &'static str| move |_: &Asked| Response::new(ResponseBody::from(body));
    check_one(answering(sized("0123456789")), true);
    check_one(answering(sized("0123456789x")), false);
    let streamed = |_: &Asked| {
        let body = http_body_util::BodyExt::map_err(unsized_body("page"), Into::into);
        Response::new(ResponseBody::stream(body))
    };
    check_one(answering(streamed), false);
    check_one(page(&[("cache-control", "no-store")], "page"), false);
}

fn check_one<S>(service: S, made: bool)
where
    S: tower::Service<Asked, Response = Response<ResponseBody>, Error = std::convert::Infallible>,
{
    let answer = ask(EntityTags::new(10).layer(service), request("GET", "/", &[]));
    assert_eq!(answer.header("etag").is_some(), made, "{answer:?}");
}

#[test]
fn what_changes_something_is_left_to_the_service() {
    for method in ["POST", "PUT", "DELETE"] {
        let answer = answer(&[("etag", "\"a\"")], method, &[("if-match", "\"b\"")]);
        assert_eq!(answer.status, 200, "{method}");
    }
    assert_eq!(answer(&[], "POST", &[]).header("etag"), None);
    assert_eq!(answer(&[], "HEAD", &[]).header("etag"), None);
}

#[test]
fn errors_have_no_tags_and_no_conditions() {
    let missing = answering(|_: &Asked| {
        let response = Response::builder().status(404);
        response.body(ResponseBody::from("none")).unwrap()
    });
    let asked = request("GET", "/", &[("if-none-match", "*")]);
    let answer = ask(EntityTags::new(10).layer(missing), asked);
    assert_eq!((answer.status.as_u16(), answer.header("etag")), (404, None));
}

/// A body that breaks its word.
struct Liar(&'static [&'static str]);

impl http_body::Body for Liar {
    type Data = Bytes;
    type Error = tollgate_web::StreamError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let Some((&piece, rest)) = self.0.split_first() else {
            return std::task::Poll::Ready(None);
        };
        self.0 = rest;
        let frame = if piece == "fail" {
            Err("broke off".into())
        } else {
            Ok(http_body::Frame::data(Bytes::from_static(piece.as_bytes())))
        };
        std::task::Poll::Ready(Some(frame))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(10)
    }
}

#[test]
fn a_body_in_pieces_is_put_together_and_a_broken_one_is_500() {
    let check = |pieces: &'static [&'static str], status: u16, body: &str| {
        let service = answering(move |_: &Asked| Response::new(ResponseBody::stream(Liar(pieces))));
        let answer = ask(EntityTags::new(10).layer(service), request("GET", "/", &[]));
        assert_eq!(answer.status, status, "{pieces:?}");
        if status == 200 {
            assert_eq!(answer.text(), body);
        }
    };
    check(&["01234", "567", "89"], 200, "0123456789");
    check(&["01234", "fail"], 500, "");
    check(&["01234", "56789", "x"], 500, "");
}
