//! Requests that two servers would read differently: what a proxy takes for the body of one must
//! never be answered as another (RFC 9112 §§6.3, 11.2).

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use crate::service::{Service, basic};

const HIDDEN: &str = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
const FORM: &str = "grant_type=client_credentials";

/// What contradicts itself, the version of HTTP, the lines that say it, and whether that is 400.
/// With both, the chunks count, as the RFC asks, and the connection ends with the answer.
const FRAMINGS: [(&str, &str, &str, bool); 11] = [
    (
        "length, then chunks",
        "1.1",
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        false,
    ),
    (
        "chunks, then length",
        "1.1",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        false,
    ),
    (
        "two lengths",
        "1.1",
        "content-length: 4\r\ncontent-length: 5\r\n",
        true,
    ),
    ("a list of lengths", "1.1", "content-length: 4, 5\r\n", true),
    ("a signed length", "1.1", "content-length: +4\r\n", true),
    (
        "a length in hexadecimal",
        "1.1",
        "content-length: 0x4\r\n",
        true,
    ),
    (
        "no coding known",
        "1.1",
        "transfer-encoding: gzip\r\n",
        true,
    ),
    (
        "chunks within another coding",
        "1.1",
        "transfer-encoding: chunked, gzip\r\n",
        true,
    ),
    (
        "chunks before there were any",
        "1.0",
        "transfer-encoding: chunked\r\n",
        true,
    ),
    (
        "a blank before the colon",
        "1.1",
        "transfer-encoding : chunked\r\n",
        true,
    ),
    (
        "a folded line",
        "1.1",
        "transfer-encoding:\r\n chunked\r\n",
        true,
    ),
];

/// Everything that is answered to `request` until the server closes.
fn answers(service: &Service, request: &str) -> String {
    let mut stream = TcpStream::connect(service.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    // Ends a hang, where the server goes on listening and should not.
    let hang = Duration::from_secs(10);
    stream.set_read_timeout(Some(hang)).unwrap();
    let mut answers = String::new();
    // Closing with bytes unread may end in a reset; what was answered before it counts.
    let _ = stream.read_to_string(&mut answers);
    answers
}

#[test]
fn one_answer_and_no_more_where_lengths_contradict_each_other() {
    let service = Service::start();
    let authorization = basic(&service.demo);
    let chunked = format!("{:x}\r\n{FORM}\r\n0\r\n\r\n", FORM.len());
    for (what, version, framing, refused) in FRAMINGS {
        let request = format!(
            "POST /oauth/token HTTP/{version}\r\nhost: x\r\nauthorization: {authorization}\r\n\
             content-type: application/x-www-form-urlencoded\r\n{framing}\r\n{chunked}{HIDDEN}"
        );
        let answers = answers(&service, &request);
        let statuses: Vec<&str> = answers
            .match_indices("HTTP/1.")
            .filter_map(|(place, _)| answers.get(place + 9..place + 12))
            .collect();
        assert_eq!(statuses.len(), 1, "{what}: {answers}");
        assert!(!answers.contains(r#"{"status":"ok"}"#), "{what}: {answers}");
        assert_eq!(statuses[0] == "400", refused, "{what}: {answers}");
    }
}

/// The other side: two requests that are clear are two answers.
#[test]
fn requests_in_a_row_are_each_answered() {
    let service = Service::start();
    let last = HIDDEN.replace("host: x", "host: x\r\nconnection: close");
    let answers = answers(&service, &format!("{HIDDEN}{last}"));
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
}
