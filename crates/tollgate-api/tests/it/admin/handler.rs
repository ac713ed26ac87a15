//! The management API over a real socket.

use std::{
    future::Future as _,
    task::{Context, Waker},
    time::Duration,
};

use serde_json::json;
use tokio::time::timeout;
use tollgate_api::{
    admin::{AdminHandler, ROUTE_TEMPLATES},
    route_templates,
};
use tollgate_web::{HttpMetrics, Server, ServerConfig};

use super::panel::{Panel, TOKEN};

#[test]
fn requests_are_served_and_counted_by_route() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let panel = runtime.block_on(Panel::new());
    let routes = [&route_templates()[..], &ROUTE_TEMPLATES].concat();
    let metrics = HttpMetrics::register(&panel.registry, &routes).unwrap();
    let config = ServerConfig {
        threads: 1,
        ..ServerConfig::default()
    };
    let server = Server::bind(config, &["127.0.0.1:0".parse().unwrap()], metrics).unwrap();
    let address = server.local_addr().unwrap();
    let routes_from = u16::try_from(route_templates().len()).unwrap();
    let handler = AdminHandler::new(panel.state.clone(), routes_from);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(server.run(handler, async {
            let _ = stopped.await;
        }))
    });

    let get = |path: &str| {
        let request = ureq::get(format!("http://{address}{path}"));
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        request
            .config()
            .http_status_as_error(false)
            .build()
            .call()
            .unwrap()
    };
    let mut answer = get("/admin/keys");
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("x-request-id"));
    assert!(answer.headers().contains_key("content-length"));
    assert!(
        answer
            .body_mut()
            .read_to_string()
            .unwrap()
            .contains("signing")
    );
    assert_eq!(get("/admin/clients/nobody").status(), 404);
    assert_eq!(get("/nowhere").status(), 404);
    let stats = get("/admin/stats").body_mut().read_to_string().unwrap();
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    // Those before this one; each on a connection of its own or not.
    let http = &stats["http"];
    assert_eq!(http["requests_total"], 3, "{http}");
    let by_status = json!({"2xx": 1, "4xx": 2});
    assert_eq!(http["requests_by_status"], by_status, "{http}");
    assert!(http["connections_open"].as_u64() >= Some(1), "{http}");
    let text = panel.registry.render();
    for line in [
        r#"http_requests_total{route="/admin/keys",method="GET",status="2xx"} 1"#,
        r#"http_requests_total{route="/admin/clients/{id}",method="GET",status="4xx"} 1"#,
        r#"http_requests_total{route="other",method="GET",status="4xx"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    let _ = stop.send(());
    serving.join().unwrap().unwrap();
}

/// A rotation waits for a key to be made; the caller does not.
#[tokio::test]
async fn a_change_runs_to_its_end_although_the_caller_left() {
    let panel = Panel::new().await;
    let mut rotation = Box::pin(panel.post("/admin/keys/rotate", json!({})));
    for _ in 0..10 {
        let polled = rotation
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "it did not wait");
    }
    drop(rotation);
    let done = async {
        while panel.get("/admin/keys").await.json()["keys"]
            .as_array()
            .unwrap()
            .len()
            < 2
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), done).await.unwrap();
}
