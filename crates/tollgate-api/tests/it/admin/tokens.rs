//! `/admin/tokens`

use serde_json::{Value, json};

use super::panel::{Panel, START};

const ORDERS: &str = "https://orders.example.com";

#[tokio::test]
async fn tokens_are_issued_in_the_name_of_a_client() {
    let panel = Panel::new().await;
    panel.client("jwt", "jwt").await;
    panel.client("opaque", "opaque").await;
    panel.audit.take();
    for (client, prefix) in [("jwt", "eyJ"), ("opaque", "tgat_")] {
        let wish = json!({"client_id": client, "scope": "read", "resource": [ORDERS]});
        let issued = panel.post("/admin/tokens", wish).await.expect(200);
        let token = issued["access_token"].as_str().unwrap();
        assert!(token.starts_with(prefix), "{token}");
        assert_eq!(
            issued,
            json!({
                "access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": "read",
            })
        );
        let introspected = panel
            .post("/admin/tokens/introspect", json!({"token": token}))
            .await;
        let introspected = introspected.expect(200);
        for (name, value) in [
            ("active", json!(true)),
            ("client_id", json!(client)),
            ("sub", json!(client)),
            ("scope", json!("read")),
            ("aud", json!(ORDERS)),
            ("exp", json!(START + 3600)),
        ] {
            assert_eq!(introspected[name], value, "{name}");
        }
    }
    assert_eq!(
        panel.audit.take(),
        ["token.issued ok jwt", "token.issued ok opaque"]
    );
    assert!(
        panel
            .registry
            .render()
            .contains(r#"tokens_issued_total{kind="access",format="opaque"} 1"#)
    );
}

#[tokio::test]
async fn an_empty_scope_asks_for_all_that_the_client_has() {
    let panel = Panel::new().await;
    panel.client("c", "opaque").await;
    for wish in [
        json!({"client_id": "c"}),
        json!({"client_id": "c", "scope": " "}),
        json!({"client_id": "c", "scope": ""}),
    ] {
        let issued = panel.post("/admin/tokens", wish).await.expect(200);
        assert_eq!(issued["scope"], "read write");
    }
}

#[tokio::test]
async fn one_time_tokens_are_issued_and_redeemed_once() {
    let panel = Panel::new().await;
    panel.client("c", "jwt").await;
    let wish = json!({
        "client_id": "c", "kind": "one_time", "subject": "alice", "expires_in": 60,
        "data": {"order": 7}, "scope": "read",
    });
    let issued = panel.post("/admin/tokens", wish).await.expect(200);
    let token = issued["token"].as_str().unwrap();
    assert!(token.starts_with("tgot_"), "{token}");
    assert_eq!(
        issued,
        json!({
            "token": token, "token_type": "one_time", "expires_in": 60, "expires_at": START + 60,
        })
    );
    let redeem = || panel.post("/admin/tokens/redeem", json!({"token": token}));
    let redeemed = redeem().await.expect(200);
    for (name, value) in [("sub", json!("alice")), ("data", json!({"order": 7}))] {
        assert_eq!(redeemed[name], value, "{name}");
    }
    redeem().await.refused(400, "invalid_grant", "");
    let access = panel.access_token("c").await;
    let no_one_time = panel
        .post("/admin/tokens/redeem", json!({"token": access}))
        .await;
    no_one_time.refused(400, "invalid_grant", "");
}

#[tokio::test]
async fn what_a_client_may_not_have_is_refused() {
    let panel = Panel::new().await;
    panel.client("c", "jwt").await;
    for (wish, code) in [
        (json!({"client_id": "c", "scope": "admin"}), "invalid_scope"),
        (
            json!({"client_id": "c", "resource": ["https://other.example.com"]}),
            "invalid_target",
        ),
        (
            json!({"client_id": "c", "resource": ORDERS}),
            "invalid_request",
        ),
        (
            json!({"client_id": "c", "kind": "refresh"}),
            "invalid_request",
        ),
        (
            json!({"client_id": "c", "subject": "alice"}),
            "invalid_request",
        ),
        (
            json!({"client_id": "c", "expires_in": 60}),
            "invalid_request",
        ),
        (json!({"client_id": "c", "data": 1}), "invalid_request"),
        (
            json!({"client_id": "c", "kind": "one_time", "expires_in": 0}),
            "invalid_request",
        ),
        (
            json!({"client_id": "c", "kind": "one_time", "expires_in": 121}),
            "invalid_request",
        ),
        (
            json!({"client_id": "c", "kind": "one_time", "data": "x".repeat(1024)}),
            "invalid_request",
        ),
        (json!({"scope": "read"}), "invalid_request"),
        (json!({"client_id": "c", "lifetime": 1}), "invalid_request"),
    ] {
        panel
            .post("/admin/tokens", wish)
            .await
            .refused(400, code, "");
    }
    let unknown = panel.post("/admin/tokens", json!({"client_id": "d"})).await;
    unknown.refused(404, "not_found", "client");
    panel
        .patch("/admin/clients/c", json!({"enabled": false}))
        .await
        .expect(200);
    let disabled = panel.post("/admin/tokens", json!({"client_id": "c"})).await;
    disabled.refused(409, "conflict", "disabled");
}

#[tokio::test]
async fn a_presented_token_is_revoked() {
    let panel = Panel::new().await;
    panel.client("jwt", "jwt").await;
    panel.client("opaque", "opaque").await;
    for client in ["jwt", "opaque"] {
        let token = panel.access_token(client).await;
        assert!(panel.is_active(&token).await);
        let revoke = || panel.post("/admin/tokens/revoke", json!({"token": token}));
        assert_eq!(revoke().await.expect(200), json!({"revoked": true}));
        assert!(!panel.is_active(&token).await);
        assert_eq!(revoke().await.expect(200), json!({"revoked": false}));
    }
    let unknown = panel
        .post("/admin/tokens/revoke", json!({"token": "nonsense"}))
        .await;
    assert_eq!(unknown.expect(200), json!({"revoked": false}));
    assert!(!panel.is_active("nonsense").await);
    for path in ["introspect", "redeem", "revoke"] {
        let path = format!("/admin/tokens/{path}");
        panel
            .post(&path, json!({}))
            .await
            .refused(400, "invalid_request", "missing field");
        let twice = json!({"token": "a", "hint": "b"});
        panel
            .post(&path, twice)
            .await
            .refused(400, "invalid_request", "unknown field");
    }
}

async fn listed(panel: &Panel, query: &str) -> Value {
    panel
        .get(&format!("/admin/tokens{query}"))
        .await
        .expect(200)
}

#[tokio::test]
async fn stored_tokens_are_listed_and_counted() {
    let panel = Panel::new().await;
    for client in ["a", "b"] {
        panel.client(client, "opaque").await;
        panel.access_token(client).await;
    }
    let token = panel.one_time_token("b", "alice").await;
    for (query, count) in [
        ("", 3),
        ("?client=a", 1),
        ("?client=b", 2),
        ("?subject=alice", 1),
        ("?client=a&subject=alice", 0),
    ] {
        assert_eq!(
            listed(&panel, query).await["tokens"]
                .as_array()
                .unwrap()
                .len(),
            count,
            "{query}"
        );
        let answer = panel
            .get(&format!("/admin/tokens/count{query}"))
            .await
            .expect(200);
        assert_eq!(answer, json!({"count": count}), "{query}");
    }
    let answer = panel.get("/admin/tokens?subject=alice").await;
    assert!(!String::from_utf8_lossy(&answer.body).contains(&token));
    let listed_one = answer.expect(200);
    let id = listed_one["tokens"][0]["id"].as_str().unwrap();
    assert_eq!(id.len(), 32);
    assert_eq!(
        listed_one,
        json!({
            "tokens": [{
                "id": id, "kind": "one_time", "client_id": "b", "sub": "alice", "scope": "read write",
                "aud": [ORDERS], "iat": START, "exp": START + 120,
            }],
            "next": null,
        })
    );
    let first = listed(&panel, "?limit=2").await;
    let next = first["next"].as_str().unwrap();
    let rest = listed(&panel, &format!("?limit=2&after={next}")).await;
    assert_eq!(
        (rest["tokens"].as_array().unwrap().len(), &rest["next"]),
        (1, &Value::Null)
    );
    for query in ["limit=0", "after=xyz", "client=", "user=alice", "id=1"] {
        let answer = panel.get(&format!("/admin/tokens?{query}")).await;
        answer.refused(400, "invalid_request", "");
    }
}

#[tokio::test]
async fn tokens_are_revoked_by_client_by_subject_and_by_id() {
    let panel = Panel::new().await;
    panel.client("a", "jwt").await;
    panel.client("b", "opaque").await;
    let of_client = panel.access_token("a").await;
    let of_subject = panel.one_time_token("b", "alice smith").await;
    let of_id = panel.access_token("b").await;
    let jwt = panel.access_token("a").await;
    panel.audit.take();

    let revoked = panel.delete("/admin/tokens?client=a").await.expect(200);
    assert_eq!(revoked, json!({"revoked": true}));
    assert!(!panel.is_active(&of_client).await && !panel.is_active(&jwt).await);
    assert!(panel.is_active(&of_subject).await && panel.is_active(&of_id).await);
    panel
        .delete("/admin/tokens?subject=alice%20smith")
        .await
        .expect(200);
    assert!(!panel.is_active(&of_subject).await && panel.is_active(&of_id).await);
    let tokens = listed(&panel, "").await;
    assert_eq!(tokens["tokens"].as_array().unwrap().len(), 1);
    let id = tokens["tokens"][0]["id"].as_str().unwrap();
    panel
        .delete(&format!("/admin/tokens?id={id}"))
        .await
        .expect(200);
    assert!(!panel.is_active(&of_id).await);
    let again = panel.delete(&format!("/admin/tokens?id={id}")).await;
    again.refused(404, "not_found", "token");

    let jwt = panel.access_token("a").await;
    let live = panel
        .post("/admin/tokens/introspect", json!({"token": jwt}))
        .await
        .expect(200);
    let jti = live["jti"].as_str().unwrap();
    panel
        .delete(&format!("/admin/tokens?id={jti}"))
        .await
        .expect(200);
    assert!(!panel.is_active(&jwt).await);
    assert!(panel.registry.render().contains("tokens_revoked_total 2"));
    let log = panel.audit.take();
    assert_eq!(log[0], "client.tokens_revoked ok a");
    assert_eq!(log[1], "subject.tokens_revoked ok alice smith");

    for query in [
        "",
        "?client=a&subject=b",
        "?id=xyz",
        "?client=",
        "?all=true",
    ] {
        let answer = panel.delete(&format!("/admin/tokens{query}")).await;
        answer.refused(400, "invalid_request", "");
    }
    panel
        .delete("/admin/tokens?client=c")
        .await
        .refused(404, "not_found", "client");
}
