//! `kill -9` under full load: what was acknowledged before holds after.

use std::{io, time::Duration};

use tollgate_testkit::{TestClient, TestServer};

use crate::{http::Connection, setting, start};

const THREADS: usize = 8;

/// What one thread was told of its tokens.
#[derive(Default)]
struct Acknowledged {
    alive: Vec<String>,
    revoked: Vec<String>,
    unredeemed: Vec<String>,
    redeemed: Vec<String>,
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let rounds = setting("TOLLGATE_TEST_KILL_ROUNDS", 3);
    let mut server = start("[tokens]\naccess_format = \"opaque\"\none_time_ttl = \"1h\"\n");
    let client = server.create_client(&["--id", "killed", "--scope", "a"]);
    let mut all = Vec::new();
    for round in 0..rounds {
        let url = server.url().to_owned();
        std::thread::scope(|scope| {
            let load = || scope.spawn(|| load(Connection::open(&url).unwrap(), &client));
            let threads: Vec<_> = (0..THREADS).map(|_| load()).collect();
            // The moment differs from round to round, so that every stage of a commit is hit.
            std::thread::sleep(Duration::from_millis(100 + (round as u64 * 37) % 300));
            server.kill();
            all.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        });
        server = server.restart();
        let told: usize = all
            .iter()
            .map(|told| told.alive.len() + told.redeemed.len())
            .sum();
        assert!(told > 0, "no load");
        for told in all.drain(..) {
            verify(&server, &client, &told);
        }
    }
}

/// Issues, revokes and redeems until the server is gone.
fn load(mut connection: Connection, client: &TestClient) -> Acknowledged {
    let mut told = Acknowledged::default();
    while step(&mut connection, client, &mut told).is_ok() {}
    told
}

fn step(
    connection: &mut Connection,
    client: &TestClient,
    told: &mut Acknowledged,
) -> io::Result<()> {
    let grant = "grant_type=client_credentials";
    let kept = issue(connection, client, "/oauth/token", grant, "access_token")?;
    told.alive.push(kept);
    let dying = issue(connection, client, "/oauth/token", grant, "access_token")?;
    let answer = connection.try_post(client, "/oauth/revoke", &format!("token={dying}"))?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    told.revoked.push(dying);
    let spent = issue(connection, client, "/oauth/ott", "", "token")?;
    let answer = connection.try_post(client, "/oauth/ott/redeem", &format!("token={spent}"))?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    told.redeemed.push(spent);
    let unredeemed = issue(connection, client, "/oauth/ott", "", "token")?;
    told.unredeemed.push(unredeemed);
    Ok(())
}

fn issue(
    connection: &mut Connection,
    client: &TestClient,
    path: &str,
    form: &str,
    member: &str,
) -> io::Result<String> {
    let answer = connection.try_post(client, path, form)?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    Ok(answer.json()[member].as_str().unwrap().to_owned())
}

fn verify(server: &TestServer, client: &TestClient, told: &Acknowledged) {
    let mut connection = Connection::to(server);
    let mut is_active = |token: &str| {
        let answer = connection.post(client, "/oauth/introspect", &format!("token={token}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["active"] == true
    };
    assert!(
        told.alive.iter().all(|token| is_active(token)),
        "a token was lost"
    );
    assert!(
        !told.revoked.iter().any(|token| is_active(token)),
        "a revocation was lost"
    );
    let mut redeem = |token: &str| {
        connection
            .post(client, "/oauth/ott/redeem", &format!("token={token}"))
            .status
    };
    assert!(
        told.redeemed.iter().all(|token| redeem(token) == 400),
        "redeemed twice"
    );
    assert!(
        told.unredeemed.iter().all(|token| redeem(token) == 200),
        "a token was lost"
    );
}
