//! The JWK Set as it is served: written once, not for each request.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use tollgate_jose::{Jwk, JwkSet};
use tollgate_protocol::UnixSeconds;

/// The body and the entity tag of the JWKS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksDocument {
    /// The JSON document.
    pub body: Bytes,
    /// The value of the `ETag` header, quotes included.
    pub etag: String,
    /// From when the document is no longer true: a key is gone then.
    pub(super) stale_from: Option<UnixSeconds>,
}

impl JwksDocument {
    pub(super) fn new(keys: Vec<Jwk>, stale_from: Option<UnixSeconds>) -> Self {
        // A list of strings in a struct always has a JSON form.
        let body = serde_json::to_vec(&JwkSet { keys }).unwrap_or_default();
        let hash = digest::digest(&digest::SHA256, &body);
        let tag = URL_SAFE_NO_PAD.encode(hash.as_ref().get(..16).unwrap_or_default());
        Self {
            body: body.into(),
            etag: format!("\"{tag}\""),
            stale_from,
        }
    }
}
