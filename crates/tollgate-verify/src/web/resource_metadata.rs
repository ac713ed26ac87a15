//! What a resource server says of itself (RFC 9728).

use serde::Serialize;

use crate::dpop::DpopSettings;

/// Protected-resource metadata, to be served as JSON at [`ResourceMetadata::path`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceMetadata {
    resource: String,
    authorization_servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dpop_signing_alg_values_supported: Vec<&'static str>,
}

impl ResourceMetadata {
    /// The metadata of a resource whose tokens this issuer makes.
    #[must_use]
    pub fn new(resource: &str, issuer: &str) -> Self {
        Self {
            resource: resource.to_owned(),
            authorization_servers: vec![issuer.to_owned()],
            scopes_supported: Vec::new(),
            bearer_methods_supported: ["header"],
            dpop_signing_alg_values_supported: Vec::new(),
        }
    }

    /// Names the scope values that requests may need.
    #[must_use]
    pub fn scopes<'s>(mut self, scopes: impl IntoIterator<Item = &'s str>) -> Self {
        self.scopes_supported = scopes.into_iter().map(str::to_owned).collect();
        self
    }

    /// Says that tokens may be bound by DPoP, with proofs as these settings accept them.
    #[must_use]
    pub fn dpop(mut self, settings: &DpopSettings) -> Self {
        let algorithms = settings.algorithms.iter();
        let asymmetric = algorithms.filter(|alg| !alg.is_symmetric());
        self.dpop_signing_alg_values_supported = asymmetric.map(|alg| alg.name()).collect();
        self
    }

    /// The URL where RFC 9728 §3.1 looks for it; `None` when the resource's name is no https or http
    /// URL, so that nobody could look.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let (scheme, rest) = self.resource.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next()?;
        let is_web = scheme == "https" || scheme == "http";
        (is_web && !host.is_empty()).then(|| format!("{scheme}://{host}{}", self.path()))
    }

    /// The path where RFC 9728 §3.1 looks for it: the well-known part before the resource's path.
    #[must_use]
    pub fn path(&self) -> String {
        let after_scheme = self.resource.split_once("://").map_or("", |(_, rest)| rest);
        let path = after_scheme
            .find('/')
            .and_then(|at| after_scheme.get(at..))
            .unwrap_or("");
        format!(
            "/.well-known/oauth-protected-resource{}",
            path.trim_end_matches('/')
        )
    }
}
