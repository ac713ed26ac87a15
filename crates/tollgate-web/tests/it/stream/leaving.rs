//! Producers wait for their client, and end when it leaves.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tollgate_web::ServerConfig;

use super::clients::{BOTH, Next, Protocol, Reading, hear, talk};
use super::server::{CHUNK_BYTES, CHUNKS, StreamServer};
use crate::support::config;

/// Long enough for a loaded machine to hand a chunk on in.
const WRITE_TIMEOUT: Duration = Duration::from_millis(400);

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

#[test]
fn a_client_is_not_blamed_for_a_producer_that_is_quiet() {
    for protocol in BOTH {
        let server = StreamServer::start(ServerConfig {
            write_timeout: WRITE_TIMEOUT,
            ..config()
        });
        talk(async {
            let mut reading = Reading::begin(server.address, protocol, "/waits", &[]).await;
            reading.until("first").await;
            tokio::time::sleep(WRITE_TIMEOUT * 2).await;
            server.signals.gate.notify_one();
            let rest = reading.rest().await;
            assert_eq!(rest, ("second".into(), Next::End), "{protocol:?}");
        });
    }
}

#[test]
fn a_client_that_stops_reading_is_cut_off_after_a_quiet_time() {
    for protocol in BOTH {
        let server = StreamServer::start(ServerConfig {
            write_timeout: WRITE_TIMEOUT,
            ..config()
        });
        talk(async {
            let path = "/quiet-then-large";
            let mut reading = Reading::begin(server.address, protocol, path, &[]).await;
            reading.until("first").await;
            server.signals.gate.notify_one();
            // The connection stands, and nobody reads.
            hear(&server.signals.ended).await;
            assert!(server.signals.sent.load(Ordering::Relaxed) < CHUNKS);
        });
    }
}
