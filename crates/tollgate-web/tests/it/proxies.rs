//! Who the client is behind proxies, and request ids.

use tollgate_web::{ServerConfig, TrustedProxies, ip_key};

use crate::support::{TestServer, config, loopback_trusted};

/// Headers from a loopback peer, and the client that they name when loopback is trusted.
const FORWARDED: &[(&str, &str)] = &[
    ("", "127.0.0.1 http -"),
    ("X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1 http -"),
    ("X-Forwarded-For: 192.0.2.1:4711\r\n", "192.0.2.1 http -"),
    ("X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1 http -"),
    (
        "X-Forwarded-For: [2001:db8::1]:4711\r\n",
        "2001:db8::1 http -",
    ),
    ("X-Forwarded-For: ::ffff:192.0.2.1\r\n", "192.0.2.1 http -"),
    (
        "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n",
        "192.0.2.1 http -",
    ),
    (
        "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 127.0.0.9\r\n",
        "192.0.2.1 http -",
    ),
    (
        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.1\r\n",
        "192.0.2.1 http -",
    ),
    (
        "X-Forwarded-For: 6.6.6.6, nonsense, 127.0.0.9\r\n",
        "127.0.0.9 http -",
    ),
    ("X-Forwarded-For: nonsense\r\n", "127.0.0.1 http -"),
    ("X-Forwarded-For: \r\n", "127.0.0.1 http -"),
    (
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example\r\n",
        "192.0.2.1 https a.example",
    ),
    (
        "X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b\r\n",
        "127.0.0.1 http -",
    ),
    (
        "Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\n",
        "192.0.2.1 http -",
    ),
    (
        // One of the two is the client's own claim.
        "Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 6.6.6.6\r\n",
        "127.0.0.1 http -",
    ),
    (
        // The client knows its address, and claims the rest.
        "Forwarded: for=192.0.2.1;proto=https;host=evil\r\nX-Forwarded-For: 192.0.2.1\r\n",
        "192.0.2.1 http -",
    ),
    (
        "Forwarded: for=192.0.2.1;proto=https;host=evil\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: b.example\r\n",
        "192.0.2.1 http -",
    ),
    (
        "Forwarded: for=192.0.2.1;proto=https;host=b.example\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\n",
        "192.0.2.1 https b.example",
    ),
    (
        "Forwarded: for=\"[2001:db8::1]:80\";proto=https\r\n",
        "2001:db8::1 https -",
    ),
    (
        "Forwarded: for=6.6.6.6;host=evil, For=192.0.2.1;Proto=HTTPS;Host=b.example, for=127.0.0.2\r\n",
        "192.0.2.1 https b.example",
    ),
    (
        "Forwarded: for=6.6.6.6, for=unknown\r\n",
        "127.0.0.1 http -",
    ),
    (
        "Forwarded: for=6.6.6.6, for=_hidden, for=127.0.0.3\r\n",
        "127.0.0.3 http -",
    ),
];

#[test]
fn forwarding_headers_count_from_trusted_proxies_alone() {
    let trusting = TestServer::start(ServerConfig {
        trusted_proxies: loopback_trusted(),
        ..config()
    });
    let distrusting = TestServer::start(ServerConfig {
        trusted_proxies: TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]),
        ..config()
    });
    let nobody = TestServer::start(config());
    let check = |headers: &str, expected: &str| {
        let who = |server: &TestServer| {
            let request = format!("GET /who HTTP/1.1\r\nHost: t\r\n{headers}\r\n");
            let told = server.connect().send(request).answer().text().to_owned();
            told.rsplit_once(' ').unwrap().0.to_owned()
        };
        assert_eq!(who(&trusting), expected, "{headers}");
        assert_eq!(who(&distrusting), "127.0.0.1 http -", "{headers}");
        assert_eq!(who(&nobody), "127.0.0.1 http -", "{headers}");
    };
    for (headers, expected) in FORWARDED {
        check(headers, expected);
    }
}

#[test]
fn request_ids_are_made_or_taken_from_trusted_proxies() {
    let trusting = TestServer::start(ServerConfig {
        trusted_proxies: loopback_trusted(),
        ..config()
    });
    let nobody = TestServer::start(config());
    let ask = |server: &TestServer, id: &str| {
        let request = format!("GET /who HTTP/1.1\r\nHost: t\r\nX-Request-Id: {id}\r\n\r\n");
        let answer = server.connect().send(request).answer();
        let told = answer.header("x-request-id").unwrap().to_owned();
        assert!(
            answer.text().ends_with(&told),
            "handler and header disagree"
        );
        told
    };
    let sane = ["a", "0190-af.B_C:1=2+3/4@5", &"x".repeat(47)];
    for id in sane {
        assert_eq!(ask(&trusting, id), id);
        assert_ne!(ask(&nobody, id), id);
    }
    for id in ["", "a b", "a\"b", "a{b", "ä", &"x".repeat(48)] {
        let made = ask(&trusting, id);
        assert_eq!(made.len(), 26, "{id} became {made}");
        assert!(made.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    let made: std::collections::HashSet<String> = (0..100).map(|_| ask(&nobody, "")).collect();
    assert_eq!(made.len(), 100);
}

#[test]
fn addresses_are_limited_by_what_one_customer_holds() {
    let same = [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
    ];
    for (a, b) in same {
        assert_eq!(
            ip_key(a.parse().unwrap()),
            ip_key(b.parse().unwrap()),
            "{a} {b}"
        );
    }
    let different = [
        ("192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8:0:1::1"),
    ];
    for (a, b) in different {
        assert_ne!(
            ip_key(a.parse().unwrap()),
            ip_key(b.parse().unwrap()),
            "{a} {b}"
        );
    }
}
