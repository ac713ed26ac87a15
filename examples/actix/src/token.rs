//! The extractor that lets in whoever brings a good token, and answers everybody else.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, error, web};
use tollgate_verify::web::{Authenticated, ClientCertificate, RequireToken};

/// Any good token will do.
pub const ANY: u8 = 0;
/// The token must carry the configured scope.
pub const SCOPED: u8 = 1;

/// What requests have to pass, with and without demands on scope.
#[derive(Clone)]
pub struct Gate {
    any: RequireToken,
    scoped: RequireToken,
}

impl Gate {
    pub fn new(any: RequireToken, scope: &str) -> Self {
        let scoped = any.clone().scope(scope);
        Self { any, scoped }
    }
}

/// The verified token of a request.
pub struct Token<const DEMAND: u8 = ANY>(Authenticated);

impl<const DEMAND: u8> Deref for Token<DEMAND> {
    type Target = Authenticated;

    fn deref(&self) -> &Authenticated {
        &self.0
    }
}

impl<const DEMAND: u8> FromRequest for Token<DEMAND> {
    type Error = error::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, error::Error>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let gate = request.app_data::<web::Data<Gate>>().cloned();
        let head = head_of(request);
        Box::pin(async move {
            let gate = gate.ok_or_else(|| error::ErrorInternalServerError("no gate"))?;
            let layer = if DEMAND == SCOPED {
                &gate.scoped
            } else {
                &gate.any
            };
            let head = head.map_err(error::ErrorBadRequest)?;
            match layer.authenticate(&head).await {
                Ok(authenticated) => Ok(Self(authenticated)),
                Err(answer) => Err(refusal(answer)),
            }
        })
    }
}

/// The request's head in the types of `http` 1, of which actix-web has an older version.
fn head_of(request: &HttpRequest) -> Result<http::request::Parts, http::Error> {
    let mut head = http::Request::builder()
        .method(request.method().as_str())
        .uri(request.uri().to_string());
    for (name, value) in request.headers() {
        head = head.header(name.as_str(), value.as_bytes());
    }
    let mut head = head.body(())?.into_parts().0;
    if let Some(certificate) = request.conn_data::<ClientCertificate>() {
        head.extensions.insert(certificate.clone());
    }
    Ok(head)
}

fn refusal(answer: http::Response<&'static str>) -> error::Error {
    let status =
        StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in answer.headers() {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    let body = *answer.body();
    error::InternalError::from_response("not let in", response.body(body)).into()
}
