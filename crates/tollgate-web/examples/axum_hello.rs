//! An axum service under every bound: what follows the router takes the place of `axum::serve`.

use axum::{Router, routing::get};
use tollgate_web::extract::ClientIp;
use tollgate_web::{HttpMetrics, Server, ServerConfig, TowerService, metrics::Registry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new().route("/", get(|| async { "hello" })).route(
        "/ip",
        get(|ClientIp(ip): ClientIp| async move { ip.to_string() }),
    );

    let metrics = HttpMetrics::register(&Registry::new(), &[])?;
    let address = "127.0.0.1:8080".parse()?;
    let server = Server::bind(ServerConfig::default(), &[address], metrics)?;
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    server.run(TowerService::new(app), stop).await?;
    Ok(())
}
