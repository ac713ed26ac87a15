//! More work than is taken on.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::service::{Service, basic};

#[test]
fn past_the_bound_calls_are_refused_and_health_is_not() {
    let service = Service::with(|config| config.overload.in_flight_max = 0);
    let refused = service.get("/.well-known/oauth-authorization-server", &[]);
    refused.assert_error(503, "temporarily_unavailable");
    assert!(refused.header("retry-after").is_some());
    let grant = [("grant_type", "client_credentials")];
    service
        .post("/oauth/token", &service.demo, &grant)
        .assert_error(503, "temporarily_unavailable");
    assert_eq!(service.get("/health", &[]).status, 200);
    assert_eq!(service.get("/ready", &[]).status, 200);
    assert!(
        service
            .registry
            .render()
            .contains("overload_rejections_total{reason=\"queue_wait\"}")
    );
}

#[test]
fn who_sends_slowly_keeps_nobody_out() {
    let service = Service::with(|config| {
        config.overload.in_flight_max = 1;
        config.overload.queue_max = 1;
    });
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: 29\r\n\
         connection: close\r\n\r\ngrant_type=",
        basic(&service.demo)
    );
    let mut slow: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = TcpStream::connect(service.address).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    for _ in 0..20 {
        service.access_token(&service.demo);
    }
    // Two of them were let wait; whoever came later is told to come back.
    let statuses: Vec<String> = slow
        .iter_mut()
        .map(|stream| {
            let _ = stream.write_all(b"client_credentials");
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            answer.get(9..12).unwrap_or_default().to_owned()
        })
        .collect();
    assert!(
        statuses.iter().filter(|status| *status == "200").count() >= 2,
        "{statuses:?}"
    );
}
