//! `tollgate config`: the issuer, the order of the sources, and what is printed.

use std::{fs, os::unix::ffi::OsStrExt as _};

use tempfile::TempDir;
use tollgate_testkit::run;

use crate::{BINARY, config::check_with};

#[test]
fn the_issuer_is_https_or_loopback() {
    let check = |issuer: &str, expected: Option<&str>| {
        let (output, _) = check_with(&format!("issuer = \"{issuer}\""), &[]);
        match expected {
            None => assert_eq!(output.code, Some(0), "{issuer}: {}", output.stderr),
            Some(what) => {
                assert_eq!(output.code, Some(1), "{issuer}");
                assert!(output.stderr.contains(what), "{issuer}: {}", output.stderr);
            }
        }
    };
    check("https://auth.example.com", None);
    check("https://auth.example.com/tenant", None);
    check("http://localhost:8080", None);
    check("http://127.0.0.1:8080", None);
    check("http://[::1]:8080", None);
    check("http://auth.example.com", Some("in the clear"));
    check("https://auth.example.com/", Some("ends with a slash"));
    check("https://auth.example.com?a", Some("query or a fragment"));
    check("https://user:secret@auth.example.com", Some("credentials"));
    check("auth.example.com", Some("no http or https URL"));
    check("https://[2001:db8::1]:8443/tenant", None);
    check("https://[::1", Some("no http or https URL"));
    check("https://[::g]", Some("no http or https URL"));
    check(
        "https://auth.example.com:99999",
        Some("no http or https URL"),
    );
    check("https://auth.example.com:", Some("no http or https URL"));
    check("https://auth..example.com", Some("no http or https URL"));
    check("https://auth.example.com/{tenant}", Some("not be the same"));
    check("https://auth.example.com/a/../b", Some("not be the same"));
    check("https://auth.example.com/.", Some("not be the same"));
    check("https://auth.example.com/%zz", Some("not be the same"));
    let long = format!("https://auth.example.com/{}", "a".repeat(500));
    check(&long, Some("not be the same"));
    check("", Some("no http or https URL"));
    let (output, _) = check_with("profile = \"balanced\"", &[]);
    assert!(
        output
            .expect_code(1)
            .stderr
            .contains("issuer: it is not set")
    );
    // With --dev the listeners are on loopback, whatever the issuer is called.
    let variables = [("TOLLGATE_ISSUER", "http://auth.test:8080")];
    let check = |arguments: &[&str]| run(BINARY, arguments, &variables, "").code;
    assert_eq!(check(&["config", "check", "--dev"]), Some(0));
    assert_eq!(check(&["config", "check"]), Some(1));
}

#[test]
fn variables_win_over_the_file_and_are_checked_as_strictly() {
    let show = |variables: &[(&str, &str)]| {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("tollgate.toml");
        let toml =
            "issuer = \"https://a.example\"\nprofile = \"low-latency\"\n[batch]\nrecords_max = 7\n";
        fs::write(&path, toml).unwrap();
        run(
            BINARY,
            &["config", "show", path.to_str().unwrap()],
            variables,
            "",
        )
    };
    let file = show(&[]).expect_success().stdout;
    assert!(
        file.contains("records_max = 7  # "),
        "the file wins over the profile: {file}"
    );
    assert!(
        file.contains("request_timeout = \"2s\"  # profile low-latency"),
        "{file}"
    );
    assert!(
        file.contains("header_timeout = \"5s\"\n"),
        "defaults need no origin: {file}"
    );

    let set = show(&[
        ("TOLLGATE_BATCH__RECORDS_MAX", "9"),
        ("TOLLGATE_PROFILE", "low-resource"),
        (
            "TOLLGATE_SERVER__TRUSTED_PROXIES",
            "10.0.0.0/8, 192.168.0.0/16",
        ),
        ("TOLLGATE_ROUTES", "[{ method = \"GET\", path = \"/a\" }]"),
        (
            "TOLLGATE_SERVICE_HOST",
            "left alone: container platforms set it",
        ),
    ]);
    let set = set.expect_success().stdout;
    assert!(set.contains("records_max = 9  # environment variable TOLLGATE_BATCH__RECORDS_MAX"));
    assert!(
        set.contains("request_timeout = \"10s\"\n"),
        "the other profile is gone: {set}"
    );
    assert!(set.contains("threads = 1  # profile low-resource"), "{set}");
    assert!(
        set.contains("trusted_proxies = [\"10.0.0.0/8\", \"192.168.0.0/16\"]"),
        "{set}"
    );
    assert!(
        set.contains("[[routes]]\nmethod = \"GET\"\npath = \"/a\""),
        "{set}"
    );

    let check = |name: &str, value: &str, what: &str| {
        let output = show(&[(name, value)]).expect_code(1);
        let place = format!("environment variable {name}: ");
        assert!(output.stderr.contains(&place), "{}", output.stderr);
        assert!(output.stderr.contains(what), "{}", output.stderr);
    };
    check(
        "TOLLGATE_BATCH__RECORDS_MAX",
        "many",
        "\"many\" is not a whole number",
    );
    check(
        "TOLLGATE_BATCH__RECORD_MAX",
        "9",
        "did you mean `batch.records_max`",
    );
    check("TOLLGATE_SERVER__HTTP2", "1", "1 is neither true nor false");
    check("TOLLGATE_PROFILE", "fast", "\"fast\" is unknown");
}

