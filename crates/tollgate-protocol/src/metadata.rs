//! What the authorization server says of itself (RFC 8414 §2).

use serde::{Deserialize, Serialize};

/// Authorization server metadata; members that do not apply are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServerMetadata {
    /// The issuer identifier.
    pub issuer: String,
    /// Where tokens are asked for.
    pub token_endpoint: String,
    /// Where the public keys are.
    pub jwks_uri: String,
    /// Where tokens are introspected (RFC 7662).
    pub introspection_endpoint: String,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: String,
    /// The grants that work.
    pub grant_types_supported: Vec<String>,
    /// The response types that work; required by RFC 8414 even when there are none.
    pub response_types_supported: Vec<String>,
    /// How clients authenticate at the token endpoint.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// The algorithms of client assertions.
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// How callers authenticate at the introspection endpoint.
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// The algorithms of assertions at the introspection endpoint.
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// How callers authenticate at the revocation endpoint.
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// The algorithms of assertions at the revocation endpoint.
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// The algorithms of signed introspection answers (RFC 9701 §7).
    pub introspection_signing_alg_values_supported: Vec<String>,
}

impl ServerMetadata {
    /// The metadata of a server at `issuer` whose endpoints stand under it, with the given grants,
    /// client authentication methods, algorithms of assertions and algorithms of its own keys.
    #[must_use]
    pub fn new(issuer: &str, supported: &Supported) -> Self {
        let base = issuer.trim_end_matches('/');
        let methods = || supported.auth_methods.clone();
        let assertion_algorithms = || supported.assertion_algorithms.clone();
        Self {
            issuer: issuer.to_owned(),
            token_endpoint: format!("{base}/oauth/token"),
            jwks_uri: format!("{base}/.well-known/jwks.json"),
            introspection_endpoint: format!("{base}/oauth/introspect"),
            revocation_endpoint: format!("{base}/oauth/revoke"),
            grant_types_supported: supported.grants.clone(),
            response_types_supported: Vec::new(),
            token_endpoint_auth_methods_supported: methods(),
            token_endpoint_auth_signing_alg_values_supported: assertion_algorithms(),
            introspection_endpoint_auth_methods_supported: methods(),
            introspection_endpoint_auth_signing_alg_values_supported: assertion_algorithms(),
            revocation_endpoint_auth_methods_supported: methods(),
            revocation_endpoint_auth_signing_alg_values_supported: assertion_algorithms(),
            introspection_signing_alg_values_supported: supported.signing_algorithms.clone(),
        }
    }
}

/// The vocabularies that a server supports, as its metadata lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supported {
    /// Grant types.
    pub grants: Vec<String>,
    /// Client authentication methods.
    pub auth_methods: Vec<String>,
    /// Algorithms that client assertions may be signed with.
    pub assertion_algorithms: Vec<String>,
    /// Algorithms that the server signs with.
    pub signing_algorithms: Vec<String>,
}
