//! `/admin/clients`

use axum::{body::Body, http::Method};
use serde_json::{Value, json};
use tollgate_jose::{Algorithm, SigningKey};

use super::panel::{Panel, START, authorized};

fn jwks() -> Value {
    let key = SigningKey::generate(Algorithm::ES256)
        .unwrap()
        .1
        .public_jwk()
        .unwrap();
    json!({"keys": [key]})
}

#[tokio::test]
async fn a_client_is_registered_shown_changed_and_deleted() {
    let panel = Panel::new().await;
    let created = panel
        .post("/admin/clients", json!({"client_id": "c"}))
        .await
        .expect(201);
    let secret = created["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 43);
    let mut expected = json!({
        "client_id": "c", "name": "", "enabled": true, "grants": ["client_credentials"],
        "scope": "", "audiences": [], "serves": [], "token_format": null, "access_ttl": null,
        "signing_alg": null, "jwks": null, "secrets": [{"created_at": START, "expires_at": null}],
        "created_at": START, "updated_at": START,
    });
    let answer = panel.get("/admin/clients/c").await;
    assert_eq!(answer.expect(200), expected);
    assert!(!String::from_utf8(answer.body).unwrap().contains(&secret));

    panel.pass(5);
    let jwks = jwks();
    let patch = json!({
        "name": "Orders", "scope": "a b", "audiences": ["https://a.example.com"],
        "serves": ["urn:b"], "token_format": "opaque", "access_ttl": "1h 30m",
        "signing_alg": "EdDSA", "jwks": jwks, "enabled": false,
    });
    for (name, value) in patch.as_object().unwrap() {
        expected[name] = value.clone();
    }
    expected["updated_at"] = json!(START + 5);
    assert_eq!(
        panel.patch("/admin/clients/c", patch).await.expect(200),
        expected
    );
    assert_eq!(panel.get("/admin/clients/c").await.expect(200), expected);
    let back = json!({"token_format": null, "access_ttl": null, "signing_alg": null, "jwks": null});
    let after = panel.patch("/admin/clients/c", back).await.expect(200);
    for name in ["token_format", "access_ttl", "signing_alg", "jwks"] {
        assert_eq!(after[name], Value::Null, "{name}");
    }
    assert_eq!(after["name"], "Orders");

    assert_eq!(panel.delete("/admin/clients/c").await.status, 204);
    panel
        .get("/admin/clients/c")
        .await
        .refused(404, "not_found", "no such client");
    panel
        .delete("/admin/clients/c")
        .await
        .refused(404, "not_found", "no such client");
    let keys = panel.get("/admin/keys").await.expect(200);
    let kid = keys["keys"][1]["kid"].as_str().unwrap();
    let log = panel.audit.take();
    assert_eq!(
        log,
        [
            "client.created ok c",
            // Somebody has to sign with the algorithm.
            &format!("key.created ok {kid}"),
            "client.disabled ok c",
            "client.updated ok c",
            "client.updated ok c",
            "client.deleted ok c",
            "client.deleted not_found c",
        ]
    );
}

#[tokio::test]
async fn the_audit_log_tells_all_that_a_patch_changed() {
    let panel = Panel::new().await;
    let created = panel
        .post("/admin/clients", json!({"client_id": "c"}))
        .await;
    created.expect(201);
    for (patch, expected) in [
        (json!({"enabled": false}), &["client.disabled ok c"][..]),
        (json!({"enabled": true}), &["client.enabled ok c"]),
        (json!({"scope": "a"}), &["client.updated ok c"]),
        (
            json!({"enabled": true, "scope": "b"}),
            &["client.enabled ok c", "client.updated ok c"],
        ),
        (
            json!({"enabled": false, "jwks": null}),
            &["client.disabled ok c", "client.updated ok c"],
        ),
    ] {
        panel.audit.take();
        panel
            .patch("/admin/clients/c", patch.clone())
            .await
            .expect(200);
        assert_eq!(panel.audit.take(), expected, "{patch}");
    }
}

#[tokio::test]
async fn a_client_with_everything_is_registered_at_once() {
    let panel = Panel::new().await;
    let client = json!({
        "client_id": "c", "name": "Orders", "enabled": false, "grants": ["client_credentials"],
        "scope": "a b", "audiences": ["https://a.example.com"], "serves": ["urn:b"],
        "token_format": "jwt", "access_ttl": "90s", "signing_alg": "ES384", "jwks": jwks(),
    });
    let mut created = panel
        .post("/admin/clients", client.clone())
        .await
        .expect(201);
    let members = created.as_object_mut().unwrap();
    assert!(
        members.remove("client_secret").is_none(),
        "a client with keys needs no secret"
    );
    assert_eq!(members.remove("secrets"), Some(json!([])));
    members.retain(|name, _| !name.ends_with("_at"));
    let mut expected = client;
    expected["access_ttl"] = json!("1m 30s");
    assert_eq!(created, expected);
    let keys = panel.get("/admin/keys").await.expect(200);
    assert_eq!(keys["keys"][1]["alg"], "ES384");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let panel = Panel::new().await;
    panel.client("c", "jwt").await;
    panel.audit.take();
    for (body, why) in [
        ("", "client_id is missing"),
        (r#"["d"]"#, "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("{", "EOF"),
        ("{}", "client_id is missing"),
        (r#"{"client_id":"d","unknown":1}"#, "unknown field"),
        (r#"{"client_id":"d","client_id":"e"}"#, "duplicate field"),
        (r#"{"client_id":"a b"}"#, "client id"),
        (
            r#"{"client_id":"d","grants":["password"]}"#,
            "unknown variant",
        ),
        (r#"{"client_id":"d","grants":[]}"#, "grants"),
        (r#"{"client_id":"d","name":null}"#, "null"),
        (r#"{"client_id":"d","scope":"a\"b"}"#, "scope"),
        (
            r#"{"client_id":"d","audiences":["orders"]}"#,
            "absolute URI",
        ),
        (r#"{"client_id":"d","access_ttl":3600}"#, "string"),
        (
            r#"{"client_id":"d","access_ttl":"1 hour and a half"}"#,
            "a duration like 1h",
        ),
        (r#"{"client_id":"d","access_ttl":"31d"}"#, "access_ttl"),
        (
            r#"{"client_id":"d","signing_alg":"none"}"#,
            "unsupported algorithm",
        ),
        (
            r#"{"client_id":"d","signing_alg":"HS256"}"#,
            "no public key",
        ),
        (
            r#"{"client_id":"d","client_secret":"hunter2"}"#,
            "at least 22",
        ),
        (r#"{"client_id":"d","jwks":{}}"#, "JWK Set"),
    ] {
        let answer = panel.send_json(Method::POST, "/admin/clients", body).await;
        answer.refused(400, "invalid_request", why);
        let said = answer.expect(400)["error_description"].to_string();
        assert_eq!(said.contains(" at line "), body == "{", "{said}");
    }
    let clients = panel.get("/admin/clients").await.expect(200);
    assert_eq!(clients["clients"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn changes_that_make_no_sense_are_refused() {
    let panel = Panel::new().await;
    panel.client("c", "jwt").await;
    let twice = panel
        .post("/admin/clients", json!({"client_id": "c"}))
        .await;
    twice.refused(409, "conflict", "client of this name");
    for (patch, why) in [
        (json!({"client_id": "d"}), "client_id stays"),
        (json!({"client_secret": "x".repeat(40)}), "…/secret"),
        (json!({"enabled": "no"}), "boolean"),
        (json!({"enabled": null}), "null"),
        (json!({"secrets": []}), "unknown field"),
    ] {
        panel
            .patch("/admin/clients/c", patch)
            .await
            .refused(400, "invalid_request", why);
    }
    panel
        .patch("/admin/clients/d", json!({}))
        .await
        .refused(404, "not_found", "client");
    let path = "/admin/clients/%20";
    panel
        .get(path)
        .await
        .refused(400, "invalid_request", "client id");
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_long_is_refused() {
    let panel = Panel::new().await;
    let form = authorized(Method::POST, "/admin/clients")
        .header("content-type", "application/x-www-form-urlencoded");
    let answer = panel
        .send(form.body(Body::from("client_id=c")).unwrap())
        .await;
    answer.refused(415, "invalid_request", "application/json");
    let bare = authorized(Method::POST, "/admin/clients");
    let answer = panel
        .send(bare.body(Body::from(r#"{"client_id":"c"}"#)).unwrap())
        .await;
    answer.refused(415, "invalid_request", "application/json");
    let typed = authorized(Method::POST, "/admin/clients")
        .header("content-type", "Application/JSON; charset=utf-8");
    let answer = panel
        .send(typed.body(Body::from(r#" {"client_id":"c"} "#)).unwrap())
        .await;
    answer.expect(201);
    let long = format!(r#"{{"client_id":"c","name":"{}"}}"#, "n".repeat(256 * 1024));
    let answer = panel.send_json(Method::POST, "/admin/clients", &long).await;
    answer.refused(413, "invalid_request", "");
}

#[tokio::test]
async fn clients_are_listed_in_pages() {
    let panel = Panel::new().await;
    for id in ["a/b", "c", "d?e", "f"] {
        panel.client(id, "jwt").await;
    }
    let ids = |page: &Value| -> Vec<String> {
        let clients = page["clients"].as_array().unwrap();
        clients
            .iter()
            .map(|client| client["client_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = panel.get("/admin/clients?limit=3").await.expect(200);
    assert_eq!(ids(&first), ["a/b", "c", "d?e"]);
    assert_eq!(first["next"], "d?e");
    let rest = panel
        .get("/admin/clients?limit=3&after=d%3Fe")
        .await
        .expect(200);
    assert_eq!(
        (ids(&rest), &rest["next"]),
        (vec!["f".to_owned()], &Value::Null)
    );
    let all = panel.get("/admin/clients?limit=4").await.expect(200);
    assert_eq!(all["next"], Value::Null);
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=x",
        "page=2",
        "after=",
        "limit=1&limit=2",
    ] {
        let answer = panel.get(&format!("/admin/clients?{query}")).await;
        answer.refused(400, "invalid_request", "");
    }
    // Identifiers are percent-encoded in paths.
    assert_eq!(
        panel.get("/admin/clients/a%2Fb").await.expect(200)["client_id"],
        "a/b"
    );
    assert_eq!(panel.delete("/admin/clients/d%3Fe").await.status, 204);
}

#[tokio::test]
async fn secrets_are_rotated_with_overlap() {
    let panel = Panel::new().await;
    let first = panel.client("c", "jwt").await["client_secret"].clone();
    let path = "/admin/clients/c/secret";
    let rotated = panel
        .post(path, json!({"keep_old": "24h"}))
        .await
        .expect(200);
    assert_eq!(rotated["client_id"], "c");
    assert_eq!(rotated["previous_expires_at"], START + 86400);
    assert_ne!(rotated["client_secret"], first);
    let secrets = panel.get("/admin/clients/c").await.expect(200)["secrets"].clone();
    assert_eq!(
        secrets,
        json!([
            {"created_at": START, "expires_at": null},
            {"created_at": START, "expires_at": START + 86400},
        ])
    );
    // No body at all asks for a new secret at once.
    let bare = authorized(Method::POST, path).body(Body::empty()).unwrap();
    let rotated = panel.send(bare).await.expect(200);
    assert_eq!(rotated["previous_expires_at"], Value::Null);
    let own = "my-own-secret-of-more-than-32-characters";
    let imported = panel
        .post(path, json!({"client_secret": own}))
        .await
        .expect(200);
    assert_eq!(imported["client_secret"], own);
    let log = panel.audit.take();
    assert_eq!(log[1..], ["client.secret_rotated ok c"; 3]);

    for (body, why) in [
        (json!({"keep_old": "91d"}), "90d"),
        (json!({"keep_old": 24}), "string"),
        (json!({"client_secret": "hunter2"}), "at least 22"),
        (json!({"secret": own}), "unknown field"),
    ] {
        panel
            .post(path, body)
            .await
            .refused(400, "invalid_request", why);
    }
    panel
        .post("/admin/clients/d/secret", json!({}))
        .await
        .refused(404, "not_found", "client");
}
