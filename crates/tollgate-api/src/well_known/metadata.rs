//! `GET /.well-known/oauth-authorization-server`: what works here (RFC 8414).

use bytes::Bytes;
use http::{HeaderValue, Response};
use tollgate_issuer::Settings;
use tollgate_jose::Algorithm;
use tollgate_protocol::{
    AuthMethod, GrantType,
    metadata::{ServerMetadata, Supported},
};
use tollgate_store::Store;
use tollgate_web::ResponseBody;

use crate::{Api, respond};

/// The document; it does not change while the server runs.
pub(crate) fn document(settings: &Settings) -> Bytes {
    let asymmetric = || {
        let algorithms = Algorithm::ALL
            .iter()
            .filter(|algorithm| !algorithm.is_symmetric());
        algorithms
            .map(|algorithm| algorithm.name().to_owned())
            .collect::<Vec<_>>()
    };
    let supported = Supported {
        grants: GrantType::ALL
            .iter()
            .map(|grant| grant.as_str().to_owned())
            .collect(),
        auth_methods: AuthMethod::ALL
            .iter()
            .map(|method| method.as_str().to_owned())
            .collect(),
        assertion_algorithms: asymmetric(),
        signing_algorithms: asymmetric(),
    };
    let metadata = ServerMetadata::new(&settings.issuer, &supported);
    serde_json::to_vec(&metadata).unwrap_or_default().into()
}

pub(crate) fn answer<S: Store>(api: &Api<S>) -> Response<ResponseBody> {
    respond::document(
        HeaderValue::from_static("public, max-age=3600"),
        api.metadata.clone(),
    )
}
