//! `/admin/backup` and `/admin/restore`

use axum::{body::Body, http::Method};
use serde_json::json;

use super::panel::{Answer, Panel, START, authorized};

async fn restore(panel: &Panel, file: Vec<u8>) -> Answer {
    let request = authorized(Method::POST, "/admin/restore")
        .header("content-type", "application/octet-stream");
    panel.send(request.body(Body::from(file)).unwrap()).await
}

#[tokio::test]
async fn what_was_backed_up_comes_back() {
    let panel = Panel::new().await;
    panel.client("c", "jwt").await;
    let token = panel.access_token("c").await;
    let backup = panel.get("/admin/backup").await;
    assert_eq!(backup.status, 200);
    assert_eq!(backup.headers["content-type"], "application/octet-stream");
    panel.delete("/admin/clients/c").await;
    panel.client("d", "jwt").await;
    panel.audit.take();

    let restored = restore(&panel, backup.body.clone()).await.expect(200);
    let expected =
        json!({"restored": {"clients": 1, "keys": 1}, "tokens_refused_before": START + 1});
    assert_eq!(restored, expected);
    panel.get("/admin/clients/c").await.expect(200);
    panel
        .get("/admin/clients/d")
        .await
        .refused(404, "not_found", "client");
    assert!(!panel.is_active(&token).await);
    let fresh = panel.access_token("c").await;
    assert!(panel.is_active(&fresh).await);

    // A large body is no matter here, but it must be a backup of this service.
    restore(&panel, vec![0; 3 * 1024 * 1024]).await.refused(
        400,
        "invalid_request",
        "not a Tollgate",
    );
    let mut damaged = backup.body.clone();
    damaged[40] ^= 1;
    restore(&panel, damaged)
        .await
        .refused(400, "invalid_request", "damaged");
    let stranger = Panel::new().await;
    restore(&stranger, backup.body)
        .await
        .refused(400, "invalid_request", "another master key");
    let log = panel.audit.take();
    let restores: Vec<&String> = log
        .iter()
        .filter(|line| line.starts_with("store.restored"))
        .collect();
    assert_eq!(
        restores,
        [
            "store.restored ok -",
            "store.restored invalid_request -",
            "store.restored invalid_request -",
        ]
    );
}
