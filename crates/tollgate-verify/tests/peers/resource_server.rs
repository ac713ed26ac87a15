//! The example `resource_server` with keys found at the provider.

use crate::provider::{Provider, audience};
use crate::running::Running;

#[test]
fn the_example_lets_in_whom_the_provider_vouches_for() {
    let Some(provider) = Provider::start() else {
        return;
    };
    let (own, issuer) = (audience("ES256"), provider.issuer.as_str());
    let oidc = format!("{issuer}/.well-known/openid-configuration");
    let rfc_8414 = format!("{issuer}/.well-known/oauth-authorization-server");
    for url in [issuer, &oidc, &rfc_8414] {
        let server = |scope| {
            Running::start(&[
                ("RS_DISCOVERY_URL", url),
                ("RS_AUDIENCE", &own),
                ("RS_REQUIRE_SCOPE", scope),
            ])
            .unwrap()
        };
        let server_for_readers = server("read");
        let token = provider.token("ES256");
        let answer = server_for_readers.get_with("/protected", &token);
        assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        assert_eq!(answer.json()["scope"], "read");
        let stranger = server_for_readers.get_with("/protected", &provider.token("RS256"));
        assert_eq!(stranger.status, 401);
        let reader = server("write").get_with("/protected", &token);
        assert_eq!(reader.status, 403);
        let [challenge] = *reader.values("www-authenticate") else {
            panic!("{}", reader.head);
        };
        assert!(challenge.contains(r#"error="insufficient_scope", scope="write""#));
    }
}
