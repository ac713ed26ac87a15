//! Signed introspection answers (RFC 9701).

use tollgate_store::Store;
use zeroize::Zeroizing;

use crate::{Context, Issuer, IssuerError, authenticate::Client};

impl<S: Store> Issuer<S> {
    /// The answer `introspection` (a JSON object) as a JWT made out to `client` (RFC 9701 §5).
    ///
    /// # Errors
    ///
    /// When there is no key to sign with.
    pub async fn sign_introspection(
        &self,
        client: &Client,
        introspection: &str,
        context: &Context<'_>,
    ) -> Result<Zeroizing<String>, IssuerError> {
        let algorithm = client.signing_alg;
        let wall = context.now.wall.to_seconds();
        let key = self
            .keys
            .signer(algorithm, context.now.steady.to_seconds())
            .ok_or(IssuerError::NoSigningKey(algorithm.name()))?;
        let issuer = serde_json::Value::from(self.settings.issuer.as_str());
        // A client id has no character that JSON escapes.
        let claims = format!(
            r#"{{"iss":{issuer},"aud":"{}","iat":{},"token_introspection":{introspection}}}"#,
            client.record.id, wall.0
        );
        self.sign(&key, &key.introspection_header, claims.as_bytes())
            .await
    }
}
