//! `tollgate config check`: what is refused, and in which words.

use std::fs;

use tempfile::TempDir;
use tollgate_testkit::{Output, run};

use crate::BINARY;

/// Checks `toml` with `variables` in the environment.
pub(crate) fn check_with(toml: &str, variables: &[(&str, &str)]) -> (Output, String) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("tollgate.toml");
    fs::write(&path, toml).unwrap();
    let path = path.to_str().unwrap();
    (
        run(BINARY, &["config", "check", path], variables, ""),
        path.to_owned(),
    )
}

/// `toml` is refused at `line` for `key`, and the message says `what` and what is allowed.
fn check_refused(toml: &str, line: usize, key: &str, what: &str, allowed: &str) {
    // A key at the top must stand before the sections; the issuer is not what is tested.
    let toml = format!("issuer = \"https://auth.example.com\"\n{toml}");
    let (output, path) = check_with(&toml, &[]);
    assert_eq!(output.code, Some(1), "{toml}");
    let place = format!("{path}:{}: {key}: ", line + 1);
    let problem = output
        .stderr
        .lines()
        .find(|problem| problem.contains(&place));
    let problem = problem.unwrap_or_else(|| panic!("no {place:?} in {}", output.stderr));
    assert!(problem.contains(what), "{what:?} not in {problem}");
    let (_, said) = problem
        .split_once("; allowed: ")
        .unwrap_or_else(|| panic!("{problem}"));
    assert!(said.contains(allowed), "{allowed:?} not in {said}");
}

/// What is refused, as lines joined by `↵`; where; for which key; what is wrong; what is allowed.
const REFUSED: &str = r#"
[server] ↵ lisen = "127.0.0.1:1" | 2 | server.lisen | did you mean `server.listen` | listen
[servr] ↵ listen = "" | 1 | servr | unknown key | sections server
profil = "balanced" | 1 | profil | did you mean `profile` | issuer, profile
profile = "balancd" | 1 | profile | did you mean "balanced" | "low-latency"
server = 1 | 1 | server | a section, not 1 | listen
[server] ↵ listen = "localhost:80" | 2 | server.listen | no IP address | 127.0.0.1:8080
[server] ↵ listen = 8080 | 2 | server.listen | 8080 is not text | IP address
[server] ↵ http2 = "yes" | 2 | server.http2 | "yes" is neither | true or false
[server] ↵ header_timeout = 5 | 2 | server.header_timeout | 5 has no unit | "30s"
[server] ↵ header_timeout = "5" | 2 | server.header_timeout | time unit needed | "30s"
[server] ↵ header_timeout = "5 parsecs" | 2 | server.header_timeout | parsecs | "30s"
[server] ↵ header_timeout = "1ms" | 2 | server.header_timeout | out of range | from 10ms
[server] ↵ connections_max = 0 | 2 | server.connections_max | 0 is out of range | from 1
[server] ↵ connections_max = -1 | 2 | server.connections_max | -1 is negative | from 1
[server] ↵ connections_max = 1.5 | 2 | server.connections_max | 1.5 is not a whole | whole
[server] ↵ trusted_proxies = ["10.0.0.0/33"] | 2 | server.trusted_proxies | 10.0.0.0/33 | 10.0.0.0/8
[server] ↵ trusted_proxies = "10.0.0.0/8" | 2 | server.trusted_proxies | not a list | list
[server] ↵ tls_cert = "a.pem" | 2 | server.tls_cert | without server.tls_key | both
[server] ↵ http3 = true | 2 | server.http3 | without server.tls_cert | true only with both
[server] ↵ tls_key = "a.pem" | 2 | server.tls_key | without server.tls_cert | both
[store] ↵ kind = "postgres" | 2 | store.kind | "postgres" is unknown | "embedded"
[store.embedded] ↵ path = "" | 2 | store.embedded.path | empty | directory
[store.embedded] ↵ durability = "fsync" | 2 | store.embedded.durability | unknown | "sync"
[tokens] ↵ access_format = "JWT" | 2 | tokens.access_format | unknown | "jwt"
[tokens] ↵ access_ttl = "0s" | 2 | tokens.access_ttl | out of range | from 1s
[keys] ↵ signing_alg = "HS256" | 2 | keys.signing_alg | unknown | "EdDSA"
[keys] ↵ signing_alg = "none" | 2 | keys.signing_alg | unknown | "ES256"
[keys] ↵ jwks_max_age = "2d" | 2 | keys.jwks_max_age | longer than | at most keys.publish_ahead
[keys] ↵ publish_ahead = "10d" ↵ rotate_every = "2d" | 2 | keys.publish_ahead | longer | rotate_every
[keys] ↵ master_key = "abc" | 2 | keys.master_key | does not belong | TOLLGATE_KEYS__MASTER_KEY
[cors] ↵ origins = ["*"] | 2 | cors.origins | every site | https://app.example.com
[cors] ↵ origins = ["https://a.example/"] | 2 | cors.origins | no origin | origins
[cors] ↵ origins = ["https://*.example.com"] | 2 | cors.origins | no http | origins
[cors] ↵ origins = ["https://A.example"] | 2 | cors.origins | no origin | origins
[log] ↵ level = "loud" | 2 | log.level | "loud" is no level | debug
[log] ↵ format = "xml" | 2 | log.format | unknown | "json"
[telemetry] ↵ otlp_endpoint = "ftp://x" | 2 | telemetry.otlp_endpoint | no http | https URL
[admin] ↵ listen = "127.0.0.1:8080" | 2 | admin.listen | public listener already | another
[server] ↵ listen = | 2 | the file |  | TOML
[server] ↵ [server] | 2 | the file | duplicate | TOML
audit = { path = 1979-05-27 } | 1 | audit.path | a date | a path
"#;

