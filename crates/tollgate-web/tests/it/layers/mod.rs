//! Each layer alone, over services that answer as told.

mod admission;
mod body_limit;
mod client_address;
mod compression;
mod cors;
mod csrf;
mod decompression;
mod early_hints;
mod entity_tags;
mod rate_limit;
mod request_id;
mod security_headers;
mod stack;
mod timeout;
mod trace;

use std::convert::Infallible;
use std::fmt::Debug;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tollgate_web::{RequestInfo, ResponseBody, Scheme};
use tower::{Service, ServiceExt, service_fn};

pub(crate) type Asked = Request<Full<Bytes>>;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// All values of a header.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(future)
}

pub(crate) fn ask<S, B, R>(service: S, request: Request<B>) -> Answer
where
    S: Service<Request<B>, Response = Response<R>, Error: Debug>,
    R: Body<Data = Bytes, Error: Debug>,
{
    block_on(async {
        let (head, body) = service.oneshot(request).await.unwrap().into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    })
}

/// A service that answers what the function makes of the request's head.
pub(crate) fn answering<B, F>(
    answer: F,
) -> impl Service<Request<B>, Response = Response<ResponseBody>, Error = Infallible> + Clone
where
    F: Fn(&Request<B>) -> Response<ResponseBody> + Clone,
{
    service_fn(move |request| std::future::ready(Ok(answer(&request))))
}

/// A service that answers with these headers and this body.
pub(crate) fn page<B>(
    headers: &'static [(&'static str, &'static str)],
    body: impl Into<Bytes>,
) -> impl Service<Request<B>, Response = Response<ResponseBody>, Error = Infallible> + Clone {
    let body = body.into();
    answering(move |_| {
        let mut response = Response::builder();
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(body.clone().into()).unwrap()
    })
}

/// A service that reads the whole body and hands it back; 400 if that fails.
pub(crate) fn echo<B>()
-> impl Service<Request<B>, Response = Response<ResponseBody>, Error = Infallible, Future: Send> + Clone
where
    B: Body<Data = Bytes> + Send + 'static,
{
    service_fn(|request: Request<B>| async {
        let read = request.into_body().collect().await;
        let mut response = Response::new(ResponseBody::empty());
        match read {
            Ok(read) => *response.body_mut() = read.to_bytes().into(),
            Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
        }
        Ok(response)
    })
}

/// A request without a body.
pub(crate) fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Asked {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::default()).unwrap()
}

/// What the server would say of a request from this address.
pub(crate) fn info(ip: &str, scheme: Scheme) -> RequestInfo {
    let local = "127.0.0.1:443".parse().unwrap();
    RequestInfo::new(
        (ip.parse::<std::net::IpAddr>().unwrap(), 5000).into(),
        local,
        scheme,
    )
}
