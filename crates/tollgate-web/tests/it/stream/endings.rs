//! A body that ended is whole, and one that is not whole breaks off.

use super::clients::{BOTH, Next, Reading, talk};
use super::server::{ROWS, StreamServer};
use crate::support::{SHORT, config};
use tollgate_web::ServerConfig;

#[test]
fn only_what_is_whole_ends() {
    let server = StreamServer::start(config());
    let rows: String = (0..ROWS).map(|row| format!("{row}\n")).collect();
    let check = |path: &str, body: &str, end: Next| {
        for protocol in BOTH {
            let read = talk(async {
                let mut reading = Reading::begin(server.address, protocol, path, &[]).await;
                assert_eq!(reading.status, 200, "{path}");
                reading.rest().await
            });
            assert_eq!(read.1, end, "{protocol:?} {path}");
            assert_eq!(read.0, body.as_bytes(), "{protocol:?} {path}");
        }
    };
    check("/rows", &rows, Next::End);
    check("/fails", "half", Next::Broken);
    check("/panics", "half", Next::Broken);
    check("/finished", &"chunk ".repeat(10), Next::End);
    check("/failed", &"chunk ".repeat(10), Next::Broken);
    check("/forgotten", &"chunk ".repeat(10), Next::Broken);
}

#[test]
fn a_shutdown_lets_streams_end_that_listen_for_it() {
    for protocol in BOTH {
        let mut server = StreamServer::start(config());
        talk(async {
            let address = server.address;
            let mut reading = Reading::begin(address, protocol, "/until-shutdown", &[]).await;
            reading.until("first").await;
            server.begin_stop();
            server.signals.shutdown.notify_one();
            assert_eq!(reading.rest().await, ("last".into(), Next::End));
        });
        assert_eq!(server.join().connections_aborted, 0, "{protocol:?}");
    }
}

#[test]
fn a_shutdown_cuts_off_streams_that_do_not() {
    for protocol in BOTH {
        let mut server = StreamServer::start(ServerConfig {
            drain_timeout: SHORT,
            ..config()
        });
        talk(async {
            let mut reading = Reading::begin(server.address, protocol, "/waits", &[]).await;
            reading.until("first").await;
            server.begin_stop();
            assert_eq!(reading.rest().await.1, Next::Broken);
            super::clients::hear(&server.signals.ended).await;
        });
        assert_eq!(server.join().connections_aborted, 1, "{protocol:?}");
    }
}
