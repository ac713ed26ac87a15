//! Packed bodies: sound ones, broken ones, and bombs.

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZstdEncoder};
use async_compression::zstd::CParameter;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::io::AsyncWriteExt;
use tollgate_web::layers::Decompression;
use tower_layer::Layer;

use super::{Answer, ask, block_on, echo, request};

const BOUND: u64 = 100_000;

pub(crate) fn pack(coding: &str, plain: &[u8]) -> Vec<u8> {
    macro_rules! packed {
        ($encoder:expr) => {
            block_on(async {
                let mut encoder = $encoder;
                encoder.write_all(plain).await.unwrap();
                encoder.shutdown().await.unwrap();
                encoder.into_inner()
            })
        };
    }
    match coding {
        "gzip" => packed!(GzipEncoder::new(Vec::new())),
        "br" => packed!(BrotliEncoder::new(Vec::new())),
        "zstd" => packed!(ZstdEncoder::new(Vec::new())),
        "zstd, wide" => packed!(ZstdEncoder::with_quality_and_params(
            Vec::new(),
            async_compression::Level::Default,
            &[
                CParameter::window_log(24),
                CParameter::content_size_flag(false)
            ],
        )),
        _ => panic!("no coding {coding}"),
    }
}

fn answer(coding: &str, body: Vec<u8>) -> Answer {
    let asked = Request::post("/").header("content-encoding", coding);
    let asked = asked.header("content-length", body.len());
    let asked = asked.body(Full::new(Bytes::from(body))).unwrap();
    ask(Decompression::new(BOUND).layer(echo()), asked)
}

#[test]
fn known_codings_are_unpacked() {
    let text = "a plain text, ".repeat(1000);
    for (name, coding) in [
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
    ] {
        let answer = answer(name, pack(coding, text.as_bytes()));
        assert_eq!(answer.text(), text, "{name}");
    }
    for name in ["identity", ""] {
        let headers: &[_] = &[("content-encoding", name)];
        let headers = if name.is_empty() { &[] } else { headers };
        let mut asked = request("POST", "/", headers);
        *asked.body_mut() = Full::from(text.clone());
        let answer = ask(Decompression::new(BOUND).layer(echo()), asked);
        assert_eq!(answer.text(), text, "{name}");
    }
}

#[test]
fn members_that_follow_one_another_are_one_body() {
    for coding in ["gzip", "zstd"] {
        let two = [pack(coding, b"one "), pack(coding, b"two")].concat();
        assert_eq!(answer(coding, two).text(), "one two", "{coding}");
    }
}

#[test]
fn what_follows_the_end_is_refused() {
    for coding in ["gzip", "br", "zstd"] {
        let more = [pack(coding, b"one"), b"more".to_vec()].concat();
        assert_eq!(answer(coding, more).status, 400, "{coding}");
    }
}

#[test]
fn bombs_are_413_at_the_bound() {
    let check = |bytes: usize, status: StatusCode| {
        let plain = vec![0; bytes];
        for coding in ["gzip", "br", "zstd"] {
            let answer = answer(coding, pack(coding, &plain));
            assert_eq!(answer.status, status, "{coding} of {bytes}");
        }
    };
    check(100_000, StatusCode::OK);
    check(100_001, StatusCode::PAYLOAD_TOO_LARGE);
    check(20_000_000, StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn a_window_beyond_what_http_allows_is_refused() {
    let packed = pack("zstd, wide", &[b'x'; 1000]);
    assert_eq!(answer("zstd", packed).status, StatusCode::BAD_REQUEST);
}

#[test]
fn unknown_codings_are_415_and_told_what_is_known() {
    for name in ["deflate", "compress", "gzip, br", "gzip;q=1", "x", ""] {
        let answer = answer(name, b"bytes".to_vec());
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{name}");
        assert_eq!(answer.header("accept-encoding"), Some("gzip, br, zstd"));
    }
    let twice = [("content-encoding", "gzip"), ("content-encoding", "gzip")];
    let asked = request("POST", "/", &twice);
    let answer = ask(Decompression::new(BOUND).layer(echo()), asked);
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[test]
fn broken_bodies_fail_as_the_service_says() {
    for coding in ["gzip", "br", "zstd"] {
        let packed = pack(coding, "a plain text, ".repeat(1000).as_bytes());
        let cut = packed[..packed.len() - 1].to_vec();
        assert_eq!(
            answer(coding, cut).status,
            StatusCode::BAD_REQUEST,
            "{coding} cut"
        );
        let garbage = b"\xff\xfe no such thing".to_vec();
        let answer = answer(coding, garbage);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{coding} garbage");
    }
}
