//! Traces: one span a request and one for each thing it asks of the store, sent to an
//! OpenTelemetry collector by a thread of their own. Without a collector there is not a span.

use std::{fmt, future::Future, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::HeaderMap;
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator as _,
    trace::{
        FutureExt as _, Link, SpanKind, Status, TraceContextExt as _, Tracer as _,
        TracerProvider as _,
    },
};
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use tollgate_web::RequestId;

use crate::{cli::Trust, config::Telemetry};

const SERVICE: &str = "tollgate";
/// Where collectors take traces, beneath their base URL (OTLP/HTTP).
const PATH: &str = "/v1/traces";
/// A collector that does not answer holds up nothing but the traces.
const TIMEOUT: Duration = Duration::from_secs(5);
/// An answer is empty or a short complaint.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Where spans go; cheap to clone.
#[derive(Clone)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Begins to export to the configured collector, if there is one.
    ///
    /// # Errors
    ///
    /// When the URL is of no use.
    pub(crate) fn start(config: &Telemetry) -> anyhow::Result<Option<Self>> {
        let Some(base) = &config.otlp_endpoint else {
            return Ok(None);
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector(Trust::Public.agent(Some(TIMEOUT))))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}{PATH}", base.trim_end_matches('/')))
            .with_timeout(TIMEOUT)
            .build()
            .context("telemetry.otlp_endpoint")?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(Resource::builder().with_service_name(SERVICE).build())
            .build();
        let tracer = provider.tracer(SERVICE);
        Ok(Some(Self { provider, tracer }))
    }

    /// Sends what is left; blocks until that is done or given up.
    pub(crate) fn flush(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }

    /// Runs `work` as this request; `outcome` reads what became of it.
    pub(crate) async fn request<T>(
        &self,
        request: &RequestTrace,
        work: impl Future<Output = T>,
        outcome: impl FnOnce(&T) -> Outcome,
    ) -> T {
        let builder = self
            .tracer
            .span_builder(request.method)
            .with_kind(SpanKind::Server);
        let builder = builder.with_attributes([
            KeyValue::new("http.request.method", request.method),
            KeyValue::new("tollgate.request_id", request.id.to_string()),
        ]);
        let Told { parent, links } = &request.told;
        let builder = builder.with_links(links.clone());
        let span = self.tracer.build_with_context(builder, parent);
        let context = parent.with_span(span);
        let done = work.with_context(context.clone()).await;
        let Outcome { status, route } = outcome(&done);
        let span = context.span();
        span.update_name(format!("{} {route}", request.method));
        span.set_attribute(KeyValue::new("http.route", route));
        span.set_attribute(KeyValue::new(
            "http.response.status_code",
            i64::from(status),
        ));
        if status >= 500 {
            span.set_status(Status::error("server error"));
        }
        span.end();
        done
    }

    /// Runs `work` as a part of the request that the code that runs belongs to.
    pub(crate) async fn part<T>(&self, name: &'static str, work: impl Future<Output = T>) -> T {
        let parent = Context::current();
        if !parent.has_active_span() {
            return work.await;
        }
        let span = self.tracer.start_with_context(name, &parent);
        let context = parent.with_span(span);
        let done = work.with_context(context.clone()).await;
        context.span().end();
        done
    }
}

/// The trace that a request says to be a part of (`traceparent`, W3C Trace Context).
pub(crate) struct Told {
    parent: Context,
    links: Vec<Link>,
}

impl Told {
    /// What these headers say.
    pub(crate) fn by(headers: &HeaderMap) -> Self {
        let extractor = HeaderExtractor(headers);
        let propagator = TraceContextPropagator::new();
        Self {
            parent: propagator.extract_with_context(&Context::new(), &extractor),
            links: Vec::new(),
        }
    }

    /// The same from whoever is not trusted: the request is a trace of its own, linked to the one
    /// that was named.
    ///
    /// # Security
    ///
    /// A parent decides whether its parts are exported. Strangers would switch their own traces
    /// off, and write themselves into the traces of others.
    pub(crate) fn by_anybody(self) -> Self {
        let named = self.parent.span().span_context().clone();
        let link = named.is_valid().then(|| Link::with_context(named));
        Self {
            parent: Context::new(),
            links: link.into_iter().collect(),
        }
    }
}

/// What a trace says of a request; never a header or a query, either may hold a secret.
pub(crate) struct RequestTrace {
    told: Told,
    method: &'static str,
    id: RequestId,
}

/// What became of a request.
pub(crate) struct Outcome {
    pub(crate) status: u16,
    /// A path template.
    pub(crate) route: &'static str,
}

impl RequestTrace {
    /// The request with this method and id, as a part of the trace that it was `told` to be.
    pub(crate) const fn new(told: Told, method: &'static str, id: RequestId) -> Self {
        Self { told, method, id }
    }
}

/// A collector behind our own HTTP client: the exporter's thread may block, and so needs no other.
struct Collector(ureq::Agent);

impl fmt::Debug for Collector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Collector")
    }
}

impl Collector {
    fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let request = http::Request::from_parts(parts, body.to_vec());
        let (parts, mut body) = self.0.run(request)?.into_parts();
        let answer = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(http::Response::from_parts(parts, answer.into()))
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let answer = self.send(request);
        match &answer {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => tracing::warn!(status = answer.status().as_u16(), "traces were refused"),
            Err(error) => tracing::warn!(%error, "traces could not be sent"),
        }
        answer
    }
}