/// What commands take from the environment means the same to the server, and to what checks its
/// configuration.
#[test]
fn the_data_directory_and_the_file_come_from_the_environment_too() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("tollgate.toml");
    fs::write(&path, "issuer = \"https://a.example\"\n").unwrap();
    let file = ("TOLLGATE_CONFIG", path.to_str().unwrap());
    let show = |variables: &[(&str, &str)]| run(BINARY, &["config", "show"], variables, "");
    let shown = show(&[file, ("TOLLGATE_DATA_DIR", "/var/lib/tollgate")]);
    let shown = shown.expect_success().stdout;
    let line = "path = \"/var/lib/tollgate\"  # environment variable TOLLGATE_DATA_DIR";
    assert!(shown.contains(line), "{shown}");
    assert!(shown.contains("issuer = \"https://a.example\""), "{shown}");
    // A file that is named wins.
    let other = directory.path().join("other.toml");
    fs::write(&other, "issuer = \"https://b.example\"\n").unwrap();
    let named = ["config", "show", other.to_str().unwrap()];
    let shown = run(BINARY, &named, &[file], "").expect_success().stdout;
    assert!(shown.contains("https://b.example"), "{shown}");
    let twice = show(&[
        file,
        ("TOLLGATE_DATA_DIR", "/var/lib/tollgate"),
        ("TOLLGATE_STORE__EMBEDDED__PATH", "/elsewhere"),
    ]);
    let refused = twice.expect_code(1).stderr;
    assert!(refused.contains("store.embedded.path"), "{refused}");
    assert!(refused.contains("says something else"), "{refused}");
}

/// What a pipe held can be read once.
#[test]
fn the_file_may_be_a_pipe() {
    let toml = "issuer = \"https://a.example\"\n[batch]\nrecords_max = 7\n";
    let arguments = ["config", "show", "--config", "/dev/stdin"];
    let elsewhere = [("TOLLGATE_ISSUER", "https://b.example")];
    let shown = run(BINARY, &arguments, &elsewhere, toml)
        .expect_success()
        .stdout;
    assert!(shown.contains("records_max = 7  # /dev/stdin:3"), "{shown}");
    let checked = run(BINARY, &["config", "check", "/dev/stdin"], &[], toml);
    let _ = checked.expect_success();
}

#[test]
fn a_misspelt_variable_is_refused() {
    let check = |name: &str, near: Option<&str>| {
        let variables = [("TOLLGATE_ISSUER", "https://a.example"), (name, "tcp://x")];
        let output = run(BINARY, &["config", "check"], &variables, "");
        let code = if near.is_some() { Some(1) } else { Some(0) };
        assert_eq!(output.code, code, "{name}: {}", output.stderr);
        let near = near.unwrap_or_default();
        assert!(output.stderr.contains(near), "{name}: {}", output.stderr);
    };
    check("TOLLGATE_SERVER_LISTEN", Some("TOLLGATE_SERVER__LISTEN"));
    check("TOLLGATE_SERVER_LISTN", Some("TOLLGATE_SERVER__LISTEN"));
    check(
        "TOLLGATE_STORE_EMBEDDED_PATH",
        Some("TOLLGATE_STORE__EMBEDDED__PATH"),
    );
    check("TOLLGATE_ISSUR", Some("TOLLGATE_ISSUER"));
    check("TOLLGATE_PROFIL", Some("TOLLGATE_PROFILE"));
    check("TOLLGATE_DATADIR", Some("TOLLGATE_DATA_DIR"));
    check("TOLLGATE_CONFIG_", Some("TOLLGATE_CONFIG"));
    // Of the commands, and of container platforms for services called tollgate and the like.
    for name in [
        "TOLLGATE_ADMIN_URL",
        "TOLLGATE_ADMIN_TOKEN_FILE",
        "TOLLGATE_CA_FILE",
        "TOLLGATE_PORT",
        "TOLLGATE_PORT_8080_TCP",
        "TOLLGATE_PORT_8080_TCP_ADDR",
        "TOLLGATE_SERVICE_HOST",
        "TOLLGATE_SERVICE_PORT",
        "TOLLGATE_SERVICE_PORT_HTTP",
        "TOLLGATE_ADMIN_PORT",
        "TOLLGATE_ADMIN_SERVICE_HOST",
        "TOLLGATE_AUDIT_PORT",
        "TOLLGATE_LOG_PORT",
        "TOLLGATE_STORE_PORT",
    ] {
        check(name, None);
    }
}

