//! What commands make of a server, or of something between, that does not answer as it should.

use tollgate_testkit::{TestServer, run};

use crate::BINARY;

/// The administrator's token is for the server alone, and a proxy on the way would read it.
#[test]
fn no_proxy_is_asked() {
    let server = TestServer::start(BINARY);
    let directory = server.data_dir().to_str().unwrap();
    // Port 1 is reserved and nothing listens on it.
    let proxy = "http://127.0.0.1:1";
    let variables = [
        ("TOLLGATE_DATA_DIR", directory),
        ("no_proxy", ""),
        ("NO_PROXY", ""),
        ("http_proxy", proxy),
        ("https_proxy", proxy),
        ("all_proxy", proxy),
        ("HTTP_PROXY", proxy),
        ("HTTPS_PROXY", proxy),
        ("ALL_PROXY", proxy),
    ];
    let backup = server.data_dir().join("a.backup");
    for arguments in [
        &["client", "list"] as &[&str],
        &["health"],
        &["backup", backup.to_str().unwrap()],
        &["restore", backup.to_str().unwrap()],
    ] {
        let _ = run(BINARY, arguments, &variables, "").expect_success();
    }
}
