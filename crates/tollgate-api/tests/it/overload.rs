//! More work than is taken on.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::service::{Service, basic};

#[test]
fn past_the_bound_calls_are_refused_and_health_is_not() {
    let service = Service::with(|config| {
        config.overload.in_flight_max = 1;
        config.overload.queue_max = 0;
    });
    // A call whose body is still to come holds the only place.
    let mut slow = TcpStream::connect(service.address).unwrap();
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 29\r\nconnection: close\r\n\r\ngrant_type=",
        basic(&service.demo)
    );
    slow.write_all(head.as_bytes()).unwrap();
    let refused = loop {
        let answer = service.get("/.well-known/oauth-authorization-server", &[]);
        if answer.status == 503 {
            break answer;
        }
    };
    refused.assert_error(503, "temporarily_unavailable");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(service.get("/health", &[]).status, 200);
    slow.write_all(b"client_credentials").unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        service
            .registry
            .render()
            .contains("overload_rejections_total{reason=\"queue_full\"}")
    );
}
