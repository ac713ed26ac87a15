//! Opaque tokens by the provider's introspection endpoint (RFC 7662), plain and signed (RFC 9701).

use tollgate_verify::BuildError;
use tollgate_verify::client::{ClientCredentials, Introspector, IntrospectorBuilder};

use crate::provider::{CLIENT_ID, Provider, audience};

fn introspector(provider: &Provider, format: &str) -> IntrospectorBuilder {
    let url = format!("{}/token/introspection", provider.issuer);
    let audience = audience(format);
    Introspector::builder(&url, &provider.issuer, &audience, Provider::credentials())
}

#[test]
fn opaque_tokens_are_asked_about() {
    let Some(provider) = Provider::start() else {
        return;
    };
    let token = provider.token("opaque");
    let introspector = introspector(&provider, "opaque").build().unwrap();
    let active = introspector.introspect_blocking(&token).unwrap().unwrap();
    assert_eq!(active.client_id(), Some(CLIENT_ID));
    assert!(active.has_scope("read") && !active.has_scope("write"));
    let unknown = format!("{token}x");
    let inactive = introspector.introspect_blocking(&unknown).unwrap();
    assert!(inactive.is_none());
    // Without a cache every question is asked.
    assert_eq!(introspector.requests_and_hits(), (2, 0));
}

#[test]
fn tokens_for_others_and_strangers_are_refused() {
    let Some(provider) = Provider::start() else {
        return;
    };
    let token = provider.token("opaque");
    let other = introspector(&provider, "other").build().unwrap();
    assert!(other.introspect_blocking(&token).is_err());
    let url = format!("{}/token/introspection", provider.issuer);
    let wrong = ClientCredentials::new(CLIENT_ID, "not the secret");
    let stranger = Introspector::builder(&url, &provider.issuer, &audience("opaque"), wrong)
        .build()
        .unwrap();
    assert!(stranger.introspect_blocking(&token).is_err());
}

#[test]
fn signed_answers_are_verified() {
    let (Some(provider), Some(other)) = (Provider::start(), Provider::start()) else {
        return;
    };
    let token = provider.token("opaque");
    let signed = introspector(&provider, "opaque")
        .signed(&provider.discovery())
        .build()
        .unwrap();
    let active = signed.introspect_blocking(&token).unwrap().unwrap();
    assert_eq!(active.client_id(), Some(CLIENT_ID));
    let foreign = introspector(&provider, "opaque").signed(&other.discovery());
    assert_eq!(foreign.build().err(), Some(BuildError::OtherIssuer));
    let with_foreign_keys = introspector(&provider, "opaque")
        .signed(&other.key_set())
        .build()
        .unwrap();
    assert!(with_foreign_keys.introspect_blocking(&token).is_err());
}
