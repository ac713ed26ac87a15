//! Chromium without a window, as a client of HTTP/2 and HTTP/3.

use std::process::{Command, Stdio};

use tollgate_testkit::find_peer;

use crate::attacks::CONFIG;
use crate::peer;
use crate::server::Server;

/// Loads a page over each version of HTTP; the server writes into it which one it was.
pub(crate) fn check() {
    let Some(chromium) = find_peer("TOLLGATE_TEST_CHROMIUM", "chromium") else {
        return;
    };
    let server = Server::start(CONFIG);
    let port = server.secure.port();
    let origin = format!("localhost:{port}");
    for (forced, expected) in [(None, "HTTP/2.0"), (Some(&origin), "HTTP/3.0")] {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new(&chromium);
        command
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--dump-dom",
            ])
            .args(["--disable-background-networking", "--no-proxy-server"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!(
                "--ignore-certificate-errors-spki-list={}",
                server.key_digest
            ))
            .arg("--host-resolver-rules=MAP localhost 127.0.0.1")
            .args(forced.map(|origin| format!("--origin-to-force-quic-on={origin}")))
            .arg(format!("https://{origin}/page"))
            .stdin(Stdio::null());
        let page = peer::printed(&mut command);
        assert!(
            page.contains(&format!("served over {expected}")),
            "{expected}: {page}"
        );
    }
}
