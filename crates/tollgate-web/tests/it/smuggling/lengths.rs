//! Where a body ends, told in the head: `Transfer-Encoding` and `Content-Length` (RFC 9112 §6).

use super::{Ends, Outcome, Refused, Served, Trial};

const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";

#[test]
fn bodies_are_chunked_once_and_nothing_else() {
    let trial = Trial::new();
    let check = |outcome: Outcome<'_>, all: &[&[u8]]| {
        for fields in all {
            trial.post(fields, CHUNKS, outcome);
        }
    };
    check(
        Served("hello"),
        &[
            b"Transfer-Encoding: chunked",
            b"transfer-encoding:chunked",
            b"TRANSFER-ENCODING: CHUNKED",
            b"Transfer-Encoding: \t chunked \t ",
        ],
    );
    // The last coding is not `chunked`, so that nobody knows where the body ends.
    check(
        Refused(400),
        &[
            b"Transfer-Encoding:",
            b"Transfer-Encoding: identity",
            b"Transfer-Encoding: xchunked",
            b"Transfer-Encoding: chunkedx",
            b"Transfer-Encoding: chunked, identity",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            b"Transfer-Encoding: chunked,",
            b"Transfer-Encoding: chunked;q=1",
            b"Transfer-Encoding: chunked chunked",
            b"Transfer-Encoding: \"chunked\"",
            b"Transfer-Encoding: 'chunked'",
            b"Transfer-Encoding: =chunked",
            b"Transfer-Encoding: chunked\x85",
            b"Transfer-Encoding: \x85chunked",
            b"Transfer-Encoding: \xa0chunked",
            b"Transfer-Encoding: \xef\xbb\xbfchunked",
        ],
    );
    // Some look at the first coding, some at the last; `chunked` comes once (RFC 9112 §6.1).
    check(
        Refused(400),
        &[
            b"Transfer-Encoding: chunked, chunked",
            b"Transfer-Encoding: chunked , chunked",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: chunked\r\nX-A: b\r\ntransfer-encoding: CHUNKED",
            b"Transfer-Encoding: , chunked",
            b"Transfer-Encoding:\r\nTransfer-Encoding: chunked",
        ],
    );
    // Nothing here undoes another coding.
    check(
        Refused(501),
        &[
            b"Transfer-Encoding: gzip, chunked",
            b"Transfer-Encoding: identity, chunked",
            b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: chunked, gzip, chunked",
            b"Transfer-Encoding: xchunked\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: x\xff\r\nTransfer-Encoding: chunked",
        ],
    );
}

#[test]
fn lengths_are_digits_and_agree() {
    let trial = Trial::new();
    let check = |outcome: Outcome<'_>, all: &[&[u8]]| {
        for value in all {
            trial.post([&b"Content-Length:"[..], value].concat(), "hello", outcome);
        }
    };
    check(
        Served("hello"),
        &[
            b" 5",
            b"5",
            b" \t5 \t ",
            b" 05",
            b" 0000000000000000000000000000005",
            b" 5\r\nContent-Length: 5",
            b" 5\r\ncontent-length: 05",
        ],
    );
    check(
        Refused(400),
        &[
            b"",
            b" ",
            b" +5",
            b" -5",
            b" 0x5",
            b" 5h",
            b" 5.0",
            b" 5e0",
            b" 5 5",
            b" 5,5",
            b" 5, 5",
            b" 5, 6",
            b" ,5",
            b" 5,",
            b" 5;",
            b" \"5\"",
            b" five",
            b" \xd9\xa5",
            b" \x855",
            b" 5\x85",
            b" 5\r\nContent-Length: 6",
            b" 5\r\nContent-Length: +5",
            b" 5\r\nContent-Length:",
            b" 6\r\nX-A: b\r\nCONTENT-LENGTH: 5",
            // 2^64 + 5, and thirty digits: 5 to those who calculate on.
            b" 18446744073709551621",
            b" 100000000000000000000000000005",
        ],
    );
    check(
        Refused(413),
        &[
            b" 65537",
            b" 4294967301",
            b" 9223372036854775813",
            b" 18446744073709551610",
        ],
    );
    // hyper refuses these itself, and does not say why.
    check(
        Refused(431),
        &[b" 18446744073709551614", b" 18446744073709551615"],
    );
}

#[test]
fn of_both_the_chunks_count_and_nothing_comes_behind() {
    let trial = Trial::new();
    let both = [
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Content-Length: 60000\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: five",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 6",
        "Connection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
    ];
    for fields in both {
        trial.post(fields, CHUNKS, Ends("hello"));
    }
    // Whoever goes by the length sees this request's body end within the chunks, or behind them.
    trial.post(
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "0\r\n\r\n",
        Ends(""),
    );
    trial.post(
        "Content-Length: five\r\nTransfer-Encoding: chunked",
        CHUNKS,
        Refused(400),
    );
    trial.post(
        "Content-Length: 5\r\nTransfer-Encoding: xchunked",
        CHUNKS,
        Refused(400),
    );
    trial.post(
        "Content-Length: 5\r\nTransfer-Encoding: gzip, chunked",
        CHUNKS,
        Refused(501),
    );
}

#[test]
fn http10_has_no_transfer_codings() {
    let trial = Trial::new();
    for fields in ["", "Content-Length: 5\r\n", "Connection: keep-alive\r\n"] {
        let head = format!("POST /echo HTTP/1.0\r\n{fields}Transfer-Encoding: chunked\r\n\r\n");
        trial.check(head + CHUNKS, Refused(400));
    }
    trial.check(
        "POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
        Ends("hello"),
    );
}

#[test]
fn names_that_only_look_alike_say_nothing() {
    let trial = Trial::new();
    for fields in [
        "Transfer_Encoding: chunked\r\nContent-Length: 5",
        "X-Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Encoding: chunked\r\nContent-Length: 5",
        "Content_Length: 500\r\nContent-Length: 5",
        "TE: chunked\r\nContent-Length: 5",
        "Connection: Content-Length\r\nContent-Length: 5",
    ] {
        trial.post(fields, "hello", Served("hello"));
    }
}

#[test]
fn fields_that_are_bent_into_shape_elsewhere_are_refused() {
    let trial = Trial::new();
    let fields: [&[u8]; 18] = [
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding\t: chunked",
        b" Transfer-Encoding: chunked",
        b"\tTransfer-Encoding: chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding: chun\r\n ked",
        b"Transfer-Encoding: chunked\r\n\t, identity",
        b"Transfer-Encoding\r\n: chunked",
        b"Transfer Encoding: chunked",
        b"\x00Transfer-Encoding: chunked",
        b"Transfer-Encoding\x00: chunked",
        b"Transfer-Encoding: \x00chunked",
        b"Transfer-Encoding: \x0bchunked",
        b"Transfer-Encoding: chunked\x0c",
        b"Transfer-Encoding: chunked\rX-A: b",
        b"X-A: b\rTransfer-Encoding: chunked",
        b"Content-Length : 5",
        b"Content-Length: 5\x00",
    ];
    for fields in fields {
        trial.post(fields, CHUNKS, Refused(400));
        trial.post(
            [fields, b"\r\nContent-Length: 5"].concat(),
            "hello",
            Refused(400),
        );
        trial.post(
            [&b"Content-Length: 5\r\n"[..], fields].concat(),
            "hello",
            Refused(400),
        );
    }
}
