//! A small service with every bound and metric on: `GET /health` and `POST /form`, as measured
//! against `bare_hyper`, and `GET /metrics`. `hello --listen ADDR --threads N`

use std::net::SocketAddr;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tollgate_web::metrics::Registry;
use tollgate_web::{
    Handler, HttpMetrics, Overload, OverloadLimits, RequestBody, RequestContext, ResponseBody,
    RouteId, Server, ServerConfig, body, error_response,
};

const HEALTH: RouteId = RouteId::new(0);
const FORM: RouteId = RouteId::new(1);
const METRICS: RouteId = RouteId::new(2);
const BODY_BYTES_MAX: usize = 65_536;

struct Hello {
    registry: Registry,
    overload: Overload,
}

impl Handler for Hello {
    async fn handle(
        &self,
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> Response<ResponseBody> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/health") => {
                context.set_route(HEALTH);
                json(r#"{"status":"ok"}"#)
            }
            (&Method::POST, "/form") => {
                context.set_route(FORM);
                self.form(request).await
            }
            (&Method::GET, "/metrics") => {
                context.set_route(METRICS);
                Response::new(self.registry.render().into())
            }
            _ => error_response(StatusCode::NOT_FOUND),
        }
    }
}

impl Hello {
    async fn form(&self, request: Request<RequestBody>) -> Response<ResponseBody> {
        let Ok(_permit) = self.overload.admit().await else {
            return error_response(StatusCode::SERVICE_UNAVAILABLE);
        };
        let form = match body::collect(request.into_body(), BODY_BYTES_MAX).await {
            Ok(form) => form,
            Err(error) => return error_response(error.status()),
        };
        let text = std::str::from_utf8(&form).unwrap_or_default();
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let fields: Vec<(String, String)> = pairs
            .map(|(name, value)| (name.to_owned(), value.replace('+', " ")))
            .collect();
        let scope = fields
            .iter()
            .find(|(name, _)| name == "scope")
            .map_or("", |(_, value)| value);
        let token = "x".repeat(220);
        json(format!(
            r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600,"scope":"{scope}"}}"#
        ))
    }
}

fn json(body: impl Into<ResponseBody>) -> Response<ResponseBody> {
    let mut response = Response::new(body.into());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = ServerConfig::default();
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 8091));
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or("each flag takes a value")?;
        match flag.as_str() {
            "--listen" => listen = value.parse()?,
            "--threads" => config.threads = value.parse()?,
            _ => return Err("flags are --listen ADDR and --threads N".into()),
        }
    }
    let registry = Registry::new();
    registry.process_metrics()?;
    let metrics = HttpMetrics::register(&registry, &["/health", "/form", "/metrics"])?;
    let limits = OverloadLimits {
        in_flight_max: 1000,
        queue_max: 1000,
        queue_wait: std::time::Duration::from_millis(100),
    };
    let overload = Overload::new(limits, &registry)?;
    let server = Server::bind(config, &[listen], metrics)?;
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    server.run(Hello { registry, overload }, stop).await?;
    Ok(())
}
