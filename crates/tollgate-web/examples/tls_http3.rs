//! HTTP/1.1, HTTP/2 and HTTP/3 on one port, with certificates that are taken into use as their
//! files change. Configured by a TOML file, as the server's own struct reads it.
//!
//! ```text
//! cargo run -p tollgate-web --example tls_http3 --features axum,http3 -- cert.pem key.pem
//! curl --cacert cert.pem --http3 https://localhost:8443/
//! ```

use axum::Router;
use axum::routing::get;
use http::Version;
use tollgate_web::{HttpMetrics, Server, ServerConfig, TlsConfig, TowerService, metrics::Registry};

/// What could stand in a file; a key that the server does not know stops the start.
const CONFIG: &str = r#"
http3 = true
header_timeout = "3s"
body_bytes_max = 1048576
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(certificate), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("usage: tls_http3 CERTIFICATE KEY, both PEM".into());
    };
    let config = ServerConfig {
        tls: Some(TlsConfig::new(certificate, key)),
        ..toml::from_str(CONFIG)?
    };

    let app = Router::new().route(
        "/",
        get(|version: Version| async move { format!("hello over {version:?}\n") }),
    );

    let metrics = HttpMetrics::register(&Registry::new(), &[])?;
    let server = Server::bind(config, &["127.0.0.1:8443".parse()?], metrics)?;
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    server.run(TowerService::new(app), stop).await?;
    Ok(())
}
