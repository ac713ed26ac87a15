//! `GET /openapi.json`.

use crate::service::{ISSUER, Service};

#[test]
fn the_description_is_openapi_of_this_server() {
    let service = Service::start();
    let description = service.get("/openapi.json", &[]).json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(description["servers"][0]["url"], ISSUER);
    assert!(description["paths"]["/oauth/token"]["post"].is_object());
}