#[test]
fn a_variable_that_is_no_text_is_refused() {
    let check = |name: &str, is_refused: bool| {
        let output = std::process::Command::new(BINARY)
            .args(["config", "check"])
            .env("TOLLGATE_ISSUER", "https://a.example")
            .env(name, std::ffi::OsStr::from_bytes(b"/data/\xff"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), !is_refused, "{name}: {said}");
        assert_eq!(said.contains("not UTF-8"), is_refused, "{name}: {said}");
    };
    check("TOLLGATE_STORE__EMBEDDED__PATH", true);
    check("TOLLGATE_DATA_DIR", true);
    // None of ours.
    check("TOLLGATE_SERVICE_HOST", false);
}

#[test]
fn the_master_key_is_never_shown() {
    let secret = "6b1e0f5d3c2a49788796a5b4c3d2e1f00112233445566778899aabbccddeeff0";
    let variables = [
        ("TOLLGATE_ISSUER", "https://a.example"),
        ("TOLLGATE_KEYS__MASTER_KEY", secret),
    ];
    let output = run(BINARY, &["config", "show"], &variables, "").expect_success();
    assert!(
        output.stdout.contains("master_key = (redacted)"),
        "{}",
        output.stdout
    );
    assert!(!format!("{output:?}").contains(secret));
    let both = [
        variables[0],
        variables[1],
        ("TOLLGATE_KEYS__MASTER_KEY_FILE", "/master.key"),
    ];
    let output = run(BINARY, &["config", "check"], &both, "").expect_code(1);
    assert!(output.stderr.contains("given twice"), "{}", output.stderr);
    assert!(!output.stderr.contains(secret));
    let long = "x".repeat(200);
    for malformed in [&*long, "abc", "a password of 32 characters, yes"] {
        let malformed = [variables[0], ("TOLLGATE_KEYS__MASTER_KEY", malformed)];
        let output = run(BINARY, &["config", "check"], &malformed, "").expect_code(1);
        assert!(!output.stderr.contains(malformed[1].1), "{}", output.stderr);
        assert!(
            output.stderr.contains("32 random bytes"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn the_defaults_load_as_they_are_printed() {
    let defaults = crate::tollgate(&["config", "defaults"])
        .expect_success()
        .stdout;
    let (output, _) = check_with(&defaults, &[("TOLLGATE_ISSUER", "https://a.example")]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    // What is commented out is meant to be taken out of its comment.
    let uncommented = defaults
        .replace("# [[", "[[")
        .lines()
        .fold(String::new(), |text, line| {
            let key = line.strip_prefix("# ").filter(|rest| {
                let name = rest.split(" = ").next().unwrap_or("");
                rest.contains(" = ") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            });
            text + key.unwrap_or(line) + "\n"
        });
    let (output, _) = check_with(&uncommented, &[]);
    assert_eq!(output.code, Some(0), "{}\n{uncommented}", output.stderr);
}

#[test]
fn the_schema_knows_every_key_of_the_defaults() {
    let schema = crate::tollgate(&["config", "schema"])
        .expect_success()
        .stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(
        schema["properties"]["server"]["properties"]["listen"]["default"],
        "127.0.0.1:8080"
    );
    let level =
        &schema["properties"]["store"]["properties"]["embedded"]["properties"]["durability"];
    assert_eq!(level["enum"], serde_json::json!(["sync", "memory"]));
    let rule = &schema["properties"]["rate_limit"]["properties"]["rules"]["items"];
    assert_eq!(
        rule["required"],
        serde_json::json!(["name", "key", "capacity", "fill_per_second"])
    );
}
