//! `[tokens]`, `[keys]`: what tokens look like and how long everything lives.

use super::start;

#[test]
fn tokens_are_as_configured() {
    let server = start(
        "[tokens]\naccess_format = \"opaque\"\naccess_ttl = \"90s\"\none_time_ttl = \"30s\"\n",
    );
    let demo = server.demo();
    let form = [("grant_type", "client_credentials")];
    let access = server
        .http()
        .form("/oauth/token", demo.basic(), &form)
        .expect_status(200)
        .json();
    assert!(
        access["access_token"]
            .as_str()
            .unwrap()
            .starts_with("tgat_"),
        "{access}"
    );
    assert_eq!(access["expires_in"], 90);
    let once = server
        .http()
        .form("/oauth/ott", demo.basic(), &[])
        .expect_status(200)
        .json();
    assert_eq!(once["expires_in"], 30);
    let longer = [("expires_in", "31")];
    assert_ne!(
        server
            .http()
            .form("/oauth/ott", demo.basic(), &longer)
            .json()["expires_in"],
        31
    );
}

#[test]
fn no_more_tokens_live_than_allowed() {
    let server = start("[tokens]\naccess_format = \"opaque\"\nactive_max = 2\n");
    let form = [("grant_type", "client_credentials")];
    let ask = || {
        server
            .http()
            .form("/oauth/token", server.demo().basic(), &form)
    };
    assert_eq!((ask().status, ask().status), (200, 200));
    let full = ask().expect_status(503);
    assert!(full.header("retry-after").is_some(), "{full:?}");
}

#[test]
fn keys_live_as_long_as_configured() {
    let config = "[keys]\nsigning_alg = \"EdDSA\"\npublish_ahead = \"2h\"\nretain_after = \"3h\"\n\
                  jwks_max_age = \"7m\"\n";
    let server = start(config);
    let jwks = server
        .http()
        .get("/.well-known/jwks.json", &[])
        .expect_status(200);
    assert_eq!(jwks.header("cache-control"), Some("public, max-age=420"));
    assert_eq!(jwks.json()["keys"][0]["alg"], "EdDSA");
    let token = server.token(&server.demo(), "");
    assert_eq!(server.introspect(&server.demo(), &token)["active"], true);
    let new = server
        .tollgate(&["keys", "rotate", "--json"])
        .expect_success()
        .json();
    let number = |key: &serde_json::Value, name: &str| key[name].as_u64().unwrap();
    assert_eq!(
        number(&new, "signs_from") - number(&new, "created_at"),
        2 * 3600 + 1,
        "published a second longer than it must"
    );
    let keys = server
        .tollgate(&["keys", "list", "--json"])
        .expect_success()
        .json_lines();
    let old = keys.iter().find(|key| key["kid"] != new["kid"]).unwrap();
    assert_eq!(number(old, "retired_at"), number(&new, "signs_from"));
    let kept = number(old, "gone_at") - number(old, "retired_at");
    // The last token may be as long-lived as the server allows; the rest is what was asked for.
    assert_eq!((kept - 3 * 3600) % 3600, 0, "{kept}");
    assert!(kept >= 4 * 3600, "{kept}");
}
