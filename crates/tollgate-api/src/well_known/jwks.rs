//! `GET /.well-known/jwks.json`: the public keys (RFC 7517 §5).

use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH},
};
use tollgate_store::Store;
use tollgate_web::ResponseBody;

use crate::{Api, call::Call, respond};

/// The key set, or 304 when the caller has it already.
pub(crate) fn answer<S: Store>(api: &Api<S>, call: &Call<'_>) -> Response<ResponseBody> {
    let document = api.issuer.jwks(&call.context);
    let headers = (
        HeaderValue::try_from(&document.etag),
        HeaderValue::try_from(&api.jwks_cache_control),
    );
    let (Ok(etag), Ok(cache_control)) = headers else {
        return tollgate_web::error_response(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let known = call
        .parts
        .headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .any(|tags| {
            let tags = tags.as_bytes().split(|byte| *byte == b',');
            // A proxy that compresses makes a tag weak; here weak ones count as well (RFC 9110
            // §13.1.2).
            tags.map(<[u8]>::trim_ascii)
                .map(|tag| tag.strip_prefix(b"W/").unwrap_or(tag))
                .any(|tag| tag == etag.as_bytes() || tag == b"*")
        });
    let mut response = if known {
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().insert(CACHE_CONTROL, cache_control);
        response
    } else {
        respond::document(cache_control, document.body.clone())
    };
    response.headers_mut().insert(ETAG, etag);
    response
}
