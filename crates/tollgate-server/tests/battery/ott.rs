//! Many redeem the same tokens at once: each token has one winner, across a `kill -9` too.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tollgate_testkit::TestClient;

use crate::{http::Connection, setting, start};

const THREADS: usize = 64;

#[test]
fn every_one_time_token_has_one_winner() {
    let count = setting("TOLLGATE_TEST_OTT_TOKENS", 200);
    let mut server = start("[tokens]\none_time_ttl = \"1h\"\n");
    let client = server.create_client(&["--id", "racer", "--scope", "a"]);
    let tokens: Vec<String> = {
        let mut connection = Connection::to(&server);
        let mut issue = || {
            connection.post(&client, "/oauth/ott", "").json()["token"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        (0..count).map(|_| issue()).collect()
    };
    let wins: Vec<AtomicUsize> = tokens.iter().map(|_| AtomicUsize::new(0)).collect();
    // The first race is cut off in the middle, the second one is not.
    let (half, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let url = server.url().to_owned();
    let cut = Mutex::new(Some(&mut server));
    let sure = race(&url, &client, &tokens, &wins, || {
        if half.fetch_add(1, Ordering::Relaxed) == count * THREADS / 4
            && let Some(server) = cut.lock().unwrap().take()
        {
            server.kill();
        }
    });
    assert!(!sure, "the server was not killed in the middle of the race");
    let unsure: Vec<bool> = wins
        .iter()
        .map(|wins| wins.load(Ordering::Relaxed) == 0)
        .collect();
    let server = server.restart();
    assert!(race(server.url(), &client, &tokens, &wins, || {
        done.fetch_add(1, Ordering::Relaxed);
    }));
    assert_eq!(done.load(Ordering::Relaxed), count * THREADS);
    let mut unheard = 0;
    for (wins, unsure) in wins.iter().zip(unsure) {
        match (wins.load(Ordering::Relaxed), unsure) {
            (1, _) => {}
            // Won by a call whose answer the kill swallowed.
            (0, true) => unheard += 1,
            (wins, _) => panic!("{wins} winners"),
        }
    }
    assert!(unheard <= THREADS, "{unheard} tokens were lost");
}

/// Every thread presents every token; whether all calls were answered.
fn race(
    url: &str,
    client: &TestClient,
    tokens: &[String],
    wins: &[AtomicUsize],
    answered: impl Fn() + Sync,
) -> bool {
    let present = || -> std::io::Result<()> {
        let mut connection = Connection::open(url)?;
        for (token, wins) in tokens.iter().zip(wins) {
            let answer =
                connection.try_post(client, "/oauth/ott/redeem", &format!("token={token}"))?;
            match answer.status {
                200 => wins.fetch_add(1, Ordering::Relaxed),
                400 => 0,
                status => panic!("{status}: {}", answer.body),
            };
            answered();
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(present)).collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().unwrap());
        // Every thread is waited for, whatever became of the first.
        outcomes.filter(Result::is_err).count() == 0
    })
}
