//! `tollgate-web` with its default bounds, its metrics and a bound on the work in flight.

use crate::axum_serve;
use crate::tls::{CERTIFICATE, KEY};
use crate::{HELLO, TEXT, runtime};
use anyhow::Result;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tollgate_web::layers::Admission;
use tollgate_web::metrics::Registry;
use tollgate_web::{
    Handler, HttpMetrics, Overload, OverloadLimits, RequestBody, RequestContext, ResponseBody,
    RouteId, Server, ServerConfig, TlsConfig, TowerService, error_response,
};
use tower_layer::Layer as _;

struct Hello {
    overload: Overload,
}

impl Handler for Hello {
    async fn handle(
        &self,
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> Response<ResponseBody> {
        if (request.method(), request.uri().path()) != (&Method::GET, "/") {
            return error_response(StatusCode::NOT_FOUND);
        }
        context.set_route(RouteId::new(0));
        let Ok(_permit) = self.overload.admit().await else {
            return error_response(StatusCode::SERVICE_UNAVAILABLE);
        };
        let mut response = Response::new(HELLO.into());
        let text = HeaderValue::from_static(TEXT);
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
    }
}

pub(crate) fn handler(address: SocketAddr, tls: Option<&Path>) -> Result<()> {
    serve(address, tls, |overload| Hello { overload })
}

pub(crate) fn router(address: SocketAddr, tls: Option<&Path>) -> Result<()> {
    serve(address, tls, |overload| {
        let admission = Admission::new(Arc::new(overload));
        TowerService::new(admission.layer(axum_serve::router()))
    })
}

fn serve<H: Handler>(
    address: SocketAddr,
    tls: Option<&Path>,
    handler: impl FnOnce(Overload) -> H,
) -> Result<()> {
    let config = ServerConfig {
        threads: 1,
        http3: tls.is_some(),
        tls: tls.map(|at| TlsConfig::new(at.join(CERTIFICATE), at.join(KEY))),
        ..ServerConfig::default()
    };
    let registry = Registry::new();
    registry.process_metrics()?;
    let metrics = HttpMetrics::register(&registry, &["/"])?;
    let overload = Overload::new(OverloadLimits::default(), &registry)?;
    runtime()?.block_on(async {
        let server = Server::bind(config, &[address], metrics)?;
        server.run(handler(overload), pending()).await?;
        Ok(())
    })
}
