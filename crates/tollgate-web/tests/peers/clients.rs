//! Clients that others wrote: curl, h2load of nghttp2, aioquic.

use std::process::Command;

use tollgate_testkit::find_peer;

use crate::attacker;
use crate::attacks::CONFIG;
use crate::peer;
use crate::server::Server;

#[test]
fn curl_speaks_every_protocol_that_it_knows() {
    let Some(curl) = find_peer("TOLLGATE_TEST_CURL", "curl") else {
        return;
    };
    let server = Server::start(CONFIG);
    let known = peer::printed(Command::new(&curl).arg("--version"));
    let plain = format!("http://{}", server.plain);
    let port = server.secure.port();
    let secure = format!("https://localhost:{port}");
    let mut cases = vec![
        (&plain, "--http1.1", "1.1"),
        (&plain, "--http2-prior-knowledge", "2"),
        (&secure, "--http1.1", "1.1"),
        (&secure, "--http2", "2"),
    ];
    if known.contains("HTTP3") {
        cases.push((&secure, "--http3-only", "3"));
    }
    for (origin, option, version) in cases {
        let ask = |path: &str, more: &[&str]| {
            let mut command = Command::new(&curl);
            command
                .args(["-sS", "--noproxy", "*", option])
                .args(["--write-out", " %{http_version} %{http_code}"])
                .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
                .arg("--cacert")
                .arg(server.path("chain.pem"))
                .args(more)
                .arg(format!("{origin}{path}"));
            peer::printed(&mut command)
        };
        assert_eq!(ask("/hello", &[]), format!("hello {version} 200"));
        let echo = ask("/echo", &["--data-binary", "body"]);
        assert_eq!(echo, format!("body {version} 200"));
        assert!(ask("/nowhere", &[]).ends_with(&format!(" {version} 404")));
    }
}

#[test]
fn h2load_gets_every_answer() {
    let Some(h2load) = find_peer("TOLLGATE_TEST_H2LOAD", "h2load of nghttp2") else {
        return;
    };
    let server = Server::start(CONFIG);
    for origin in [
        format!("http://{}", server.plain),
        format!("https://{}", server.secure),
    ] {
        let mut load = Command::new(&h2load);
        load.args(["-n", "4000", "-c", "8", "-m", "50"]);
        let printed = peer::printed(load.arg(format!("{origin}/hello")));
        let all = "status codes: 4000 2xx, 0 3xx, 0 4xx, 0 5xx";
        assert!(printed.contains(all), "{origin}: {printed}");
    }
}

#[test]
fn aioquic_asks_comes_back_early_and_moves() {
    let Some(python) = peer::python() else { return };
    let server = Server::start(CONFIG);
    let mut client = attacker::script(&python, "http3_client.py", &server);
    let printed = peer::printed(&mut client);
    assert_eq!(printed.lines().count(), 5, "{printed}");
}
