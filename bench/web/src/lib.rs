//! Servers that answer `GET /` with hello: ours and those of others, each alone in its file and each
//! on one thread with a runtime for one core. They send the same head as far as they let one.

mod actix;
mod axum_serve;
mod bare;
mod bare_http3;
pub mod http3;
pub mod keep_alive;
mod ntex;
mod tls;
mod tollgate;

pub use tls::make_certificate;

use anyhow::Result;
use clap::ValueEnum;
use std::net::SocketAddr;
use std::path::Path;

const HELLO: &str = "hello";
const TEXT: &str = "text/plain; charset=utf-8";

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// hyper alone, HTTP/1.1.
    Bare,
    /// hyper alone, HTTP/2 by prior knowledge.
    BareHttp2,
    /// h3 and quinn alone.
    BareHttp3,
    /// `tollgate-web` with a handler of its own.
    Tollgate,
    /// `tollgate-web` with an axum router.
    TollgateAxum,
    /// axum's own `serve`.
    Axum,
    Actix,
    Ntex,
}

/// Serves until the process is ended. `tls` is a directory with a certificate and its key.
///
/// # Errors
/// When the address cannot be had.
pub fn serve(name: Name, address: SocketAddr, tls: Option<&Path>) -> Result<()> {
    match name {
        Name::Bare => bare::http1(address),
        Name::BareHttp2 => bare::http2(address),
        Name::BareHttp3 => bare_http3::serve(address, tls),
        Name::Tollgate => tollgate::handler(address, tls),
        Name::TollgateAxum => tollgate::router(address, tls),
        Name::Axum => axum_serve::serve(address),
        Name::Actix => actix::serve(address),
        Name::Ntex => ntex::serve(address),
    }
}

/// One thread, as suits one core.
fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().build()?)
}
