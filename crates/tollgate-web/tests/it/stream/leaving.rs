//! Producers wait for their client, and end when it leaves.

use std::sync::atomic::Ordering;

use super::clients::{BOTH, Next, Protocol, Reading, hear, talk};
use super::server::{CHUNK_BYTES, CHUNKS, StreamServer};
use crate::support::config;

#[test]
fn producers_end_when_the_client_leaves() {
    let server = StreamServer::start(config());
    for protocol in BOTH {
        for path in ["/waits", "/left", "/large"] {
            talk(async {
                let reading = Reading::begin(server.address, protocol, path, &[]).await;
                hear(&server.signals.begun).await;
                drop(reading);
                hear(&server.signals.ended).await;
            });
            // The next round is told of its own chunks.
            server.signals.sent.store(0, Ordering::Relaxed);
        }
    }
}

#[test]
fn producers_end_when_their_http2_stream_is_reset() {
    let server = StreamServer::start(config());
    for path in ["/waits", "/left", "/large"] {
        talk(async {
            let reading = Reading::begin(server.address, Protocol::Http2, path, &[]).await;
            hear(&server.signals.begun).await;
            let connection = reading.cancel();
            hear(&server.signals.ended).await;
            drop(connection);
        });
    }
}

#[test]
fn a_client_that_does_not_read_holds_its_producer_back() {
    for protocol in BOTH {
        let server = StreamServer::start(config());
        let sent = &server.signals.sent;
        talk(async {
            let mut reading = Reading::begin(server.address, protocol, "/large", &[]).await;
            hear(&server.signals.begun).await;
            // The one thread of the server answers these, which it cannot in the middle of a
            // producer that never waits.
            for _ in 0..20 {
                let mut hello =
                    Reading::begin(server.address, Protocol::Http2, "/hello", &[]).await;
                assert_eq!(hello.rest().await, ("hello".into(), Next::End));
            }
            assert!(sent.load(Ordering::Relaxed) < CHUNKS, "{protocol:?}");
            let (body, end) = reading.rest().await;
            assert_eq!((body.len(), end), (CHUNKS * CHUNK_BYTES, Next::End));
            assert_eq!(sent.load(Ordering::Relaxed), CHUNKS);
        });
    }
}
