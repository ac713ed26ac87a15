//! The log: request ids, levels that change while it runs, and not one secret.

use std::io::Write as _;

use tollgate_testkit::{Builder, TestServer};

use crate::BINARY;

/// Does a bit of everything; returns every secret and token that was minted.
fn exercise(server: &TestServer) -> Vec<String> {
    let http = server.http();
    let shop = server.create_client(&["--id", "shop", "--token-format", "opaque"]);
    let (jwt, opaque) = (server.token(&server.demo(), ""), server.token(&shop, ""));
    let (once, spare) = (server.one_time_token(&shop), server.one_time_token(&shop));
    for token in [&jwt, &opaque, &once] {
        let _ = server.introspect(&shop, token);
        let bearer = format!("Bearer {token}");
        let _ = http.get("/oauth/validate", &[("authorization", &bearer)]);
        let _ = http.get(&format!("/oauth/validate?access_token={token}"), &[]);
        let _ = http.get(&format!("/no/such/path/{token}"), &[]);
        let _ = http.form("/oauth/revoke", shop.basic(), &[("token", token)]);
    }
    let _ = http.form("/oauth/ott/redeem", shop.basic(), &[("token", &spare)]);
    let wrong = "a-wrong-secret-that-somebody-mistyped";
    let _ = http.form(
        "/oauth/token",
        Some(("shop", wrong)),
        &[("grant_type", "client_credentials")],
    );
    let query = format!("/oauth/token?client_id=shop&client_secret={}", shop.secret);
    let _ = http.form(&query, None, &[("grant_type", "client_credentials")]);
    let rotated = server
        .tollgate(&["client", "rotate-secret", "shop", "--json"])
        .json();
    let rotated = rotated["client_secret"].as_str().unwrap().to_owned();
    let _ = server.tollgate(&["keys", "rotate"]);
    let master = std::fs::read_to_string(server.data_dir().join("master.key")).unwrap();
    let demo = server.demo().secret;
    let admin = server.admin_token();
    let wrong = wrong.to_owned();
    let master = master.trim().to_owned();
    vec![
        shop.secret,
        demo,
        rotated,
        jwt,
        opaque,
        once,
        spare,
        wrong,
        admin,
        master,
    ]
}

#[test]
fn no_secret_is_ever_logged() {
    for (format, level) in [
        ("text", "trace"),
        (
            "json",
            "trace,hyper=trace,h2=trace,axum=trace,tower=trace,fjall=trace,rustls=trace",
        ),
    ] {
        let mut server = Builder::new(BINARY)
            .variable("TOLLGATE_LOG__LEVEL", level)
            .variable("TOLLGATE_LOG__FORMAT", format)
            .start();
        let secrets = exercise(&server);
        assert!(server.terminate().success());
        let log = server.log();
        assert!(log.contains("request"), "nothing was logged at all");
        for secret in secrets {
            assert!(!log.contains(&secret), "{secret} in the {format} log");
            let signature = secret.rsplit('.').next().unwrap();
            assert!(!log.contains(signature), "{signature} in the {format} log");
        }
    }
}

#[test]
fn an_event_carries_the_id_of_its_request() {
    for format in ["text", "json"] {
        let mut server = Builder::new(BINARY)
            .variable("TOLLGATE_LOG__LEVEL", "debug")
            .variable("TOLLGATE_LOG__FORMAT", format)
            .start();
        let answer = server
            .http()
            .get("/.well-known/jwks.json", &[])
            .expect_status(200);
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(server.terminate().success());
        let log = server.log();
        let line = log
            .lines()
            .find(|line| line.contains(&id))
            .unwrap_or_else(|| panic!("{log}"));
        if format == "json" {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["request_id"], *id);
            assert_eq!(line["path"], "/.well-known/jwks.json");
            assert_eq!(line["status"], 200);
            assert_eq!(line["level"], "DEBUG");
            for line in log.lines() {
                let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
                assert!(parsed.is_ok(), "{line}");
            }
        } else {
            assert!(line.contains(&format!("request_id={id}")), "{line}");
            assert!(line.contains("path=/.well-known/jwks.json"), "{line}");
        }
    }
}

/// Requests are told apart by their route, whatever stands in the path; what a stranger makes up is
/// not repeated.
#[test]
fn requests_are_named_by_their_route() {
    let server = Builder::new(BINARY)
        .config("[log]\nlevel = \"debug\"\n")
        .variable("TOLLGATE_ISSUER", "http://127.0.0.1/tenant")
        .start();
    let _ = server
        .tollgate(&["client", "show", "demo"])
        .expect_success();
    server.await_log("path=/admin/clients/{id}");
    let _ = server.http().get("/tenant/.well-known/jwks.json", &[]);
    server.await_log("path=/.well-known/jwks.json");
    let address = server.url().strip_prefix("http://").unwrap();
    let mut stranger = std::net::TcpStream::connect(address).unwrap();
    let method = "MADEUP".repeat(500);
    write!(stranger, "{method} / HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    server.await_log("path=(other)");
    assert!(server.log().contains("method=_OTHER"));
    assert!(!server.log().contains("MADEUP"));
}

#[test]
fn sighup_changes_the_level() {
    let server = Builder::new(BINARY)
        .config("[log]\nlevel = \"info\"\n")
        .start();
    let _ = server.http().get("/health", &[]);
    assert!(!server.log().contains("path=/health"));
    let config = server.data_dir().join("tollgate.toml");
    std::fs::write(&config, "[log]\nlevel = \"debug\"\n").unwrap();
    server.signal("HUP");
    server.await_log("took the log level");
    let _ = server.http().get("/health", &[]);
    server.await_log("path=/health");
    std::fs::write(&config, "[log]\nlevel = \"loud\"\n").unwrap();
    server.signal("HUP");
    server.await_log("kept the log level");
    let _ = server.http().get("/health", &[]).expect_status(200);
}
