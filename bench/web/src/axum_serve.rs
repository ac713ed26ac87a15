//! axum on its own `serve`.

use crate::{HELLO, runtime};
use anyhow::Result;
use axum::serve::ListenerExt as _;
use axum::{Router, routing::get};
use std::net::SocketAddr;
use tokio::net::TcpListener;

pub(crate) fn router() -> Router {
    Router::new().route("/", get(async || HELLO))
}

pub(crate) fn serve(address: SocketAddr) -> Result<()> {
    runtime()?.block_on(async {
        let listener = TcpListener::bind(address).await?.tap_io(|stream| {
            // Without it the figures would show, and nothing else breaks.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router()).await?;
        Ok(())
    })
}
