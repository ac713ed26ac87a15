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
    #[serde(skip_serializing_if = "is_false")]
    tls_client_certificate_bound_access_tokens: bool,
    #[serde(skip_serializing_if = "is_false")]
    dpop_bound_access_tokens_required: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_false(value: &bool) -> bool {
    !*value
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
            tls_client_certificate_bound_access_tokens: false,
            dpop_bound_access_tokens_required: false,
        }
    }

    /// Names another issuer whose tokens are accepted.
    #[must_use]
    pub fn or_issuer(mut self, issuer: &str) -> Self {
        self.authorization_servers.push(issuer.to_owned());
        self
    }

    /// Says that tokens may be bound to the client's certificate (RFC 8705).
    #[must_use]
    pub fn certificate_bound(mut self) -> Self {
        self.tls_client_certificate_bound_access_tokens = true;
        self
    }

    /// Says that tokens must be bound by DPoP.
    ///
    /// It says so and no more: it is for a [validator](crate::VerifierBuilder::validate) to refuse others.
    #[must_use]
    pub fn dpop_required(mut self) -> Self {
        self.dpop_bound_access_tokens_required = true;
        self
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

    /// The URL where RFC 9728 §3.1 looks for it, with the query of the resource's name if it has one;
    /// `None` when that is no https or http URL, so that nobody could look.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let (scheme, rest) = self.resource.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next()?;
        let is_web = scheme == "https" || scheme == "http";
        let before_fragment = rest.split('#').next()?;
        let query = before_fragment
            .find('?')
            .and_then(|at| before_fragment.get(at..));
        let (path, query) = (self.path(), query.unwrap_or_default());
        (is_web && !host.is_empty()).then(|| format!("{scheme}://{host}{path}{query}"))
    }

    /// The path where RFC 9728 §3.1 looks for it: the well-known part before the resource's path.
    #[must_use]
    pub fn path(&self) -> String {
        let after_scheme = self.resource.split_once("://").map_or("", |(_, rest)| rest);
        let before_query = after_scheme.split(['?', '#']).next().unwrap_or_default();
        let path = before_query.find('/').and_then(|at| before_query.get(at..));
        let path = path.unwrap_or_default().trim_end_matches('/');
        format!("/.well-known/oauth-protected-resource{path}")
    }
}
