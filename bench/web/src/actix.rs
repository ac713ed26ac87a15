//! actix-web with one worker.

use crate::HELLO;
use actix_web::{App, HttpServer, rt::System, web};
use anyhow::Result;
use std::net::SocketAddr;

pub(crate) fn serve(address: SocketAddr) -> Result<()> {
    let server = HttpServer::new(|| App::new().route("/", web::get().to(async || HELLO)));
    let server = server.workers(1).tcp_nodelay(true).bind(address)?;
    System::new().block_on(server.run())?;
    Ok(())
}
