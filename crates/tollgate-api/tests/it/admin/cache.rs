//! `/admin/cache`

use serde_json::{Value, json};

use super::panel::Panel;

/// A panel with two clients and a cached token of each.
async fn warm() -> Panel {
    let panel = Panel::new().await;
    for client in ["orders", "other"] {
        panel.client(client, "opaque").await;
        let token = panel.access_token(client).await;
        assert!(panel.is_active(&token).await && panel.is_active(&token).await);
    }
    panel
}

async fn entries(panel: &Panel) -> Vec<(String, u64)> {
    let answer = panel.get("/admin/cache").await.expect(200);
    let entry = |cache: &Value| {
        (
            cache["name"].as_str().unwrap().to_owned(),
            cache["entries"].as_u64().unwrap(),
        )
    };
    answer["caches"]
        .as_array()
        .unwrap()
        .iter()
        .map(entry)
        .collect()
}

#[tokio::test]
async fn what_is_cached_is_told() {
    let panel = warm().await;
    let answer = panel.get("/admin/cache").await.expect(200);
    let tokens = answer["caches"].as_array().unwrap();
    let tokens = tokens
        .iter()
        .find(|cache| cache["name"] == "tokens")
        .unwrap();
    assert_eq!(
        tokens,
        &json!({
            "name": "tokens", "entries": 2, "entries_max": 1000, "hits": 2, "misses": 2,
            "hit_ratio": 0.5, "invalidations": 0,
        })
    );
}

#[tokio::test]
async fn caches_forget_by_key_prefix_and_tag() {
    for (query, removed) in [
        ("?key=orders", 1),
        ("?key=nobody", 0),
        ("?prefix=o", 2),
        ("?prefix=ord", 1),
        ("?tag=orders", 2),
        ("?tag=nobody", 0),
        ("", 4),
    ] {
        let panel = warm().await;
        let before: u64 = entries(&panel)
            .await
            .iter()
            .map(|(_, entries)| entries)
            .sum();
        let answer = panel
            .delete(&format!("/admin/cache{query}"))
            .await
            .expect(200);
        assert_eq!(answer, json!({"removed": removed}), "{query}");
        let after: u64 = entries(&panel)
            .await
            .iter()
            .map(|(_, entries)| entries)
            .sum();
        assert_eq!((before, after), (4, 4 - removed), "{query}");
        assert!(
            panel
                .audit
                .take()
                .contains(&"cache.cleared ok -".to_owned())
        );
    }
    let panel = warm().await;
    for query in ["?key=a&tag=b", "?key=a&prefix=b", "?name=tokens"] {
        let answer = panel.delete(&format!("/admin/cache{query}")).await;
        answer.refused(400, "invalid_request", "");
    }
    assert_eq!(
        entries(&panel)
            .await
            .iter()
            .map(|(_, entries)| entries)
            .sum::<u64>(),
        4
    );
}
