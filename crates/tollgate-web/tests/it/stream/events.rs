//! Server-sent events as an `EventSource` reads them.

use super::clients::{BOTH, Next, Reading, talk};
use super::server::StreamServer;
use crate::support::config;

fn event(id: u64) -> String {
    format!("data: tick\ndata: tock\nid: {id}\nevent: clock\n\n")
}

#[test]
fn events_come_one_by_one_and_are_kept_alive() {
    let server = StreamServer::start(config());
    for protocol in BOTH {
        talk(async {
            let mut reading = Reading::begin(server.address, protocol, "/events", &[]).await;
            assert_eq!(reading.status, 200);
            for line in [
                "content-type: text/event-stream\r\n",
                "cache-control: no-store\r\n",
                "x-accel-buffering: no\r\n",
            ] {
                assert!(reading.head.contains(line), "{}", reading.head);
            }
            let retry = Next::Data("retry: 3000\n\n".into());
            assert_eq!(reading.next().await, retry, "{protocol:?}");
            assert_eq!(reading.next().await, Next::Data(event(0).into()));
            for _ in 0..2 {
                assert_eq!(reading.next().await, Next::Data(":\n\n".into()));
            }
            server.signals.gate.notify_one();
            reading.until(&event(1)).await;
            reading.until(":\n\n").await;
            server.signals.gate.notify_one();
            assert_eq!(reading.rest().await.1, Next::End);
        });
    }
}

#[test]
fn a_client_that_comes_back_is_told_what_it_missed() {
    let server = StreamServer::start(config());
    for protocol in BOTH {
        talk(async {
            let seen = [("last-event-id", "41")];
            let mut reading = Reading::begin(server.address, protocol, "/events", &seen).await;
            reading.until(&event(42)).await;
        });
    }
}
