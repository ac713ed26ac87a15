//! Request lines and fields: what is no head at all, and what is one to some (RFC 9112 §2, §3, §5).

use super::{Answered, Ends, Refused, Served, Trial};

#[test]
fn request_lines_have_three_parts_and_two_spaces() {
    let trial = Trial::new();
    let check = |line: &[u8], expected| {
        trial.check([line, b"\r\nHost: t\r\n\r\n"].concat(), expected);
    };
    check(b"GET /hello HTTP/1.1", Served("hello"));
    check(b"\r\n\r\nGET /hello HTTP/1.1", Served("hello"));
    check(b"GET /hello HTTP/1.0", Ends("hello"));
    let refused: [&[u8]; 29] = [
        b"GET  /hello HTTP/1.1",
        b"GET /hello  HTTP/1.1",
        b"GET /hello HTTP/1.1 ",
        b" GET /hello HTTP/1.1",
        b"\tGET /hello HTTP/1.1",
        b"\rGET /hello HTTP/1.1",
        b"GET\t/hello HTTP/1.1",
        b"GET /hello\tHTTP/1.1",
        b"GET /hello\x0bHTTP/1.1",
        b"GET\x00/hello HTTP/1.1",
        b"GET /hello",
        b"GET /hello ",
        b"GET HTTP/1.1",
        b"GET",
        b"/hello HTTP/1.1",
        b"GET /hello HTTP/0.9",
        b"GET /hello HTTP/1.2",
        b"GET /hello HTTP/1.10",
        b"GET /hello HTTP/01.1",
        b"GET /hello HTTP/1.1.1",
        b"GET /hello HTTP/1.",
        b"GET /hello HTTP/1,1",
        b"GET /hello HTTP/2",
        b"GET /hello HTTP/2.0",
        b"GET /hello HTTP/3",
        b"GET /hello http/1.1",
        b"GET /hello HTTPS/1.1",
        b"GET /hello RTSP/1.0",
        b"GET /hello GET /hello HTTP/1.1",
    ];
    for line in refused {
        check(line, Refused(400));
    }
}

#[test]
fn methods_are_tokens_and_theirs_who_serves() {
    let trial = Trial::new();
    let check = |method: &[u8], expected| {
        trial.check(
            [method, b" /hello HTTP/1.1\r\nHost: t\r\n\r\n"].concat(),
            expected,
        );
    };
    // Which ones are allowed is for the handler to say: this one does not look.
    for method in [
        "GET",
        "get",
        "gET",
        "FOO",
        "M-SEARCH",
        "!#$%&'*+-.^_`|~",
        "PRI",
        "TRACE",
    ] {
        check(method.as_bytes(), Served("hello"));
    }
    check(&[b'M'; 10_000], Served("hello"));
    check(&[b'M'; 20_000], Refused(431));
    let refused: [&[u8]; 10] = [
        b"",
        b"G(T",
        b"G,T",
        b"G/T",
        b"\"GET\"",
        b"{GET}",
        b"GET:",
        b"G\x00T",
        b"G\x7fT",
        b"G\xc3\x89T",
    ];
    for method in refused {
        check(method, Refused(400));
    }
}

#[test]
fn fields_have_a_name_a_colon_and_a_value_on_one_line() {
    let trial = Trial::new();
    let served: [&[u8]; 6] = [
        b"X-A: b",
        b"X-A:b",
        b"X-A:",
        b"X-A: b\tc",
        b"X-A: \xff\xfe",
        b"!#$%&'*+-.^_`|~: b",
    ];
    for field in served {
        trial.get(field, Served("hello"));
    }
    let refused: [&[u8]; 30] = [
        b"no colon",
        b"nocolon",
        b": b",
        b":",
        b"X A: b",
        b"X-A : b",
        b"X-A\t: b",
        b" X-A: b",
        b"\tX-A: b",
        b"X-A: b\r\n c",
        b"X-A: b\r\n\tc",
        b"X(A: b",
        b"X/A: b",
        b"X@A: b",
        b"\"X-A\": b",
        b"X\x00A: b",
        b"X\x01A: b",
        b"X\x7fA: b",
        b"X\xc3\xa4: b",
        b"X\xff: b",
        b"X-A: \x00",
        b"X-A: b\x00c",
        b"X-A: b\x01c",
        b"X-A: b\x08c",
        b"X-A: b\x0bc",
        b"X-A: b\x1bc",
        b"X-A: b\x7fc",
        b"X-A: b\rc",
        b"X-A: b\r\r\nX-B: c",
        b"X-A: b\r",
    ];
    for field in refused {
        trial.get(field, Refused(400));
    }
}

#[test]
fn a_line_feed_alone_ends_a_line_as_it_may() {
    // RFC 9112 §2.2 allows it, and hyper knows no other way: at least it holds for every line, so
    // that a value never reaches past one.
    let trial = Trial::new();
    trial.check("GET /hello HTTP/1.1\nHost: t\n\n", Served("hello"));
    trial.check("GET /hello HTTP/1.1\nHost: t\r\n\n", Served("hello"));
    trial.get("X-A: b\nX-B: c", Served("hello"));
    trial.get("X-A: b\n c", Refused(400));
    trial.get("X-A: b\nHost: u", Refused(400));
    trial.get("X-A: b\n\rX-B: c", Refused(400));
    trial.post("X-A: b\nContent-Length: 5", "hello", Served("hello"));
    trial.post(
        "X-A: b\nTransfer-Encoding: gzip, chunked",
        "0\r\n\r\n",
        Refused(501),
    );
}

#[test]
fn heads_are_bounded_in_bytes_and_in_fields() {
    let trial = Trial::new();
    // With the host, a hundred.
    trial.get("a: b\r\n".repeat(98) + "a: b", Served("hello"));
    trial.get("a: b\r\n".repeat(99) + "a: b", Refused(431));
    trial.get("a: b\r\n".repeat(9_999) + "a: b", Refused(431));
    trial.get(format!("a: {}", "x".repeat(15_000)), Served("hello"));
    trial.get(format!("a: {}", "x".repeat(20_000)), Refused(431));
    trial.get(format!("{}: b", "x".repeat(20_000)), Refused(431));
    trial.check("\r\n".repeat(10_000), Refused(431));
    trial.check("\n".repeat(20_000), Refused(431));
    trial.check("x".repeat(20_000), Refused(431));
    trial.check(
        "\r\n".repeat(1_000) + "GET /nowhere HTTP/1.1\r\nHost: t\r\n\r\n",
        Answered(404),
    );
}
