//! Where a chunk ends, and where the last one does (RFC 9112 §7.1).

use super::{Outcome, Refused, Served, Trial};

fn check(trial: &Trial, chunks: impl AsRef<[u8]>, expected: Outcome<'_>) {
    trial.post("Transfer-Encoding: chunked", chunks, expected);
}

#[test]
fn sizes_are_hexadecimal_digits_and_nothing_else() {
    let trial = Trial::new();
    for size in [
        "5",
        "05",
        "00000000000000000005",
        "5 ",
        "5\t",
        "5;a",
        "5;a=b",
        "5 ; a=\"b;c\"",
    ] {
        check(
            &trial,
            format!("{size}\r\nhello\r\n0\r\n\r\n"),
            Served("hello"),
        );
    }
    for size in ["a", "A", "0a"] {
        check(
            &trial,
            format!("{size}\r\n0123456789\r\n0\r\n\r\n"),
            Served("0123456789"),
        );
    }
    for size in [
        "",
        " ",
        " 5",
        "\t5",
        "+5",
        "-5",
        "0x5",
        "5h",
        "5_0",
        "h",
        "5,5",
        "5 5",
        "\"5\"",
        ";a",
        // 2^64 + 5, and 2^68 + 5.
        "10000000000000005",
        "100000000000000005",
    ] {
        check(
            &trial,
            format!("{size}\r\nhello\r\n0\r\n\r\n"),
            Refused(400),
        );
    }
}

#[test]
fn lines_end_with_both_characters() {
    let trial = Trial::new();
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "5 \nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\rX",
        "5\r\nhello\r\n0\r\r\n\r\n",
        // What stands behind a lone line feed would be a request to some, and is none here.
        "5;a\nGET /panic HTTP/1.1\r\nhello\r\n0\r\n\r\n",
        "2;\n02\r\n41\r\n0\r\n\r\n",
    ] {
        check(&trial, chunks, Refused(400));
    }
}

#[test]
fn trailers_are_well_formed_and_change_nothing() {
    let trial = Trial::new();
    for trailers in [
        "A: b",
        "A: b\r\nA: c",
        "Content-Length: 40",
        "Transfer-Encoding: gzip",
        "Host: u",
        "Connection: close",
        "Expect: 100-continue",
        "A:",
    ] {
        check(
            &trial,
            format!("5\r\nhello\r\n0\r\n{trailers}\r\n\r\n"),
            Served("hello"),
        );
    }
    for trailers in [
        "no colon",
        ": b",
        "A : b",
        " A: b",
        "A: b\r\n c",
        "A\0: b",
        "A: \0",
        "A: b\rC: d",
        "A: b\nGET /panic HTTP/1.1",
        "GET /panic HTTP/1.1",
    ] {
        check(
            &trial,
            format!("5\r\nhello\r\n0\r\n{trailers}\r\n\r\n"),
            Refused(400),
        );
    }
}

#[test]
fn what_costs_memory_or_never_ends_is_bounded() {
    let trial = Trial::new();
    let chunk = |extension: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(extension));
    check(&trial, chunk(8_000), Served("hello"));
    check(&trial, chunk(20_000), Refused(400));
    let many: String = (0..6_000).map(|_| "1;xxx\r\na\r\n").collect();
    check(&trial, many, Refused(400));
    let trailers = |count: usize| "a: b\r\n".repeat(count);
    check(&trial, format!("0\r\n{}\r\n", trailers(100)), Served(""));
    check(&trial, format!("0\r\n{}\r\n", trailers(101)), Refused(400));
    check(
        &trial,
        format!("0\r\na: {}\r\n\r\n", "x".repeat(20_000)),
        Refused(400),
    );
    // Within the bound however it is cut, and one byte beyond.
    let cut = |bytes: usize| "1\r\nx\r\n".repeat(bytes) + "0\r\n\r\n";
    check(&trial, cut(65_536), Served(&"x".repeat(65_536)));
    check(&trial, cut(65_537), Refused(413));
}
