//! `/admin/keys`

use serde_json::{Value, json};

use super::panel::{Panel, START};

#[tokio::test]
async fn keys_are_listed_rotated_and_revoked() {
    let panel = Panel::new().await;
    let keys = panel.get("/admin/keys").await.expect(200);
    let first = &keys["keys"][0];
    let kid = first["kid"].as_str().unwrap();
    assert_eq!(
        keys["keys"],
        json!([{
            "kid": kid, "alg": "ES256", "state": "signing", "created_at": START, "signs_from": START,
            "retired_at": null, "gone_at": null, "revoked_at": null,
        }])
    );

    let next = panel
        .post("/admin/keys/rotate", json!({}))
        .await
        .expect(201);
    assert_eq!(
        (&next["state"], &next["signs_from"]),
        (&json!("published"), &json!(START + 86400 + 1)),
        "published a second longer than it must"
    );
    let other = panel
        .post("/admin/keys/rotate", json!({"alg": "EdDSA"}))
        .await
        .expect(201);
    assert_eq!(
        (&other["alg"], &other["state"]),
        (&json!("EdDSA"), &json!("signing"))
    );

    panel.pass(10);
    let revoked = panel
        .delete(&format!("/admin/keys/{kid}"))
        .await
        .expect(200);
    assert_eq!(
        (&revoked["state"], &revoked["revoked_at"]),
        (&json!("revoked"), &json!(START + 10))
    );
    let keys = panel.get("/admin/keys").await.expect(200);
    let state = |key: &Value| key["state"].as_str().unwrap().to_owned();
    let states: Vec<String> = keys["keys"].as_array().unwrap().iter().map(state).collect();
    assert_eq!(states, ["revoked", "signing", "signing"]);
    let text = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    assert_eq!(
        panel.audit.take(),
        [
            format!("key.rotated ok {}", text(&next)),
            format!("key.rotated ok {}", text(&other)),
            format!("key.revoked ok {kid}"),
        ]
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let panel = Panel::new().await;
    for (body, why) in [
        (json!({"alg": "none"}), "unsupported algorithm"),
        (json!({"alg": "HS256"}), "no public key"),
        (json!({"algorithm": "ES256"}), "unknown field"),
    ] {
        panel
            .post("/admin/keys/rotate", body)
            .await
            .refused(400, "invalid_request", why);
    }
    panel
        .delete("/admin/keys/unknown")
        .await
        .refused(404, "not_found", "no such key");
    assert_eq!(
        panel.get("/admin/keys").await.expect(200)["keys"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
