//! SIGTERM under load: who was let in is answered, and the exit code is 0.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use crate::{http::Connection, start};

#[test]
fn whoever_was_let_in_is_answered() {
    let mut server = start("[tokens]\naccess_format = \"opaque\"\n");
    let client = server.create_client(&["--id", "draining", "--scope", "a"]);
    let url = server.url().to_owned();
    let answered = AtomicUsize::new(0);
    // A connection for each request: once it stands, its request must be answered.
    let load = || {
        loop {
            let mut connection = match Connection::open(&url) {
                Ok(connection) => connection,
                Err(error) => return assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
            };
            let answer = connection
                .try_post(&client, "/oauth/token", "grant_type=client_credentials")
                .expect("a request that was let in is answered");
            assert_eq!(answer.status, 200, "{}", answer.body);
            answered.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
        while answered.load(Ordering::Relaxed) < 200 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(server.terminate().code(), Some(0), "{}", server.log());
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}
