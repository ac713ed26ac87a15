//! What could turn a connection into something else, or a body into a request: upgrades,
//! expectations, bodies where none is expected, ends that were announced.

use super::{Ends, HIDDEN, LAST, Refused, Served, Trial};

#[test]
fn no_upgrade_is_taken() {
    let trial = Trial::new();
    for fields in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Connection: Upgrade\r\nUpgrade: TLS/1.2",
        "Upgrade: h2c, websocket",
    ] {
        trial.get(fields, Served("hello"));
        // Its body is a body, whatever the client thinks that it speaks by then.
        let fields = format!("{fields}\r\nContent-Length: {}", HIDDEN.len());
        trial.post(fields, HIDDEN, Served(HIDDEN));
    }
    // A client that takes it for granted and goes on in HTTP/2.
    let told =
        "GET /hello HTTP/1.1\r\nHost: t\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n";
    trial.check(
        told.to_owned() + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        Ends("hello"),
    );
}

#[test]
fn expectations_do_not_move_the_end_of_a_body() {
    let trial = Trial::new();
    let length = HIDDEN.len();
    let posted = |path: &str, version: &str, fields: &str| {
        let head = format!("POST {path} HTTP/{version}\r\nHost: t\r\n{fields}\r\n\r\n");
        (head + HIDDEN + LAST).into_bytes()
    };
    let expects = format!("Expect: 100-continue\r\nContent-Length: {length}");
    let (echoed, hello) = ((200, Some(HIDDEN)), (200, Some("hello")));
    trial.check_all(
        &posted("/echo", "1.1", &expects),
        &[(100, None), echoed, hello],
    );
    trial.check_all(
        &posted("/echo", "1.1", &expects.to_uppercase()),
        &[(100, None), echoed, hello],
    );
    // HTTP/1.0 does not know it, an expectation of something else is nobody's, and who does not
    // want the body does not ask for it.
    trial.check_all(&posted("/echo", "1.0", &expects), &[echoed]);
    let other = format!("Expect: 200-ok\r\nContent-Length: {length}");
    trial.check_all(&posted("/echo", "1.1", &other), &[echoed, hello]);
    trial.check_all(
        &posted("/unread", "1.1", &expects),
        &[(200, Some("not read"))],
    );
    let large = "Expect: 100-continue\r\nContent-Length: 65537";
    trial.check_all(&posted("/echo", "1.1", large), &[(413, None)]);
    let none = "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n".to_owned() + LAST;
    let head = format!("POST /echo HTTP/1.1\r\nHost: t\r\n{none}");
    trial.check_all(head.as_bytes(), &[(200, Some("")), hello]);
}

#[test]
fn bodies_belong_to_their_request_whatever_its_method() {
    let trial = Trial::new();
    let length = HIDDEN.len();
    for method in ["GET", "DELETE", "OPTIONS", "TRACE", "FOO"] {
        let head =
            format!("{method} /echo HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n");
        trial.check(head + HIDDEN, Served(HIDDEN));
        // Nobody reads this one, and the server does not guess where it ends.
        let head =
            format!("{method} /hello HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n");
        trial.check(head + HIDDEN, Ends("hello"));
        let head =
            format!("{method} /hello HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
        trial.check(
            format!("{head}{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
            Ends("hello"),
        );
    }
    let head = format!("HEAD /echo HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n");
    trial.check(head + HIDDEN, Served(""));
    // Without a length there is no body: what follows is a request, and this one is none.
    trial.check_all(
        b"POST /echo HTTP/1.1\r\nHost: t\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        &[(200, Some("")), (400, None)],
    );
}

#[test]
fn nothing_is_served_after_an_end() {
    let trial = Trial::new();
    for fields in [
        "Connection: close",
        "Connection: CLOSE",
        "Connection: x, close",
        "Connection: keep-alive, close",
        "Connection: close\r\nConnection: keep-alive",
    ] {
        trial.get(fields, Ends("hello"));
    }
    trial.get("Connection: x", Served("hello"));
    trial.check("GET /hello HTTP/1.0\r\n\r\n", Ends("hello"));
    trial.check(
        "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        Served("hello"),
    );
    trial.check("GET /hello HTTP/1.1\r\n\r\n", Refused(400));
}
