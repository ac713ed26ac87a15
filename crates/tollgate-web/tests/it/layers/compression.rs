//! Which answers are packed, and which must not be.

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use http::Response;
use tokio::io::AsyncReadExt;
use tollgate_web::layers::{Compression, EntityTags, SecretAnswer};
use tower_layer::Layer;

use super::{Answer, Asked, answering, ask, block_on, page, request};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn long() -> String {
    "0123456789".repeat(200)
}

fn answer(headers: &'static [(&str, &str)], body: String, accepted: &str) -> Answer {
    let asked = request("GET", "/", &[("accept-encoding", accepted)]);
    ask(Compression::new().layer(page(headers, body)), asked)
}

fn unpack(answer: &Answer) -> String {
    let mut text = String::new();
    let packed = &answer.body[..];
    block_on(async {
        match answer.header("content-encoding") {
            Some("gzip") => GzipDecoder::new(packed).read_to_string(&mut text).await,
            Some("br") => BrotliDecoder::new(packed).read_to_string(&mut text).await,
            Some("zstd") => ZstdDecoder::new(packed).read_to_string(&mut text).await,
            other => panic!("no coding {other:?}"),
        }
    })
    .unwrap();
    text
}

#[test]
fn the_clients_choice_is_packed_and_unpacks() {
    let check = |accepted: &str, coding: &str| {
        let answer = answer(JSON, long(), accepted);
        assert_eq!(
            answer.header("content-encoding"),
            Some(coding),
            "{accepted}"
        );
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        assert_eq!(answer.header("content-length"), None);
        assert!(answer.body.len() < 200, "{} bytes", answer.body.len());
        assert_eq!(unpack(&answer), long(), "{accepted}");
    };
    check("gzip", "gzip");
    check("br", "br");
    check("zstd", "zstd");
    check("gzip, br;q=0, zstd;q=0", "gzip");
    check("gzip;q=0.5, br;q=0.9", "br");
}

fn check_plain(headers: &'static [(&str, &str)], body: &str, accepted: &str) {
    let answer = answer(headers, body.to_owned(), accepted);
    let kept = headers.iter().find(|(name, _)| *name == "content-encoding");
    let kept = kept.map(|(_, value)| *value);
    assert_eq!(answer.header("content-encoding"), kept, "{headers:?}");
    assert_eq!(answer.text(), body, "{headers:?}");
}

#[test]
fn without_the_clients_wish_nothing_is_packed() {
    check_plain(JSON, &long(), "identity");
    check_plain(JSON, &long(), "gzip;q=0");
    check_plain(JSON, &long(), "deflate");
    // Caches must tell the two apart all the same.
    let answer = answer(JSON, long(), "identity");
    assert_eq!(answer.header("vary"), Some("accept-encoding"));
}

#[test]
fn secrets_are_never_packed() {
    const TYPE: (&str, &str) = ("content-type", "application/json");
    check_plain(&[TYPE, ("cache-control", "no-store")], &long(), "gzip");
    check_plain(
        &[TYPE, ("cache-control", "private, No-Store")],
        &long(),
        "gzip",
    );
    check_plain(&[TYPE, ("cache-control", "no-transform")], &long(), "gzip");
    check_plain(&[TYPE, ("set-cookie", "session=1")], &long(), "gzip");
    let marked = answering(|_: &Asked| {
        let mut response = Response::new(long().into());
        response
            .headers_mut()
            .insert("content-type", TYPE.1.parse().unwrap());
        response.extensions_mut().insert(SecretAnswer);
        response
    });
    let asked = request("GET", "/", &[("accept-encoding", "gzip")]);
    let answer = ask(Compression::new().layer(marked), asked);
    assert_eq!(answer.text(), long());
}

