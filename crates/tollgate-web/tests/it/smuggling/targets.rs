//! What a request is for (RFC 9112 §3.2): taken as it stands, never mended on the way to a handler.

use super::{Answered, Outcome, Refused, Served, Trial};

fn check(trial: &Trial, method: &str, target: impl AsRef<[u8]>, expected: Outcome<'_>) {
    let parts = [
        method.as_bytes(),
        b" ",
        target.as_ref(),
        b" HTTP/1.1\r\nHost: t\r\n\r\n",
    ];
    trial.check(parts.concat(), expected);
}

#[test]
fn paths_are_not_made_into_others() {
    let trial = Trial::new();
    for target in [
        "/hello",
        "/hello?",
        "/hello?x=/../panic",
        "/hello?\\",
        "/hello#/../panic",
    ] {
        check(&trial, "GET", target, Served("hello"));
    }
    // Some of these are `/hello` or `/panic` to whoever resolves, decodes, folds or cuts.
    for target in [
        "/",
        "/.",
        "/..",
        "/../hello",
        "/./hello",
        "/x/../hello",
        "//",
        "//hello",
        "/hello/",
        "/hello/.",
        "/hello/..",
        "/hello//",
        "/HELLO",
        "/%",
        "/%00",
        "/hello%00",
        "/hello%",
        "/%zz",
        "/%2e%2e/hello",
        "/%2e%2e%2fhello",
        "/%2fhello",
        "/%68ello",
        "/x/%2e%2e/hello",
        "/..%c0%afhello",
        "/..\\hello",
        "/\\hello",
        "/hello;x=y",
        "/;/hello",
        "/hello%20",
        "/hello%0d%0aX-A:%20b",
        "/hello%23",
        "/hello%3f",
        "/h\u{e9}llo",
        "/\u{202e}olleh",
        "/panic/..",
        "/panic/",
        "//panic",
        "/./panic",
        "/%70anic",
        "/panic%00",
        "/hello/../panic",
    ] {
        check(&trial, "GET", target, Answered(404));
    }
}

#[test]
fn targets_are_of_the_form_that_their_method_has() {
    let trial = Trial::new();
    for target in [
        "http://t/hello",
        "HTTP://T/hello",
        "https://t/hello",
        "http://t/hello?x",
    ] {
        check(&trial, "GET", target, Served("hello"));
    }
    for target in [
        "http://t",
        "http://t/",
        "http://t?x",
        "http://t/../hello",
        "http://t//hello",
    ] {
        check(&trial, "GET", target, Answered(404));
    }
    for target in [
        // Another host than that of the field, or none.
        "http://u/hello",
        "http://t:80/hello",
        "http://x@t/hello",
        "http:///hello",
        "http:/hello",
        "http:hello",
        "://t/hello",
        "ftp://t/hello",
        "h://t/hello",
        "http://t\\hello",
        "http://[t/hello",
        // For CONNECT and OPTIONS alone.
        "t",
        "t:80",
        "hello",
        "hello/",
        "u/hello",
        "*",
        "**",
        "*/hello",
        // No form at all.
        "?hello",
        "#hello",
        "\\hello",
        ".",
        "../hello",
        "%2fhello",
        "./hello",
    ] {
        check(&trial, "GET", target, Refused(400));
        check(
            &trial,
            "OPTIONS",
            target,
            match target {
                "*" => Answered(404),
                _ => Refused(400),
            },
        );
    }
    check(&trial, "POST", "*", Refused(400));
    check(&trial, "HEAD", "t", Refused(400));
}

#[test]
fn nobody_gets_a_tunnel() {
    let trial = Trial::new();
    for target in [
        "t",
        "t:443",
        "t:",
        "host:443",
        "127.0.0.1:22",
        "/hello",
        "http://t/hello",
        "*",
    ] {
        check(&trial, "CONNECT", target, Refused(501));
    }
    let body = "CONNECT t:443 HTTP/1.1\r\nHost: t:443\r\nContent-Length: 5\r\n\r\nhello";
    trial.check(body, Refused(501));
}

#[test]
fn bytes_that_no_target_has_are_refused() {
    let trial = Trial::new();
    let targets: [&[u8]; 14] = [
        b"/hel lo",
        b"/hello ",
        b" /hello",
        b"/hello\t",
        b"/hel\x00lo",
        b"/hel\x01lo",
        b"/hel\x7flo",
        b"/\xff",
        b"/\xc3",
        b"/\xc0\xaf",
        b"/\xed\xa0\x80",
        b"/hel<lo",
        b"/hel>lo",
        b"/hel\rlo",
    ];
    for target in targets {
        check(&trial, "GET", target, Refused(400));
    }
    check(
        &trial,
        "GET",
        "/".to_owned() + &"x".repeat(15_000),
        Answered(404),
    );
    check(
        &trial,
        "GET",
        "/".to_owned() + &"x".repeat(20_000),
        Refused(431),
    );
    check(
        &trial,
        "GET",
        "/".to_owned() + &"x".repeat(100_000),
        Refused(431),
    );
}
