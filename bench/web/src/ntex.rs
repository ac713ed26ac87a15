//! ntex with one worker, on tokio.

use crate::HELLO;
use anyhow::Result;
use ntex::web::{self, App, HttpServer};
use std::net::SocketAddr;

#[ntex::main]
pub(crate) async fn serve(address: SocketAddr) -> Result<()> {
    let server = HttpServer::new(async || App::new().route("/", web::get().to(async || HELLO)));
    server.workers(1).bind(address)?.run().await?;
    Ok(())
}
