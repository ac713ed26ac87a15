//! nginx with the published example in front of an API.

use crate::server::{AUDIENCE, Client, Server, free_address};
use crate::{api, peer};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const FORWARD_AUTH: &str = include_str!("../../../../deploy/nginx/tollgate.conf");
const SCALE_OUT: &str = include_str!("../../../../deploy/nginx/scale-out.conf");

const ROUTES: &str = r#"
[[routes]]
method = "GET"
path = "/orders/{id}"
scope = "orders:read"
audience = "https://api.example.com"

[[routes]]
method = "DELETE"
path = "/orders/{id}"
scope = "orders:write"
audience = "https://api.example.com"
"#;

/// What a caller would have the API believe of its token.
const EXPIRES_NEVER: &str = "99999999999";

/// A running nginx.
struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    /// The example, with the addresses of this test in the place of its own; `listens` is where it
    /// listens.
    fn start(
        program: &Path,
        tollgate: &Server,
        example: &str,
        listens: &str,
        others: &[(&str, SocketAddr)],
    ) -> Self {
        let address = free_address();
        let mut example = example.to_owned();
        for (published, real) in others.iter().chain([&(listens, address)]) {
            assert_eq!(example.matches(published).count(), 1, "{published}");
            example = example.replace(published, &real.to_string());
        }
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        let file = tollgate.write(
            "nginx.conf",
            &format!(
                "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\n\
                 events {{}}\nhttp {{\naccess_log off;\n{temporary}{example}}}\n"
            ),
        );
        let child = Command::new(program)
            .arg("-p")
            .arg(file.parent().unwrap())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self { child, address };
        nginx.wait();
        nginx
    }

    fn wait(&mut self) {
        let begin = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert_eq!(self.child.try_wait().unwrap(), None, "nginx ended");
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "nginx does not listen"
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Status, `WWW-Authenticate` and body of a request with `headers`.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = agent.run(request.body(()).unwrap()).unwrap();
        let challenge = response.headers().get("www-authenticate");
        let challenge =
            challenge.map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
        let body = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), challenge, body)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start() -> Option<(Server, Nginx)> {
    let program = peer::nginx()?;
    let server = Server::start(ROUTES);
    let places = [
        ("127.0.0.1:8080", server.address),
        ("127.0.0.1:9000", api::start()),
    ];
    let nginx = Nginx::start(&program, &server, FORWARD_AUTH, "127.0.0.1:8088", &places);
    Some((server, nginx))
}