#[test]
fn small_packed_unpackable_and_live_answers_are_left_alone() {
    check_plain(JSON, &"x".repeat(1023), "gzip");
    check_plain(&[("content-type", "image/png")], &long(), "gzip");
    check_plain(&[("content-type", "text/event-stream")], &long(), "gzip");
    check_plain(&[], &long(), "gzip");
    const TYPE: (&str, &str) = ("content-type", "text/html");
    check_plain(&[TYPE, ("content-encoding", "compress")], &long(), "gzip");
    let edge = answer(JSON, "x".repeat(1024), "gzip");
    assert_eq!(edge.header("content-encoding"), Some("gzip"));
}

#[test]
fn errors_and_parts_are_left_alone() {
    for status in [206, 404, 500] {
        let service = answering(move |_: &Asked| {
            let response = Response::builder().status(status);
            let response = response.header("content-type", "text/html");
            response.body(long().into()).unwrap()
        });
        let asked = request("GET", "/", &[("accept-encoding", "gzip")]);
        let answer = ask(Compression::new().layer(service), asked);
        assert_eq!(answer.text(), long(), "{status}");
    }
}

#[test]
fn the_bound_can_be_moved() {
    let asked = request("GET", "/", &[("accept-encoding", "gzip")]);
    let answer = ask(
        Compression::bytes_min(10).layer(page(JSON, "x".repeat(10))),
        asked,
    );
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
}

#[test]
fn the_tag_of_what_is_packed_becomes_weak() {
    const STRONG: &[(&str, &str)] = &[("content-type", "text/html"), ("etag", "\"a\"")];
    const WEAK: &[(&str, &str)] = &[("content-type", "text/html"), ("etag", "W/\"a\"")];
    let check = |headers, accepted, tag| {
        assert_eq!(answer(headers, long(), accepted).header("etag"), Some(tag));
    };
    check(STRONG, "gzip", "W/\"a\"");
    check(STRONG, "identity", "\"a\"");
    check(WEAK, "gzip", "W/\"a\"");
    // What the service packed itself is told apart by its own tag.
    const PACKED: &[(&str, &str)] = &[
        ("content-type", "text/html"),
        ("content-encoding", "gzip"),
        ("etag", "\"a\""),
    ];
    check(PACKED, "gzip", "\"a\"");
}

#[test]
fn who_has_the_answer_is_told_the_same_of_it() {
    let check = |headers, known: &str, vary: &[&str], tag: &str| {
        let asked = request(
            "GET",
            "/",
            &[("accept-encoding", "gzip"), ("if-none-match", known)],
        );
        let service = EntityTags::new(10_000).layer(page(headers, long()));
        let answer = ask(Compression::new().layer(service), asked);
        assert_eq!(answer.status, 304, "{known}");
        assert_eq!(answer.list("vary"), vary, "{headers:?} {known}");
        assert_eq!(answer.header("etag"), Some(tag), "{headers:?} {known}");
        assert!(answer.body.is_empty() && answer.header("content-encoding").is_none());
    };
    const OWN: &[(&str, &str)] = &[("content-type", "text/html"), ("etag", "\"a\"")];
    let coding = &["accept-encoding"];
    check(OWN, "W/\"a\"", coding, "W/\"a\"");
    check(OWN, "\"b\", W/\"a\"", coding, "W/\"a\"");
    // This one was told the strong tag, of the answer as it is.
    check(OWN, "\"a\"", coding, "\"a\"");
    const VARIES: &[(&str, &str)] = &[("vary", "cookie, Accept-Encoding"), ("etag", "\"a\"")];
    check(VARIES, "W/\"a\"", &["cookie, Accept-Encoding"], "W/\"a\"");
    const FIXED: &[(&str, &str)] = &[("cache-control", "no-transform"), ("etag", "\"a\"")];
    check(FIXED, "W/\"a\"", &[], "\"a\"");
}

#[test]
fn who_takes_nothing_that_there_is_gets_406() {
    for refused in ["identity;q=0", "*;q=0", "deflate, identity;q=0"] {
        let answer = answer(JSON, long(), refused);
        assert_eq!(answer.status, 406, "{refused}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
    }
    assert_eq!(answer(JSON, long(), "gzip, identity;q=0").status, 200);
}
