//! `GET /.well-known/oauth-authorization-server`.

use crate::service::{ISSUER, Service};

#[test]
fn what_is_advertised_is_there() {
    let service = Service::start();
    let metadata = service
        .get("/.well-known/oauth-authorization-server", &[])
        .json();
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["response_types_supported"], serde_json::json!([]));
    for (member, get_status) in [
        ("token_endpoint", 405),
        ("introspection_endpoint", 405),
        ("revocation_endpoint", 405),
        ("jwks_uri", 200),
    ] {
        let path = metadata[member]
            .as_str()
            .unwrap()
            .strip_prefix(ISSUER)
            .unwrap();
        assert_eq!(service.get(path, &[]).status, get_status, "{member}");
    }
}
