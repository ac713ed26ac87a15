//! The management API over a real socket.

use std::{
    io::Write as _,
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::sync::Notify;
use tollgate_api::{
    admin::{AdminHandler, ROUTE_TEMPLATES, RunToTheEnd},
    route_templates,
};
use tollgate_web::{
    Handler, HttpMetrics, RequestBody, RequestContext, ResponseBody, Server, ServerConfig,
    metrics::Registry,
};

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
    let handler = RunToTheEnd::new(AdminHandler::new(panel.state.clone(), routes_from));
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

/// Waits before it answers, and tells how it ended.
struct Slow {
    arrived: AtomicBool,
    may_end: Notify,
    ended: Mutex<Option<&'static str>>,
}

/// Tells that the work was dropped, unless it was forgotten.
struct Cut<'a>(&'a Slow);

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        self.0.ended.lock().unwrap().get_or_insert("dropped");
    }
}

impl Handler for Slow {
    async fn handle(
        &self,
        _: http::Request<RequestBody>,
        _: &mut RequestContext,
    ) -> http::Response<ResponseBody> {
        let cut = Cut(self);
        self.arrived.store(true, Ordering::SeqCst);
        self.may_end.notified().await;
        *self.ended.lock().unwrap() = Some("finished");
        drop(cut);
        http::Response::new(ResponseBody::empty())
    }
}

/// Waits until `done`; only a hang runs into the time-out.
#[track_caller]
fn wait(done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it never comes");
        std::thread::yield_now();
    }
}

#[test]
fn a_change_runs_to_its_end_although_the_caller_left() {
    for (method, end) in [
        ("POST", "finished"),
        ("DELETE", "finished"),
        ("GET", "dropped"),
    ] {
        let slow = Arc::new(Slow {
            arrived: AtomicBool::default(),
            may_end: Notify::new(),
            ended: Mutex::default(),
        });
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry, &[]).unwrap();
        let config = ServerConfig {
            threads: 1,
            ..ServerConfig::default()
        };
        let server = Server::bind(config, &["127.0.0.1:0".parse().unwrap()], metrics).unwrap();
        let address = server.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let handler = RunToTheEnd::new(Arc::clone(&slow));
        let serving = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(server.run(handler, async {
                let _ = stopped.await;
            }))
        });
        let mut caller = TcpStream::connect(address).unwrap();
        let head = format!("{method} / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
        caller.write_all(head.as_bytes()).unwrap();
        wait(|| slow.arrived.load(Ordering::SeqCst));
        drop(caller);
        wait(|| registry.render().contains("http_requests_in_flight 0"));
        slow.may_end.notify_one();
        wait(|| slow.ended.lock().unwrap().is_some());
        assert_eq!(*slow.ended.lock().unwrap(), Some(end), "{method}");
        let _ = stop.send(());
        serving.join().unwrap().unwrap();
    }
}