#[test]
fn broken_values_are_refused_with_key_line_and_what_is_allowed() {
    for row in REFUSED.trim().lines() {
        let cells: Vec<&str> = row.split(" | ").collect();
        let &[toml, line, key, what, allowed] = cells.as_slice() else {
            panic!("{row}");
        };
        let toml = toml.replace(" ↵ ", "\n");
        check_refused(&toml, line.parse().unwrap(), key, what, allowed);
    }
}

/// A file that cannot be read sets nothing, which is no reason to call its keys missing.
#[test]
fn a_file_that_is_wrong_as_a_whole_is_all_that_is_wrong() {
    let (broken, path) = check_with("[server\nlisten = 1\n", &[]);
    let check = |path: &str| run(BINARY, &["config", "check", path], &[], "");
    for (output, place, what) in [
        (broken, &*path, ""),
        (check("/nowhere.toml"), "/nowhere.toml", "No such file"),
        // It has no end.
        (check("/dev/zero"), "/dev/zero", "longer than"),
    ] {
        assert_eq!(output.code, Some(1), "{output:?}");
        let problems: Vec<&str> = output.stderr.lines().skip(1).collect();
        let [problem] = problems.as_slice() else {
            panic!("{problems:?}");
        };
        assert!(
            problem.contains(&format!("{place}:1: the file: ")),
            "{problem}"
        );
        assert!(problem.contains(what), "{problem}");
    }
}

#[test]
fn keys_that_are_not_built_are_unknown() {
    for (section, key) in [
        ("cache", "shared_url = \"\""),
        ("rate_limit", "redis_url = \"\""),
        ("rate_limit", "lease = 10"),
    ] {
        let name = key.split(' ').next().unwrap();
        check_refused(
            &format!("[{section}]\n{key}"),
            2,
            &format!("{section}.{name}"),
            "unknown key",
            "the keys",
        );
    }
    check_refused(
        "[rate_limit]\nkind = \"shared\"",
        2,
        "rate_limit.kind",
        "unknown",
        "\"local\"",
    );
    check_refused(
        "[store.postgres]\nurl = \"\"",
        1,
        "store.postgres",
        "unknown key",
        "kind",
    );
}

#[test]
fn broken_tables_are_refused_where_they_stand() {
    let rule =
        "[[rate_limit.rules]]\nname = \"a\"\nkey = \"ip\"\ncapacity = 1\nfill_per_second = 1\n";
    let c = check_refused;
    c(
        &rule.replace("ip", "mac"),
        3,
        "rate_limit.rules[0].key",
        "\"mac\" is unknown",
        "\"client\"",
    );
    c(
        &rule.replace("capacity = 1\n", ""),
        1,
        "rate_limit.rules[0].capacity",
        "not set",
        "from 1",
    );
    c(
        &rule.replace("= 1\nfill", "= 0\nfill"),
        4,
        "rate_limit.rules[0].capacity",
        "out of",
        "from 1",
    );
    c(
        &rule.replace("\"a\"", "\"A\""),
        1,
        "rate_limit.rules[0].name",
        "no name",
        "lower-case",
    );
    c(
        &format!("{rule}{rule}"),
        6,
        "rate_limit.rules[1].name",
        "another rule",
        "of its own",
    );
    c(
        &rule.replace("\"a\"", "\"failures\""),
        1,
        "rate_limit.rules[0].name",
        "another rule",
        "of its own",
    );
    c(
        &format!("{rule}routes = [\"/oauth/tokens\"]"),
        1,
        "rate_limit.rules[0].routes",
        "by ip never counts on \"/oauth/tokens\"",
        "/oauth/token",
    );
    c(
        &rule.replace("\"ip\"", "\"subject\"\nroutes = [\"/oauth/introspect\"]"),
        1,
        "rate_limit.rules[0].routes",
        "by subject never counts on \"/oauth/introspect\"",
        "/oauth/validate",
    );
    c(
        &format!("{rule}burst = 1"),
        6,
        "rate_limit.rules[0].burst",
        "unknown key",
        "capacity",
    );
    c(
        &rule.replace("fill_per_second = 1", "fill_per_second = 0"),
        5,
        "rate_limit.rules[0].fill_per_second",
        "out of",
        "above 0",
    );
    let route = "[[routes]]\nmethod = \"GET\"\npath = \"/a\"\n";
    c(
        &route.replace("/a", "a"),
        1,
        "routes[0].path",
        "no path template",
        "/orders/{id}",
    );
    c(
        &route.replace("/a", "/a{b}"),
        1,
        "routes[0].path",
        "no path template",
        "/orders/{id}",
    );
    c(
        &route.replace("/a", "/a//b"),
        1,
        "routes[0].path",
        "an empty segment",
        "/orders/{id}",
    );
    c(
        &route.replace("/a", "/a%20b"),
        1,
        "routes[0].path",
        "no path can have",
        "as they are decoded",
    );
    c(
        &[route.replace("/a", "/{a}"), route.replace("/a", "/{b}/")].concat(),
        4,
        "routes[1].path",
        "another route",
        "one route",
    );
    c(
        &route.replace("GET", "get"),
        2,
        "routes[0].method",
        "unknown",
        "\"GET\"",
    );
    c(
        &format!("{route}audience = \"x\""),
        1,
        "routes[0].audience",
        "absolute URI",
        "absolute URI",
    );
    c(
        &format!("{route}{route}"),
        4,
        "routes[1].path",
        "another route",
        "one route",
    );
    c(
        "routes = [1]",
        1,
        "routes[0]",
        "1 is not a table",
        "method, path",
    );
}