fn client(server: &Server, id: &str) -> Client {
    server.create_client(id, &["--scope", "orders:read orders:write"])
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[test]
fn only_the_right_token_reaches_the_api() {
    let Some((server, nginx)) = start() else {
        return;
    };
    let reader = client(&server, "reader");
    let other = server.create_client(
        "other",
        &[
            "--scope",
            "orders:read",
            "--audience",
            "https://other.example.com",
        ],
    );
    let read = bearer(&server.token(&reader, "orders:read"));
    let write = bearer(&server.token(&reader, "orders:write"));
    let elsewhere = {
        let form = [
            ("grant_type", "client_credentials"),
            ("resource", "https://other.example.com"),
        ];
        let (status, answer) = server.post(&other, "/oauth/token", &form);
        assert_eq!(status, 200, "{answer}");
        bearer(answer["access_token"].as_str().unwrap())
    };
    let check =
        |method: &str, path: &str, headers: &[(&str, &str)], status: u16, challenge: &str| {
            let (found, shown, body) = nginx.ask(method, path, headers);
            assert_eq!(found, status, "{method} {path}: {shown} {body}");
            assert!(shown.contains(challenge), "{method} {path}: {shown}");
            body
        };
    check("GET", "/orders/7", &[], 401, "Bearer");
    check(
        "GET",
        "/orders/7",
        &[("Authorization", "Bearer nonsense")],
        401,
        "invalid_token",
    );
    check("GET", "/orders/7", &[("Authorization", &write)], 403, "");
    check("DELETE", "/orders/7", &[("Authorization", &read)], 403, "");
    check(
        "GET",
        "/orders/7",
        &[("Authorization", &elsewhere)],
        401,
        "invalid_token",
    );
    // A caller names another target, and another caller.
    let pretending = [
        ("Authorization", read.as_str()),
        ("X-Forwarded-Method", "GET"),
        ("X-Original-Method", "GET"),
    ];
    check("DELETE", "/orders/7", &pretending, 403, "");
    check(
        "GET",
        "/orders/7?page=1",
        &[("Authorization", &read)],
        200,
        "",
    );
}

#[test]
fn the_api_believes_tollgate_alone() {
    let Some((server, nginx)) = start() else {
        return;
    };
    let reader = client(&server, "reader");
    let read = bearer(&server.token(&reader, "orders:read"));
    let pretending = [
        ("Authorization", read.as_str()),
        ("X-Auth-Client-Id", "root"),
        ("X-Auth-Subject", "root"),
        ("X-Auth-Scope", "all"),
        ("X-Auth-Expires-At", EXPIRES_NEVER),
    ];
    let (status, _, body) = nginx.ask("GET", "/orders/7", &pretending);
    assert_eq!(status, 200, "{body}");
    let (others, expires_at): (Vec<&str>, Vec<&str>) = body
        .lines()
        .partition(|line| !line.starts_with("x-auth-expires-at: "));
    assert_eq!(
        others,
        [
            "x-auth-client-id: reader",
            "x-auth-scope: orders:read",
            "x-auth-subject: reader"
        ]
    );
    let [expires_at] = expires_at[..] else {
        panic!("not once: {body}");
    };
    assert!(!expires_at.contains(EXPIRES_NEVER), "{body}");
}

#[test]
fn a_dead_token_reaches_nothing() {
    let Some((server, nginx)) = start() else {
        return;
    };
    let reader = client(&server, "reader");
    let ask = |token: &str| {
        nginx
            .ask("GET", "/orders/7", &[("Authorization", &bearer(token))])
            .0
    };

    let revoked = server.token(&reader, "orders:read");
    assert_eq!(ask(&revoked), 200);
    assert_eq!(
        server
            .post(&reader, "/oauth/revoke", &[("token", &revoked)])
            .0,
        200
    );
    assert_eq!(ask(&revoked), 401);

    let form = [
        ("scope", "orders:read"),
        ("resource", AUDIENCE),
        ("subject", "user-1"),
    ];
    let (status, answer) = server.post(&reader, "/oauth/ott", &form);
    assert_eq!(status, 200, "{answer}");
    let once = answer["token"].as_str().unwrap();
    assert_eq!(ask(once), 200);
    assert_eq!(ask(once), 401);

    let orphan = server.token(&reader, "orders:read");
    assert_eq!(ask(&orphan), 200);
    server.cli(&["client", "disable", "reader"]);
    assert_eq!(ask(&orphan), 401);
}

#[test]
fn an_instance_that_is_gone_is_passed_over() {
    let Some(program) = peer::nginx() else {
        return;
    };
    let server = Server::start("");
    let places = [
        ("10.0.0.1:8080", free_address()),
        ("10.0.0.2:8080", server.address),
    ];
    let nginx = Nginx::start(&program, &server, SCALE_OUT, "127.0.0.1:8443", &places);
    let client = server.create_client("shop", &[]);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    // A post too, since it never reached the one that is gone; several, so that each turn comes.
    for _ in 0..8 {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client.id.as_str()),
            ("client_secret", client.secret.as_str()),
        ];
        let url = format!("http://{}/oauth/token", nginx.address);
        let answer = agent.post(url).send_form(form).unwrap();
        assert_eq!(answer.status(), 200);
        let (status, _, body) = nginx.ask("GET", "/.well-known/jwks.json", &[]);
        assert_eq!(status, 200, "{body}");
    }
}
